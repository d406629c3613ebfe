"""The engine alone: `HomeSync` in a process that has done its imports, told on stdin what to do.

python -m benchmarks.homes BUCKET HOME STATE [--running]

Answers each line, the name of a method and its arguments, with a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks import cost
from benchmarks.cost import Cost
from benchmarks.servers import TOP, Server

ALONE = "ours, engine alone"
PREFIX = "bench/notebooks/customer-ours/"
"""Where `tools.Ours` keeps home too, so that one can go on where the other ended."""


class Engine:
    """The engine in a process of its own, with its lock taken and its journal read.

    ``running``: as in a server, with passes by itself and at file events; else it only does as it is told.
    """

    def __init__(self, server: Server, home: Path, state: Path, *, running: bool = False) -> None:
        command = [sys.executable, "-m", "benchmarks.homes", server.bucket, str(home), str(state)]
        self._process = subprocess.Popen(
            command + ["--running"] * running,
            cwd=TOP,
            env=server.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.empty: int = self._answer()["memory"]
        """Bytes of memory that the process had before it made an engine."""

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def do(self, method: str, *arguments: float) -> tuple[Cost, dict[str, Any]]:
        """Call `run_pass`, `restore`, `final` or `status`: the cost of the call, and its report."""
        assert self._process.stdin is not None
        print(method, *arguments, file=self._process.stdin, flush=True)
        answer = self._answer()
        return Cost(answer["wall"], answer["cpu"], answer["memory"]), answer["report"]

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise cost.ToolFailed("the engine ended; stderr says why")
        return json.loads(line)


def uploaded(records: Iterable[dict[str, Any]]) -> tuple[int, int]:
    """How many objects were put by these requests, and their bytes; our own internal objects are not counted."""
    sent = [
        record["received"]
        for record in records
        if record["operation"] in ("PutObject", "UploadPart")
        and not record["key"].startswith(PREFIX + ".wherobots/")
    ]
    return len(sent), sum(sent)


def resident() -> int:
    """Bytes of memory of this process."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _serve(bucket: str, home: Path, state: Path, running: bool) -> None:
    from jupyter_wherobots.s3.client import S3
    from jupyter_wherobots.sync import engine  # noqa: F401 - imported with the first call else
    from jupyter_wherobots.sync.service import HomeSync, SyncOptions

    s3 = S3(bucket)
    _ = s3.store
    print(json.dumps({"memory": resident()}), flush=True)
    with HomeSync(s3, PREFIX, home, state, options=SyncOptions(hints=running)) as sync:
        if running:
            sync.start()
        for line in sys.stdin:
            method, *arguments = line.split()
            reports: list[Any] = []
            spent = cost.of_call(
                lambda: reports.append(getattr(sync, method)(*map(float, arguments)))  # noqa: B023 - called at once
            )
            answer = {**asdict(spent), "memory": resident(), "report": reports[0].to_json()}
            print(json.dumps(answer), flush=True)
    s3.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.homes", description=__doc__)
    parser.add_argument("bucket")
    parser.add_argument("home", type=Path)
    parser.add_argument("state", type=Path)
    parser.add_argument("--running", action="store_true")
    options = parser.parse_args()
    _serve(options.bucket, options.home, options.state, options.running)
