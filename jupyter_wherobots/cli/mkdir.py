"""``jupyter wherobots mkdir``: make folders in the managed storage."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..errors import AlreadyExists, NotFound
from .common import Commands, ExitCode, Parser, add_command
from .managed import add_yes, agreed, opened, require_managed

if TYPE_CHECKING:
    from ..storage import Storage


def add_to(commands: Commands[Parser]) -> None:
    """Add the command."""
    command = add_command(
        commands,
        "mkdir",
        run,
        summary="make folders in the managed storage",
        description="""
Make empty folders. Copies need none: a folder comes to be with the first file that is put into it.
""",
        examples="""
  jupyter wherobots mkdir wb:/data/shared/2025
  jupyter wherobots mkdir -p wb:/data/shared/2025/tiles/raw
""",
        json_help="print one JSON object a line for each PATH: {path, state, objects, bytes, errors, errorCount}",
    )
    command.add_argument("paths", nargs="+", metavar="PATH", help="wb:/data/… or s3://…")
    command.add_argument(
        "-p",
        "--parents",
        action="store_true",
        help="the folders above it too, and no error if it is there already",
    )
    add_yes(command, "do not ask before something changes in /spark-logs")


def run(arguments: argparse.Namespace) -> ExitCode:
    """Make every folder."""
    from .outcome import Outcome, keeping, tell

    with opened() as storage:
        layout = storage.layout()
        outcomes = [Outcome(text, expected=1) for text in arguments.paths]
        folders = [layout.folder(require_managed(text, layout)) for text in arguments.paths]
        agreed(arguments, layout, folders)
        for folder, outcome in zip(folders, outcomes, strict=True):
            with keeping(outcome):
                _make(storage, folder, parents=arguments.parents)
                outcome.done(1, 0)
        taken = "Add -p if that is meant."
        return tell(outcomes, "", as_json=arguments.json, taken=taken)


def _make(storage: Storage, folder: str, *, parents: bool) -> None:
    """Make a folder. Raises NotFound for the one above it, and what `Storage.create_folder` raises."""
    if parents and _is_there(storage, folder):
        return
    above = folder[:-1].rpartition("/")[0] + "/"
    if parents:
        _make(storage, above, parents=True)
    elif not _is_there(storage, above):
        raise NotFound(f"There is no folder {above}.", path=above, hint="Add -p to make it too.")
    try:
        storage.create_folder(folder, confirm=True)
    except AlreadyExists:
        if not parents:  # else somebody was faster
            raise


def _is_there(storage: Storage, folder: str) -> bool:
    from ..storage.entries import EntryType

    try:
        storage.stat(folder, EntryType.FOLDER)
    except NotFound:
        return False
    return True
