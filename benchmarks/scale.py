"""A home of 100,000 files: passes with nothing to do and with 100 files to save, and memory. Four tools, in turns."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import cost, homes, program, report, trees
from benchmarks.cost import Series
from benchmarks.homes import ALONE, Engine
from benchmarks.report import Table
from benchmarks.servers import Server, strict_s3
from benchmarks.tools import Tool, all_tools

_DIRTY = 100
_SECONDS_APART = 3


def measure(options: argparse.Namespace, work: Path) -> Iterator[Table]:
    """Two tables of four tools, one of memory."""
    with strict_s3() as server:
        files = work / "files"
        trees.write_small_files(files, options.files)
        tools = all_tools(server, work)
        ours, s5cmd = tools[0], tools[1]
        program.tell("first uploads")
        saved, _ = cost.run(ours.upload(files), ours.environment())
        # The peers keep no journal, so what one of them uploaded is up to date for all.
        cost.run(s5cmd.upload(files), s5cmd.environment())
        for tool in tools[2:]:
            tool.prefix = s5cmd.prefix
        idle: dict[str, Series] = {name: Series() for name in (*(t.name for t in tools), ALONE)}
        dirty: dict[str, Series] = {name: Series() for name in idle}
        for number in range(options.rounds):
            program.tell(f"round {number + 1} of {options.rounds}")
            first = number % len(tools)
            turns = tools[first:] + tools[:first]
            for tool in turns:
                _one(server, tool, files, idle[tool.name], uploads=0)
            for tool in turns:
                _change(files)
                _one(server, tool, files, dirty[tool.name], uploads=_DIRTY)
            # What was changed for those who had their turn later.
            for tool in (ours, s5cmd):
                cost.run(tool.again(files), tool.environment())
        program.tell("restore")
        back, _ = cost.run(ours.restore(work / "restored"), ours.environment())
        program.tell(ALONE)
        with Engine(server, files, ours.work / "state") as engine:
            resident = _measure_engine(
                server, engine, files, idle[ALONE], dirty[ALONE], options.rounds
            )
    yield report.beside(f"Nothing changed: {options.files:,} files", idle)
    table = report.beside(f"{_DIRTY} of {options.files:,} files changed", dirty)
    table.notes.append("The engine alone makes the final pass of a server that stops.")
    yield table
    yield Table(
        f"Memory at {options.files:,} files, ours",
        ("", "MiB"),
        [
            ("first upload, whole process, peak", _mib(saved.memory)),
            ("restore, whole process, peak", _mib(back.memory)),
            ("nothing changed, whole process, peak", _mib(idle[report.OURS].memory)),
            ("what the engine adds to a process that has boto3 loaded", _mib(resident)),
        ],
    )


def _change(files: Path) -> None:
    # The peers compare times that S3 has in whole seconds.
    time.sleep(_SECONDS_APART)
    trees.change(files, _DIRTY)


def _one(server: Server, tool: Tool, files: Path, series: Series, *, uploads: int) -> None:
    before = server.requests()
    spent, _ = cost.run(tool.again(files), tool.environment())
    made = server.requests() - before
    sent, _ = homes.uploaded(server.records(before))
    if sent != uploads:
        raise cost.ToolFailed(f"{tool.name} uploaded {sent} files instead of {uploads}: {made}")
    series.add(spent, made)


def _measure_engine(
    server: Server, engine: Engine, files: Path, idle: Series, dirty: Series, rounds: int
) -> int:
    """Idle and final passes of one engine; gives the bytes that it adds to the process."""
    first, _ = engine.do("run_pass")
    for _ in range(rounds):
        before = server.requests()
        spent, _ = engine.do("run_pass")
        idle.add(spent, server.requests() - before)
    for _ in range(rounds):
        _change(files)
        before = server.requests()
        spent, answer = engine.do("final", 60)
        if not answer["complete"] or answer["uploaded"] != _DIRTY:
            raise cost.ToolFailed(f"the final pass saved {answer['uploaded']} files")
        dirty.add(spent, server.requests() - before)
    return first.memory - engine.empty


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f}"


def main() -> None:
    """Measure and print."""
    command = program.parser("scale", __doc__)
    command.add_argument("--files", type=int, default=100_000)
    command.add_argument("--rounds", type=int, default=3)
    program.main(command, measure)


if __name__ == "__main__":
    main()
