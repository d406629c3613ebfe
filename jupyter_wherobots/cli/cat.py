"""``jupyter wherobots cat``: files of the managed storage to standard output."""

from __future__ import annotations

import argparse
import sys

from .common import Commands, ExitCode, Parser, add_command
from .managed import opened, require_managed


def add_to(commands: Commands[Parser]) -> None:
    """Add the command."""
    command = add_command(
        commands,
        "cat",
        run,
        summary="write files of the managed storage to standard output",
        description="Write files to standard output, one after the other, as they come from S3.",
        examples="""
  jupyter wherobots cat wb:/data/shared/readme.txt
  jupyter wherobots cat wb:/data/shared/part-1.csv wb:/data/shared/part-2.csv > all.csv
""",
        json_help="print one JSON object a line on standard error: {path, state, objects, bytes, errors, errorCount}",
    )
    command.add_argument("paths", nargs="+", metavar="PATH", help="wb:/data/… or s3://…")


def run(arguments: argparse.Namespace) -> ExitCode:
    """Write every file."""
    from .outcome import Outcome, tell
    from .transfer import write_out

    code = ExitCode.OK
    with opened() as storage:
        layout = storage.layout()
        paths = [require_managed(text, layout) for text in arguments.paths]
        for text, path in zip(arguments.paths, paths, strict=True):
            outcome = Outcome(text)
            try:
                write_out(storage, path, outcome)
            finally:
                code = max(code, tell([outcome], "", as_json=arguments.json, out=sys.stderr))
    return code
