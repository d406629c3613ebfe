"""Every benchmark, one after the other, each in a process of its own; docs/benchmarks.md from their output.

python -m benchmarks [--quick] [--write docs/benchmarks.md] [--only mirror,scale] [--work DIR]

The file is written after each of them, so that what was measured is not lost with what comes later; the sections of those that
are not run stay as they are.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.program import tell
from benchmarks.report import Table
from benchmarks.servers import TOP
from benchmarks.tools import versions

PROGRAMS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # name: (the arguments of the whole measurement, those of a quick look)
    "mirror": (("--files=10000", "--rounds=5"), ("--files=1000", "--rounds=2")),
    "mirror with 30 ms": (
        ("--files=10000", "--rounds=3", "--latency=30", "--tools=ours,s5cmd,rclone"),
        ("--files=1000", "--rounds=1", "--latency=30", "--tools=ours,s5cmd,rclone"),
    ),
    "scale": (("--files=100000", "--rounds=3"), ("--files=10000", "--rounds=1")),
    "large": (("--mib=1024", "--rounds=3"), ("--mib=64", "--rounds=1")),
    "moves": (("--files=1000",), ("--files=200",)),
    "saves": (("--saves=200",), ("--saves=20", "--files=1000")),
    "stops": (("--files=1000",), ("--files=1000",)),
    "responses": (("--files=10000", "--rounds=5"), ("--files=1000", "--rounds=1", "--idle=5")),
}

_INTRODUCTION = """\
# Beside the peers

Made by `make bench` (`python -m benchmarks`, see [benchmarks/](../benchmarks/README.md)); not written by hand.
{versions}.

- "ours" is `jupyter wherobots sync --once` and `restore`, whole processes like the others: their start is counted, which alone
  takes 0.4 to 0.5 s of CPU. "Engine alone" is the same engine in a process that runs already, as in a server.
- Seconds are the least of all rounds, with the median in brackets: the noise of a machine only ever adds.
- The tools take turns. Figures of one table are to be compared with each other, and with no others; the S3 server runs on
  the same cores as what is measured.
"""


def main() -> None:
    """Run what is asked for; print Markdown, and write it if told where."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="small sizes: some minutes instead of an hour"
    )
    parser.add_argument("--only", default=",".join(PROGRAMS), help="names, separated by commas")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the Markdown there too")
    parser.add_argument("--work", type=Path, metavar="DIR", help="where the files lie meanwhile")
    options = parser.parse_args()
    chosen = options.only.split(",")
    if unknown := set(chosen) - set(PROGRAMS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(PROGRAMS)}")
    introduction = _INTRODUCTION.format(versions=versions())
    found: dict[str, str] = {}
    failed = []
    for name in chosen:
        tell(f"== {name}")
        began = time.monotonic()
        try:
            found[name] = _section(name, _run(name, options.quick, options.work))
        except subprocess.CalledProcessError as error:
            tell(f"== {name} failed: {error}")
            failed.append(name)
            continue
        tell(f"== {name} took {time.monotonic() - began:.0f} s")
        if options.write is not None:
            options.write.write_text(_merged(options.write, introduction, found), encoding="utf-8")
    print("\n".join((introduction, *found.values())))
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def _merged(file: Path, introduction: str, found: dict[str, str]) -> str:
    """The page with these sections new, and those of the file that were not measured now."""
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    old = {
        text.partition("\n")[0]: f"## {text.strip()}\n" for text in f"\n{before}".split("\n## ")[1:]
    }
    sections = [found.get(name) or old.get(_title(name)) for name in PROGRAMS]
    return "\n".join((introduction, *filter(None, sections)))


def _run(name: str, quick: bool, work: Path | None) -> dict[str, Any]:
    program = name.partition(" ")[0]
    arguments = list(PROGRAMS[name][quick])
    # Gigabytes belong on a disk; small files, where a disk's own doings would be measured, do not.
    if work is not None and program != "large":
        arguments += ["--work", str(work)]
    command = [sys.executable, "-m", f"benchmarks.{program}", "--json", *arguments]
    done = subprocess.run(command, cwd=TOP, stdout=subprocess.PIPE, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    answer["arguments"] = arguments
    return answer


def _title(name: str) -> str:
    return name.capitalize()


def _section(name: str, answer: dict[str, Any]) -> str:
    program = name.partition(" ")[0]
    lines = [f"## {_title(name)}", ""]
    lines.append(
        f"`python -m benchmarks.{program} {' '.join(answer['arguments'])}`; "
        f"{datetime.now(timezone.utc):%Y-%m-%d}; {answer['machine']}."
    )
    for table in answer["tables"]:
        lines += ["", Table(**table).markdown()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
