"""What the programs have in common: their command line, where their files lie, and how they answer."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import report
from benchmarks.report import Table


def parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """A command line with the options that all have."""
    made = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    made.add_argument("--json", action="store_true", help="print JSON with every single figure")
    made.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        help="where the files lie while it runs (default: the temporary directory)",
    )
    return made


def main(
    command: argparse.ArgumentParser,
    measure: Callable[[argparse.Namespace, Path], Iterable[Table]],
) -> None:
    """Parse, measure, and print the tables."""
    options = command.parse_args()
    began = report.machine()
    with work_directory(options.work) as work:
        tables = list(measure(options, work))
    if options.json:
        print(json.dumps({"machine": began, "tables": [table.to_json() for table in tables]}))
        return
    print(f"{began} at the beginning")
    for table in tables:
        print(f"\n{table.markdown()}")


@contextmanager
def work_directory(parent: Path | None) -> Iterator[Path]:
    """A new directory, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=parent) as name:
        yield Path(name)


def tell(text: str) -> None:
    """Say on stderr how far it is."""
    print(text, file=sys.stderr, flush=True)
