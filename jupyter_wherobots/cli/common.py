"""What all commands share: exit codes, the parser, reading the configuration, printing."""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TextIO

from ..errors import NotConfigured, WherobotsError

if TYPE_CHECKING:
    from ..layout import Place
    from ..settings import Configuration


DOCTOR = "`jupyter wherobots doctor` looks at everything, and says what to do."


class ExitCode(IntEnum):
    """What a command answers to the shell."""

    OK = 0
    FAILED = 1
    USAGE = 2
    """Wrong usage or configuration (argparse's own code too)."""
    NOT_DURABLE = 3
    """Done, but something is not saved in S3; each is named."""


class Parser(argparse.ArgumentParser):
    """An argument parser that leaves the layout of descriptions and examples as they are written."""

    def __init__(self, **keywords: Any) -> None:
        keywords.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        keywords.setdefault("allow_abbrev", False)
        super().__init__(**keywords)


Commands = argparse._SubParsersAction  # its only name


def add_command(
    commands: Commands[Parser],
    name: str,
    run: Callable[[argparse.Namespace], ExitCode],
    *,
    summary: str,
    description: str,
    examples: str,
    json_help: str = "print JSON",
) -> Parser:
    """Add a command with the options that all have."""
    command = commands.add_parser(
        name,
        help=summary,
        description=description.strip(),
        epilog="examples:\n" + examples.strip("\n"),
    )
    command.add_argument("--json", action="store_true", help=json_help)
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    command.set_defaults(run=run)
    return command


def read_configuration(**overrides: Any) -> Configuration:
    """The settings as the server would have them. Raises NotConfigured if a configuration file cannot be read."""
    from ..settings import load_settings

    try:
        return load_settings(**overrides).resolve()
    except (
        Exception
    ) as error:  # a configuration file is a program; whatever it raises is to be told
        lines = [
            f" ({frame.filename}, line {frame.lineno})"
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename.endswith("_config.py")
        ]
        raise NotConfigured(
            f"Jupyter's configuration cannot be read: {type(error).__name__}: {error}{''.join(lines[-1:])}",
            hint="`jupyter --paths` lists the directories; look at jupyter_server_config and jupyter_wherobots_config, "
            "and whether HOME is set.",
        ) from error


def require_place(configuration: Configuration) -> Place:
    """Whose storage it is. Raises NotConfigured with exactly what is missing; other problems are warned of on stderr."""
    from ..settings import misspelt

    for name, meant in misspelt(os.environ):
        print(f"warning: {name} is set, and nobody reads it: is {meant} meant?", file=sys.stderr)
    if configuration.place is None:
        raise NotConfigured(
            configuration.message or "Managed storage is not configured.",
            hint=DOCTOR,
        )
    for problem in configuration.problems:
        print(f"warning: {problem.message}", file=sys.stderr)
    return configuration.place


def print_json(value: object, out: TextIO | None = None) -> None:
    """One line of JSON, at once, on stdout unless told otherwise."""
    print(json.dumps(value, ensure_ascii=False), file=out, flush=True)


def print_error(error: WherobotsError) -> None:
    """What went wrong and what to do about it, on stderr."""
    print(f"error: {printable(error.message)}", file=sys.stderr)
    if error.hint:
        print(f"  {printable(error.hint)}", file=sys.stderr)


def printable(text: str) -> str:
    """A text without control characters: names of other people's making must not command this terminal."""
    return "".join(
        character if character.isprintable() or character == "\n" else ascii(character)[1:-1]
        for character in text
    )


def human_size(size: float) -> str:
    """Bytes as people read them, in powers of 1,000: ``512 B``, ``1.5 kB``, ``20 MB``."""
    units = ("B", "kB", "MB", "GB", "TB")
    power = 0
    while size >= 999.5 and power < len(units) - 1:
        size /= 1000
        power += 1
    return f"{size:.1f} {units[power]}" if power and size < 9.95 else f"{size:.0f} {units[power]}"
