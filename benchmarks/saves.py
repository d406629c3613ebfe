"""How long after it was saved a notebook is in S3: the engine as it runs in a server, notebooks written as Jupyter does."""

from __future__ import annotations

import argparse
import base64
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import cost, program, report, trees
from benchmarks.homes import PREFIX, Engine
from benchmarks.report import Table
from benchmarks.servers import Server, strict_s3

_PAUSE = 2.0
"""Seconds between two saves, at most; the length is random, so that saves meet the engine at any moment."""
_LONGEST = 150.0
"""Seconds after which even the scan must have found it."""


def measure(options: argparse.Namespace, work: Path) -> Iterator[Table]:
    """One table."""
    home = work / "home"
    trees.write_small_files(home, options.files)
    chance = random.Random(options.saves)
    with strict_s3() as server, Engine(server, home, work / "state", running=True) as engine:
        _wait_for_events(engine)
        _save(server, home / "first.ipynb", 0)
        took = []
        for number in range(options.saves):
            time.sleep(chance.uniform(0, _PAUSE))
            took.append(_save(server, home / f"notebook-{number % 10}.ipynb", number + 1))
    table = Table(
        f"From the save of a notebook to S3: {options.saves} saves, in a home of {options.files:,} files",
        ("", "p50", "p90", "p99", "most"),
        data={"seconds": took},
    )
    figures = [report.quantile(took, part) for part in (0.5, 0.9, 0.99)] + [max(took)]
    table.rows.append(("seconds", *(f"{each:.2f}" for each in figures)))
    table.notes.append(
        "From the moment that Jupyter's own writing of the file returns until S3 has answered the PUT."
    )
    yield table


def _wait_for_events(engine: Engine) -> None:
    """Until everything is saved and the folders are watched."""
    until = time.monotonic() + _LONGEST
    while time.monotonic() < until:
        _, status = engine.do("status")
        if status["savedAt"] is not None and "by file events in" in status["hints"]:
            return
        time.sleep(0.1)
    raise cost.ToolFailed(f"no file events: {status['hints']}")


def _save(server: Server, path: Path, number: int) -> float:
    """Save a notebook; seconds until the strict S3 has it."""
    from jupyter_server.services.contents.fileio import atomic_writing

    assert server.control is not None
    cell = {"cell_type": "code", "execution_count": number, "id": "c", "metadata": {}}
    cells = [{**cell, "outputs": [], "source": f"print({number})"}]
    text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    seen = server.requests()["PutObject"]
    with atomic_writing(str(path), encoding="utf-8") as file:
        file.write(text)
    saved = time.perf_counter()
    while True:
        seen += 1
        server.control("wait_for", operation="PutObject", count=seen, timeout=_LONGEST)
        took = time.perf_counter() - saved
        found = server.control("object", key=PREFIX + path.name)
        if found is not None and base64.b64decode(found["body"]) == text.encode():
            return took


def main() -> None:
    """Measure and print."""
    command = program.parser("saves", __doc__)
    command.add_argument("--saves", type=int, default=200)
    command.add_argument("--files", type=int, default=10_000)
    program.main(command, measure)


if __name__ == "__main__":
    main()
