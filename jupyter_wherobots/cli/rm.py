"""``jupyter wherobots rm``: delete files and folders of the managed storage, after a question."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .common import Commands, ExitCode, Parser, add_command
from .managed import add_yes, confirm, found_item, opened, require_managed

if TYPE_CHECKING:
    from ..storage import Storage
    from ..storage.items import Item
    from .outcome import Outcome

_COUNTED = 100_000
"""Objects that are counted before the question; of more it says so."""
_NAMED = 5
"""Paths that the question names."""


def add_to(commands: Commands[Parser]) -> None:
    """Add the command."""
    command = add_command(
        commands,
        "rm",
        run,
        summary="delete files and folders of the managed storage",
        description="""
Delete files, and with -r folders with all they hold, for good: there is no trash (unless the bucket keeps versions). First it
says how many objects and bytes they are and asks; without a terminal it wants --yes instead.
""",
        examples="""
  jupyter wherobots rm wb:/data/shared/old.csv
  jupyter wherobots rm -r wb:/data/shared/2023/
  jupyter wherobots rm -r --yes wb:/spark-logs/app-20250101/
""",
        json_help="print one JSON object a line for each PATH: {path, state, objects, bytes, errors, errorCount}",
    )
    command.add_argument(
        "paths", nargs="+", metavar="PATH", help="wb:/data/… or s3://…; with a slash the folder"
    )
    command.add_argument(
        "-r", "-R", "--recursive", action="store_true", help="folders too, with all they hold"
    )
    add_yes(command, "do not ask; /spark-logs included")


def run(arguments: argparse.Namespace) -> ExitCode:
    """Ask, then delete."""
    from ..storage.permissions import check_change
    from .outcome import Outcome, judging, tell

    with opened() as storage:
        layout = storage.layout()
        outcomes = [Outcome(text) for text in arguments.paths]
        paths = [require_managed(text, layout) for text in arguments.paths]
        found: list[tuple[Item, Outcome]] = []
        for path, outcome in zip(paths, outcomes, strict=True):
            with judging(outcome):
                item = found_item(storage, path, recursive=arguments.recursive)
                check_change(layout, item.path, confirm=True)
                found.append((item, outcome))
        if found and not arguments.yes:
            confirm(arguments, _question(storage, [item.path for item, _ in found]))
        code = ExitCode.FAILED
        try:
            for item, outcome in found:
                _delete(storage, item, outcome)
        finally:
            code = tell(outcomes, "Deleted", as_json=arguments.json)
        return code


def _delete(storage: Storage, item: Item, outcome: Outcome) -> None:
    from .outcome import keeping
    from .running import finish

    with keeping(outcome):
        job = storage.delete([item], confirm=True)
        try:
            finish(job, "Deleting")
        finally:
            outcome.take(job)


def _question(storage: Storage, paths: Sequence[str]) -> str:
    """What is about to happen, with the numbers. Counts as far as `_COUNTED`."""
    from .outcome import amount
    from .progress import written

    with written(lambda: "Counting …"):
        found = storage.measure(paths, _COUNTED)
    names = ", ".join(paths[:_NAMED]) + (
        f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    )
    much = ("" if found.complete else "at least ") + amount(found.objects, found.bytes)
    layout = storage.layout()
    warnings = {warning for path in paths if (warning := layout.access(path).confirmation)}
    return " ".join((f"This deletes {names} for good: {much}.", *warnings))
