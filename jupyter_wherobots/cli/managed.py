"""The managed storage as commands reach it: which arguments mean it, what lies there, what a person must agree to.

The services are those behind the REST API, in this process: no server has to run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import Cancelled, ConfirmationRequired, InvalidPath, InvalidRequest, NotFound
from .common import printable, read_configuration, require_place

if TYPE_CHECKING:
    from ..layout import Layout
    from ..storage import Storage
    from ..storage.items import Item

SCHEME = "wb:"
"""In front of a path of the managed storage wherever a local path would be possible too."""

_URIS = ("s3://", "s3a://")


@contextmanager
def opened() -> Iterator[Storage]:
    """The storage that the configuration names. Raises NotConfigured."""
    from ..s3.client import S3
    from ..services import LayoutResolver
    from ..storage import Storage

    configuration = read_configuration()
    place = require_place(configuration)
    s3 = S3(place.bucket)
    resolver = LayoutResolver(place, configuration.layout, s3)
    storage = Storage(s3, resolver, home=configuration.home, state=configuration.state)
    try:
        yield storage
    finally:
        storage.close()
        s3.close()


# -- paths -----------------------------------------------------------------------------------------


def is_managed(text: str) -> bool:
    """Whether an argument means the managed storage where a local path is possible too."""
    return text.startswith((SCHEME, *_URIS))


def managed_path(text: str, layout: Layout) -> str:
    """The path that a person means by ``wb:/data/…``, ``/data/…`` or ``s3://…``. Raises InvalidPath."""
    if text.startswith(_URIS):
        return layout.path_of_uri(text)
    path = text.removeprefix(SCHEME)
    if not path.startswith("/"):
        raise InvalidPath(
            f"{text!r} is not a path of the managed storage.",
            hint="Write wb:/data/…, /data/… or the s3:// path; `jupyter wherobots ls` shows where to begin.",
        )
    return path


def require_managed(text: str, layout: Layout) -> str:
    """The path of an argument that has to say that it means the managed storage. Raises InvalidPath for a local one."""
    if not is_managed(text):
        meant = SCHEME + text if text.startswith("/") else f"{SCHEME}/data/…"
        raise InvalidPath(
            f"{text} is a local path, and this is about the managed storage.",
            hint=f"Write {meant} if the managed storage is meant.",
        )
    return managed_path(text, layout)


def found_item(storage: Storage, path: str, *, recursive: bool) -> Item:
    """What lies at a path: a folder if it ends with a slash, else a file and, where there is none, the folder.

    Raises InvalidRequest for a folder without ``recursive``, NotFound, and what `Storage.stat` raises.
    """
    from ..storage.entries import EntryType
    from ..storage.items import Item

    try:
        entry = storage.stat(path).entry
    except NotFound as error:
        error.hint = "`jupyter wherobots ls` shows what is there."
        raise
    if entry.type is EntryType.FOLDER and not recursive:
        raise InvalidRequest(f"{entry.path} is a folder.", path=path, hint="Add -r to mean it.")
    return Item.of(entry.path, entry.type)


# -- a person's word -------------------------------------------------------------------------------


def add_yes(command: argparse.ArgumentParser, meaning: str) -> None:
    """Add the option that answers the questions."""
    command.add_argument("-y", "--yes", action="store_true", help=meaning)


def agreed(arguments: argparse.Namespace, layout: Layout, paths: Iterable[str]) -> bool:
    """Whether a person confirmed what is to be confirmed at these paths; False if nothing is.

    Raises ConfirmationRequired where nobody can be asked, Cancelled if the answer is no.
    """
    for path in paths:
        question = layout.access(path).confirmation
        if question:
            confirm(arguments, question, path)
            return True
    return False


def confirm(arguments: argparse.Namespace, question: str, path: str | None = None) -> None:
    """Ask on the terminal, unless ``--yes`` was given. Raises ConfirmationRequired, Cancelled."""
    if arguments.yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfirmationRequired(question, path=path, hint="Add --yes if this is meant.")
    print(f"{printable(question)} Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Cancelled("Nothing was changed.")
