"""First upload, a pass that finds nothing to do, and restore of small files: four tools as whole processes, in turns."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks import cost, program, report, trees
from benchmarks.cost import Series
from benchmarks.homes import ALONE, Engine
from benchmarks.report import Table
from benchmarks.servers import Server, rclone_s3, strict_s3
from benchmarks.tools import Tool, all_tools, install_peers

PHASES = ("First upload", "Nothing changed", "Restore")


def measure(options: argparse.Namespace, work: Path) -> Iterator[Table]:
    """One table a phase."""
    with ExitStack() as stack:
        if options.server == "strict":
            server = stack.enter_context(strict_s3())
        else:
            server = stack.enter_context(rclone_s3(install_peers() / "rclone", work / "s3"))
        if options.latency:
            server.delay(options.latency / 1000)
        files = work / "files"
        size = trees.write_small_files(files, options.files)
        chosen = options.tools.split(",")
        found: dict[str, dict[str, Series]] = {phase: {} for phase in PHASES}
        for number in range(options.rounds):
            # Nothing is deleted before the end: inodes that were just freed make ext4 slow for seconds.
            tools = [
                tool for tool in all_tools(server, work / f"round-{number}") if tool.name in chosen
            ]
            first = number % len(tools)
            for tool in tools[first:] + tools[:first]:
                program.tell(f"round {number + 1} of {options.rounds}: {tool.name}")
                _measure_tool(server, tool, files, found)
            program.tell(f"round {number + 1} of {options.rounds}: {ALONE}")
            _measure_engine(server, files, work / f"round-{number}" / "engine", found)
    what = f"{options.files:,} files of 0.5 to 8 KB ({size / 1e6:.0f} MB)"
    late = f", {options.latency:.0f} ms added to every answer" if options.latency else ""
    for phase in PHASES:
        found[phase] = {name: found[phase][name] for name in (*chosen, ALONE)}
        table = report.beside(f"{phase}: {what}", found[phase])
        table.notes.insert(0, f"{options.rounds} rounds, {server.name}{late}.")
        yield table


def _measure_tool(
    server: Server, tool: Tool, files: Path, found: dict[str, dict[str, Series]]
) -> None:
    back = tool.work / "restored"
    back.mkdir()
    server.forget()
    commands = (tool.upload(files), tool.again(files), tool.restore(back))
    for phase, command in zip(PHASES, commands, strict=True):
        before = server.requests()
        spent, _ = cost.run(command, tool.environment())
        found[phase].setdefault(tool.name, Series()).add(spent, server.requests() - before)
    _compare(tool.name, files, back)


def _measure_engine(
    server: Server, files: Path, work: Path, found: dict[str, dict[str, Series]]
) -> None:
    server.forget()
    back = work / "restored"
    with Engine(server, files, work / "state") as engine:
        _one(server, engine, "run_pass", found[PHASES[0]])
        _one(server, engine, "run_pass", found[PHASES[1]])
    with Engine(server, back, work / "state-of-restore") as engine:
        _one(server, engine, "restore", found[PHASES[2]])
    _compare(ALONE, files, back)


def _one(server: Server, engine: Engine, method: str, found: dict[str, Series]) -> None:
    before = server.requests()
    spent, answer = engine.do(method)
    if not answer["complete"]:
        raise cost.ToolFailed(f"{ALONE}: {method} was not complete: {answer['error']}")
    found.setdefault(ALONE, Series()).add(spent, server.requests() - before)


def _compare(name: str, files: Path, back: Path) -> None:
    if wrong := trees.differences(files, back):
        raise cost.ToolFailed(f"{name} did not bring back {len(wrong)} files: {wrong[:5]}")


def main() -> None:
    """Measure and print."""
    command = program.parser("mirror", __doc__)
    command.add_argument("--files", type=int, default=10_000)
    command.add_argument("--rounds", type=int, default=5)
    command.add_argument("--tools", default="ours,s5cmd,rclone,aws")
    command.add_argument("--latency", type=float, default=0, help="ms added to every answer")
    command.add_argument("--server", choices=("strict", "rclone"), default="strict")
    program.main(command, measure)


if __name__ == "__main__":
    main()
