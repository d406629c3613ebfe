"""``jupyter wherobots ls``: what lies in the managed storage, page by page."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import NotFound
from .common import Commands, ExitCode, Parser, add_command, human_size, print_json, printable
from .managed import managed_path, opened

if TYPE_CHECKING:
    from ..storage import Storage
    from ..storage.entries import Entry


def add_to(commands: Commands[Parser]) -> None:
    """Add the command."""
    command = add_command(
        commands,
        "ls",
        run,
        summary="list folders and files of the managed storage",
        description="List folders and files of the managed storage, page by page, whatever the size of the folder.",
        examples="""
  jupyter wherobots ls
  jupyter wherobots ls -l wb:/data/shared/
  jupyter wherobots ls -R "$USER_S3_PATH"
  jupyter wherobots ls --json /data/shared | jq -r .uri
""",
        json_help="print one JSON object a line: {name, path, uri, type, size, lastModified, etag, …}",
    )
    command.add_argument(
        "paths",
        nargs="*",
        default=["/"],
        metavar="PATH",
        help="such as wb:/data/shared/, /data/shared/ or an s3:// path (default: /)",
    )
    command.add_argument("-l", "--long", action="store_true", help="with size and time")
    command.add_argument(
        "-R", "--recursive", action="store_true", help="all files below, with their whole paths"
    )


def run(arguments: argparse.Namespace) -> ExitCode:
    """List every path that is given."""
    with opened() as storage:
        for number, text in enumerate(arguments.paths):
            path = managed_path(text, storage.layout())
            if len(arguments.paths) > 1 and not arguments.json:
                print(f"{'' if number == 0 else chr(10)}{printable(path)}:")
            listed = _everything(storage, path) if arguments.recursive else _folder(storage, path)
            for entry in listed:
                if arguments.json:
                    print_json(entry.to_json())
                else:
                    name = entry.path if arguments.recursive else _name(entry)
                    print(_long(entry, name) if arguments.long else printable(name))
    return ExitCode.OK


def _folder(storage: Storage, path: str) -> Iterator[Entry]:
    """The file of that name and what lies in the folder of that name. Raises NotFound if there is neither."""
    found = None if path.endswith("/") else _file(storage, path)
    if found is not None:
        yield found
    page = storage.list(path, limit=1000)
    if not page.entries and page.cursor is None and found is None:
        _require_folder(storage, page.path)
    yield from page.entries
    while page.cursor is not None:
        page = storage.list(path, limit=1000, cursor=page.cursor)
        yield from page.entries


def _everything(storage: Storage, path: str) -> Iterator[Entry]:
    """All files below a folder; below a fixed one, those of its folders that can be filled."""
    from ..s3.listing import walk
    from ..storage.entries import file_entry

    layout = storage.layout()
    folder = layout.folder(path)
    names = layout.children(folder)
    if names is not None:
        for name in names:
            yield from _everything(storage, f"{folder}{name}/")
        return
    file = None if path.endswith("/") else _file(storage, path)
    if file is not None:
        yield file
    empty = file is None
    for item in walk(storage.s3, layout.key(folder)):
        empty = False
        yield file_entry(layout, item)
    if empty:
        _require_folder(storage, folder)


def _file(storage: Storage, path: str) -> Entry | None:
    """The object of exactly this name, or None."""
    from ..layout import AccessKind
    from ..s3.listing import Object
    from ..s3.objects import head
    from ..storage.entries import file_entry

    layout = storage.layout()
    if layout.access(path).kind in (AccessKind.CONTAINER, AccessKind.ROOT):
        return None
    key = layout.key(path)
    try:
        found = head(storage.s3, key)
    except NotFound:
        return None
    return file_entry(layout, Object(key, found.size, found.last_modified, found.etag))


def _require_folder(storage: Storage, folder: str) -> None:
    """A folder without anything in it is there if the layout or an object of its own says so. Raises NotFound."""
    from ..layout import AccessKind

    inside = storage.layout().access(folder).kind in (AccessKind.INSIDE, AccessKind.INTERNAL)
    if inside and _file(storage, folder) is None:
        raise NotFound(f"{folder} does not exist.", path=folder, hint="Check the spelling.")


def _name(entry: Entry) -> str:
    from ..storage.entries import EntryType

    if entry.type is EntryType.FOLDER:
        return f"{entry.name}/"
    return entry.name or "(the folder itself)"


def _long(entry: Entry, name: str) -> str:
    size = "-" if entry.size is None else human_size(entry.size)
    when = (
        "-" if entry.last_modified is None else f"{entry.last_modified.astimezone():%Y-%m-%d %H:%M}"
    )
    locked = entry.access.mutate_protected and entry.access.upload_protected
    return f"{size:>8}  {when:16}  {printable(name)}{'  (read-only)' if locked else ''}"
