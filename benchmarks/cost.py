"""What a process costs: CPU and wall seconds and memory of a whole child process, and series of them."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


class ToolFailed(Exception):
    """A measured program ended with an error; the message has its last output."""


@dataclass(frozen=True)
class Cost:
    """Seconds of the clock, seconds of CPU (user and system), peak resident memory in bytes."""

    wall: float
    cpu: float
    memory: int = 0


def run(
    command: Sequence[str | os.PathLike[str]],
    environment: Mapping[str, str],
    *,
    accepted: Sequence[int] = (0,),
) -> tuple[Cost, str]:
    """Run a program to its end; its cost and what it wrote on stdout. Raises ToolFailed.

    The cost is the kernel's own account of the process and of the children it waited for. Its memory is never less than
    this process's own, which a child begins as: the programs here stay small.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=out, stderr=errors
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        written = out.read().decode(errors="replace")
        if process.returncode not in accepted:
            errors.seek(0)
            said = (written + errors.read().decode(errors="replace"))[-4000:]
            name = os.fspath(command[0]).rpartition("/")[2]
            raise ToolFailed(f"{name} ended with {process.returncode}:\n{said}")
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(wall, cpu, usage.ru_maxrss * 1024), written


def of_call(call: Callable[[], object]) -> Cost:
    """The cost of a call in this process, all threads included (no memory: that only grows)."""
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


@dataclass
class Series:
    """The same thing, measured several times, and how many requests it made in the last (None: nobody counted)."""

    costs: list[Cost] = field(default_factory=list)
    requests: dict[str, int] | None = None

    def add(self, cost: Cost, requests: Mapping[str, int] | None = None) -> None:
        """One more run."""
        self.costs.append(cost)
        if requests is not None:
            self.requests = dict(requests)

    def least(self, what: str) -> float:
        """The least of "wall" or "cpu": noise of the machine only ever adds, so this is the best estimate."""
        return float(min(getattr(cost, what) for cost in self.costs))

    def median(self, what: str) -> float:
        """The median of "wall" or "cpu"."""
        return float(statistics.median(getattr(cost, what) for cost in self.costs))

    @property
    def memory(self) -> int:
        """The greatest peak, in bytes."""
        return max(cost.memory for cost in self.costs)
