"""What a renamed folder of 1,000 files costs: requests, and bytes that are uploaded. Four tools, each once."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks import cost, homes, program, report, trees
from benchmarks.report import Table
from benchmarks.servers import Server, strict_s3
from benchmarks.tools import Tool, all_tools


def measure(options: argparse.Namespace, work: Path) -> Iterator[Table]:
    """One table."""
    with strict_s3() as server:
        table = Table(
            f"A folder of {options.files:,} files is renamed",
            ("", "files uploaded", "bytes uploaded", "CPU s", "wall s", "requests"),
        )
        for tool in all_tools(server, work):
            table.rows.append(_rename(server, tool, options.files))
        table.notes.append(
            "Ours deletes at the old place only after a second pass found it gone: two passes."
        )
        yield table


def _rename(server: Server, tool: Tool, count: int) -> tuple[str, ...]:
    home = tool.work / "home"
    trees.write_small_files(home, count)
    server.forget()
    cost.run(tool.upload(home), tool.environment())
    (home / "project-00").rename(home / "renamed")
    before = server.requests()
    passes = 2 if tool.name == report.OURS else 1
    spent = [cost.run(tool.mirror(home), tool.environment())[0] for _ in range(passes)]
    files, size = homes.uploaded(server.records(before))
    requests = server.requests() - before
    left = server.keys(f"{tool.prefix}/project-00/")
    if left:
        raise cost.ToolFailed(f"{tool.name} left {len(left)} objects at the old place")
    return (
        tool.name,
        f"{files:,}",
        f"{size:,}",
        f"{sum(each.cpu for each in spent):.2f}",
        f"{sum(each.wall for each in spent):.2f}",
        report.counted(requests),
    )


def main() -> None:
    """Measure and print."""
    command = program.parser("moves", __doc__)
    command.add_argument("--files", type=int, default=1000)
    program.main(command, measure)


if __name__ == "__main__":
    main()
