"""How quickly a real Jupyter server answers while it saves 10,000 new files of its home, beside the same server idle."""

from __future__ import annotations

import argparse
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import program, report, trees
from benchmarks.report import Table
from benchmarks.servers import Server, strict_s3
from tests.jupyter_process import TOKEN, JupyterProcess, jupyter

_PAUSE = 0.02
"""Seconds between an answer and the next request."""


@dataclass
class _Found:
    seconds: list[float] = field(default_factory=list)


def measure(options: argparse.Namespace, work: Path) -> Iterator[Table]:
    """One table."""
    idle, busy = _Found(), _Found()
    pushing: list[float] = []
    with strict_s3() as server, _jupyter(server, work) as jupyter_server:
        before = _peak(jupyter_server)
        for number in range(options.rounds):
            program.tell(f"round {number + 1} of {options.rounds}")
            arriving = work / f"arriving-{number}"
            trees.write_small_files(arriving, options.files)
            _ask(jupyter_server, idle, _after(options.idle))
            wanted = server.requests()["PutObject"] + options.files
            began = time.perf_counter()
            arriving.rename(jupyter_server.home / f"round-{number}")
            _ask(jupyter_server, busy, _saved(server, wanted))
            pushing.append(time.perf_counter() - began)
        added = _peak(jupyter_server) - before
    table = Table(
        f"GET /api/status while {options.files:,} new files are saved",
        ("", "requests", "p50 ms", "p99 ms", "most ms"),
        data={"idle": idle.seconds, "saving": busy.seconds, "pushing": pushing},
    )
    for name, found in (("idle", idle), ("saving", busy)):
        figures = [report.quantile(found.seconds, part) for part in (0.5, 0.99)]
        table.rows.append(
            (
                name,
                f"{len(found.seconds):,}",
                *(f"{1000 * each:.1f}" for each in (*figures, max(found.seconds))),
            )
        )
    table.notes.append(
        f"{options.rounds} rounds. The files appear at once and are saved {min(pushing):.1f} to {max(pushing):.1f} s later. "
        f"All that adds {added / 2**20:.0f} MiB to the server's peak memory."
    )
    yield table


def _jupyter(server: Server, work: Path) -> AbstractContextManager[JupyterProcess]:
    place = {
        "WHEROBOTS_BUCKET": server.bucket,
        "WHEROBOTS_ORGANIZATION": "bench",
        "WHEROBOTS_USER": "ours",
        "WHEROBOTS_HOME_PERSISTENCE": "sync",
    }
    aws = {k: v for k, v in server.environment().items() if k.startswith(("AWS_", "PYTHONPATH"))}
    return jupyter(work, {**aws, **place})


def _ask(server: JupyterProcess, found: _Found, over: Callable[[], bool]) -> None:
    """Ask for the status again and again, over one connection, until it is over."""
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    headers = {"Authorization": f"token {TOKEN}"}
    while not over():
        began = time.perf_counter()
        connection.request("GET", f"{address.path}api/status", headers=headers)
        response = connection.getresponse()
        response.read()
        found.seconds.append(time.perf_counter() - began)
        assert response.status == 200, response.status
        time.sleep(_PAUSE)
    connection.close()


def _after(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() >= until


def _saved(server: Server, count: int) -> Callable[[], bool]:
    """Whether the strict S3 has seen so many PUTs; it is asked in a thread, for that takes a moment."""
    over = threading.Event()

    def wait() -> None:
        assert server.control is not None
        server.control("wait_for", operation="PutObject", count=count, timeout=300)
        over.set()

    threading.Thread(target=wait, daemon=True).start()
    return over.is_set


def _peak(server: JupyterProcess) -> int:
    """Bytes of the greatest memory that the server's process had."""
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line) * 1024


def main() -> None:
    """Measure and print."""
    command = program.parser("responses", __doc__)
    command.add_argument("--files", type=int, default=10_000)
    command.add_argument("--rounds", type=int, default=3)
    command.add_argument("--idle", type=float, default=20.0, help="seconds of each idle phase")
    program.main(command, measure)


if __name__ == "__main__":
    main()
