"""``jupyter wherobots env``: the three variables, for a shell."""

from __future__ import annotations

import argparse
import shlex

from .common import (
    Commands,
    ExitCode,
    Parser,
    add_command,
    print_json,
    read_configuration,
    require_place,
)


def add_to(commands: Commands[Parser]) -> None:
    """Add the command."""
    add_command(
        commands,
        "env",
        run,
        summary="print USER_S3_PATH, USER_S3_SHARED_PATH and USER_WAREHOUSE_PATH",
        description="Print the variables that every kernel and terminal has, as export lines for a shell.",
        examples="""
  eval "$(jupyter wherobots env)"
  jupyter wherobots env --json
""",
        json_help="print one JSON object, name: value",
    )


def run(arguments: argparse.Namespace) -> ExitCode:
    """Print the variables."""
    from ..layout import Layout, LayoutName

    configuration = read_configuration()
    place = require_place(configuration)
    layout = Layout(place, configuration.layout or LayoutName.CURRENT)
    values = layout.environment(trailing_slash=configuration.trailing_slash)
    if arguments.json:
        print_json(values)
    else:
        for name, value in values.items():
            print(f"export {name}={shlex.quote(value)}")
    return ExitCode.OK
