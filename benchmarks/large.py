"""One file of 1 GiB, each way: four tools as whole processes, in turns, on `rclone serve s3`, which keeps it on disk."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks import cost, program, report, trees
from benchmarks.cost import Series
from benchmarks.report import Table
from benchmarks.servers import rclone_s3
from benchmarks.tools import all_tools, install_peers


def measure(options: argparse.Namespace, work: Path) -> Iterator[Table]:
    """One table a direction."""
    files = work / "files"
    trees.write_large_file(files / "large.bin", options.mib << 20)
    up: dict[str, Series] = {}
    down: dict[str, Series] = {}
    with rclone_s3(install_peers() / "rclone", work / "s3") as server:
        for number in range(options.rounds):
            tools = all_tools(server, work / f"round-{number}")
            first = number % len(tools)
            for tool in tools[first:] + tools[:first]:
                program.tell(f"round {number + 1} of {options.rounds}: {tool.name}")
                back = tool.work / "restored"
                back.mkdir()
                tool.prefix += f"-{number}"
                spent, _ = cost.run(tool.upload(files), tool.environment())
                up.setdefault(tool.name, Series()).add(spent)
                spent, _ = cost.run(tool.restore(back), tool.environment())
                down.setdefault(tool.name, Series()).add(spent)
                if wrong := trees.differences(files, back):
                    raise cost.ToolFailed(f"{tool.name} did not bring back {wrong}")
                shutil.rmtree(back)
    for title, found in (("Upload", up), ("Restore", down)):
        table = report.beside(f"{title}: one file of {options.mib:,} MiB", found)
        table.notes.insert(0, f"{options.rounds} rounds, {server.name} on disk.")
        yield table


def main() -> None:
    """Measure and print."""
    command = program.parser("large", __doc__)
    command.add_argument("--mib", type=int, default=1024)
    command.add_argument("--rounds", type=int, default=3)
    program.main(command, measure)


if __name__ == "__main__":
    main()
