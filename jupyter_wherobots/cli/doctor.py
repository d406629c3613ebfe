"""``jupyter wherobots doctor``: is everything set up right."""

from __future__ import annotations

import argparse
import sys

from .common import (
    Commands,
    ExitCode,
    Parser,
    add_command,
    print_json,
    printable,
    read_configuration,
)


def add_to(commands: Commands[Parser]) -> None:
    """Add the command."""
    add_command(
        commands,
        "doctor",
        run,
        summary="check variables, bucket, credentials, home and versions",
        description=(
            "Check everything that can be set up wrongly, with one line each and what to do about it. Puts and removes one\n"
            "small object of its own in the bucket. Exit code 1 if a check failed."
        ),
        examples="""
  jupyter wherobots doctor
  jupyter wherobots doctor --json
""",
        json_help='print one JSON object: {"ok": …, "checks": [{name, state, message, hint}]}',
    )


def run(arguments: argparse.Namespace) -> ExitCode:
    """Print the report."""
    from ..doctor import State, examine

    checkup = examine(read_configuration())
    if arguments.json:
        print_json(checkup.to_json())
        return ExitCode.OK if checkup.ok else ExitCode.FAILED
    marks = {
        State.OK: "ok",
        State.WARNING: "warning",
        State.FAILED: "FAILED",
        State.SKIPPED: "skipped",
    }
    width = max(len(check.name) for check in checkup.checks)
    for check in checkup.checks:
        print(f"{marks[check.state]:8}{check.name:{width}}  {printable(check.message)}")
        if check.hint:
            print(f"{'':8}{'':{width}}  -> {printable(check.hint)}")
    failed = sum(check.state is State.FAILED for check in checkup.checks)
    warned = sum(check.state is State.WARNING for check in checkup.checks)
    print(f"\n{_count(failed, 'problem')}, {_count(warned, 'warning')}.", file=sys.stdout)
    return ExitCode.OK if checkup.ok else ExitCode.FAILED


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
