"""A stop with 1,000 changed files and one second of grace: which of them are saved, and when the process is free to end."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks import homes, program, trees
from benchmarks.homes import Engine
from benchmarks.report import Table
from benchmarks.servers import Server, strict_s3

_NOTEBOOKS = 20


def measure(options: argparse.Namespace, work: Path) -> Iterator[Table]:
    """One table, a row for each latency."""
    table = Table(
        f"Stop with {options.files:,} changed files and {options.deadline:g} s",
        (
            "ms added to every answer",
            "notebooks saved",
            "other files saved",
            "named as not saved",
            "returns after s",
        ),
    )
    for latency in (0, 30, 100, 300):
        with strict_s3() as server:
            program.tell(f"{latency} ms")
            server.delay(latency / 1000)
            table.rows.append(
                _stop(server, work / str(latency), options.files, options.deadline, latency)
            )
    table.notes.append(
        f"{_NOTEBOOKS} of the files are notebooks; they go first. Everything was saved before, in a home of twice the files."
    )
    yield table


def _stop(
    server: Server, work: Path, count: int, deadline: float, latency: float
) -> tuple[str, ...]:
    home = work / "home"
    trees.write_small_files(home, 2 * count)
    notebooks = [home / f"notebook-{number:02d}.ipynb" for number in range(_NOTEBOOKS)]
    _write(notebooks, "before")
    with Engine(server, home, work / "state") as engine:
        engine.do("run_pass")
        changed = set(trees.change(home, count - _NOTEBOOKS))
        _write(notebooks, "after")
        before = server.requests()
        spent, answer = engine.do("final", deadline)
        saved = {
            home / record["key"].removeprefix(homes.PREFIX)
            for record in server.records(before)
            if record["operation"] == "PutObject" and record["effect"]
        }
    return (
        f"{latency:g}",
        f"{len(saved & set(notebooks))} of {_NOTEBOOKS}",
        f"{len(saved & changed)} of {len(changed)}",
        str(answer["notDurableCount"]),
        f"{spent.wall:.2f}",
    )


def _write(notebooks: list[Path], text: str) -> None:
    for number, path in enumerate(notebooks):
        cell = {"cell_type": "markdown", "id": f"c{number}", "metadata": {}, "source": text}
        body = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        path.write_text(json.dumps(body))


def main() -> None:
    """Measure and print."""
    command = program.parser("stops", __doc__)
    command.add_argument("--files", type=int, default=1000)
    command.add_argument("--deadline", type=float, default=1.0)
    program.main(command, measure)


if __name__ == "__main__":
    main()
