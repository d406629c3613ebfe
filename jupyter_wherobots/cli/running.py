"""Doing work of the storage from a terminal: with a progress bar, and so that Ctrl-C leaves nothing behind."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING

from . import progress

if TYPE_CHECKING:
    from ..storage import Storage
    from ..storage.jobs import Job, Plan

TIDY = 15.0
"""Seconds that work has to call off what it began in S3. A second Ctrl-C does not wait."""
LEAVE = 1.0
"""Seconds for work that leaves nothing in S3."""
_PATIENCE = 2.0
"""Seconds until a person is told why it takes so long."""


def run(storage: Storage, plan: Plan, label: str, *, tidy: float = TIDY) -> Job:
    """Do a plan of the command line to its end. Raises what its work raises, and what interrupts it when that is tidied up."""
    raised: list[Exception] = []

    def work(job: Job) -> None:
        try:
            plan.work(job)
        except Exception as error:  # noqa: BLE001 - a thread's rim: it is raised in the main one
            raised.append(error)

    job = finish(storage.jobs.start(replace(plan, work=work)), label, tidy=tidy)
    if raised:
        raise raised[0]
    return job


def finish(job: Job, label: str, *, tidy: float = TIDY) -> Job:
    """Wait for a job, and show how far it is."""
    meter = progress.Meter()
    with stoppable():
        try:
            with progress.written(lambda: meter.line(label, *_counts(job))):
                job.over.wait()
        except BaseException:  # Ctrl-C, or a signal as `stoppable` raises it
            job.stop.set()
            if not job.over.wait(min(tidy, _PATIENCE)) and tidy > _PATIENCE:
                print("Stopping; Ctrl-C again leaves at once …", file=sys.stderr, flush=True)
                job.over.wait(tidy - _PATIENCE)
            raise
    return job


def _counts(job: Job) -> tuple[int, int | None, int, int | None]:
    counted = job.counted
    return (
        job.objects,
        job.total_objects if counted else None,
        job.bytes,
        job.total_bytes if counted else None,
    )


@contextmanager
def stoppable() -> Iterator[None]:
    """While entered, SIGTERM and SIGHUP raise SystemExit, with the shell's code for them, instead of ending all at once.

    One that is ignored (``nohup``) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    previous: dict[int, Callable[..., object] | int | None] = {
        number: signal.signal(number, stop)
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
