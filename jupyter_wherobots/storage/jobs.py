"""Changes that take a while: jobs in threads, with progress, a way to stop them, and an error for each item that failed."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from ..errors import Cancelled, NotFound, StorageFailed, Throttled, WherobotsError
from ..layout import Layout, Place
from ..threads import DaemonExecutor
from .entries import iso
from .failures import named

log = logging.getLogger(__name__)

AT_ONCE = 4
"""Jobs that run at once; the others wait for their turn."""
MAX_OPEN = 100
"""Jobs that wait or run; one more is refused."""
KEPT = 100
"""Finished jobs that are remembered, the last ones."""
MAX_NAMED = 100
"""Errors and results that a job names; it counts all."""


class JobKind(str, Enum):
    """What a job does."""

    COPY = "copy"
    MOVE = "move"
    RENAME = "rename"
    DELETE = "delete"
    HOME_TO_STORAGE = "home-to-storage"
    STORAGE_TO_HOME = "storage-to-home"


class JobState(str, Enum):
    """How far a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """It is over, and at least one item is not done."""
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Nothing changes any more."""
        return self not in (JobState.WAITING, JobState.RUNNING)


@dataclass(frozen=True)
class Plan:
    """A job before it is one. What could be refused at once was, before there was a plan."""

    kind: JobKind
    title: str
    work: Callable[[Job], None]
    destination: str | None = None


class Job:
    """One job. Its work tells it how far it is, from any thread, and watches ``stop``."""

    def __init__(self, plan: Plan, place: Place) -> None:
        self.id = uuid.uuid4().hex
        self.plan = plan
        self.stop = threading.Event()
        self.state = JobState.WAITING
        self.created = datetime.now(timezone.utc)
        self.finished: datetime | None = None
        self.over = threading.Event()
        """Set when the job has ended, however it did."""
        self.objects = self.bytes = self.skipped = self.error_count = 0
        self.total_objects = self.total_bytes = 0
        self.counted = False
        self.current: str | None = None
        self.errors: list[WherobotsError] = []
        self.results: list[str] = []
        self._place = place
        self._lock = threading.Lock()

    # -- told by the work ---------------------------------------------------------------------------

    def expect(self, objects: int, size: int) -> None:
        """So much more is to be done."""
        with self._lock:
            self.total_objects += objects
            self.total_bytes += size

    def all_counted(self) -> None:
        """The totals are known."""
        self.counted = True

    def done(self, objects: int, size: int) -> None:
        """So much is done."""
        with self._lock:
            self.objects += objects
            self.bytes += size

    def skip(self, objects: int = 1) -> None:
        """So many were left as they are, by the rule of the request."""
        with self._lock:
            self.skipped += objects

    def at(self, path: str) -> None:
        """This is what it is at."""
        self.current = path

    def fail(self, error: WherobotsError) -> None:
        """One item is not done; the others go on."""
        with self._lock:
            self.error_count += 1
            if len(self.errors) < MAX_NAMED:
                self.errors.append(named(error, self._place))

    def result(self, path: str) -> None:
        """One item of the request lies here now."""
        with self._lock:
            if len(self.results) < MAX_NAMED:
                self.results.append(path)

    def check(self) -> None:
        """Raise Cancelled if the job was cancelled."""
        if self.stop.is_set():
            raise Cancelled("The job was cancelled.")

    # -- run ------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Do the work. Never raises."""
        self.state = JobState.RUNNING
        try:
            self.check()
            self.plan.work(self)
        except Cancelled:
            pass
        except WherobotsError as error:
            self.fail(error)
        except Exception:  # the rim of a thread
            if not self.stop.is_set():  # else the server stops, and takes the threads away
                log.exception("%s failed", self.plan.title)
                self.fail(
                    StorageFailed(
                        "Something failed that was not foreseen.",
                        hint="The server's log names it; please report it.",
                    )
                )
        self.current = None
        self.finished = datetime.now(timezone.utc)
        if self.stop.is_set():
            self.state = JobState.CANCELLED
        else:
            self.state = JobState.FAILED if self.error_count else JobState.DONE
        self.over.set()

    def to_json(self) -> dict[str, Any]:
        """As the API shows it."""
        with self._lock:
            return {
                "id": self.id,
                "kind": self.plan.kind.value,
                "state": self.state.value,
                "title": self.plan.title,
                "created": iso(self.created),
                "finished": None if self.finished is None else iso(self.finished),
                "destination": self.plan.destination,
                "objects": self.objects,
                "bytes": self.bytes,
                "totalObjects": self.total_objects if self.counted else None,
                "totalBytes": self.total_bytes if self.counted else None,
                "skipped": self.skipped,
                "current": self.current,
                "errors": [error.to_json() for error in self.errors],
                "errorCount": self.error_count,
                "results": list(self.results),
            }


class Jobs:
    """The jobs of one server."""

    def __init__(self, layout: Callable[[], Layout]) -> None:
        self._layout = layout
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._executor = DaemonExecutor(AT_ONCE, "wherobots-job")

    def start(self, plan: Plan) -> Job:
        """Begin a job, or let it wait for its turn. Raises Throttled if too many wait."""
        job = Job(plan, self._layout().place)
        with self._lock:
            unfinished = sum(not each.state.is_over for each in self._jobs.values())
            if unfinished >= MAX_OPEN:
                raise Throttled(
                    f"{unfinished} jobs wait already.", hint="Let some of them end, or cancel them."
                )
            self._jobs[job.id] = job
            self._forget()
        self._executor.submit(job.run)
        return job

    def list(self) -> list[Job]:
        """All jobs that are remembered, newest first."""
        with self._lock:
            return list(reversed(self._jobs.values()))

    def get(self, job_id: str) -> Job:
        """One job. Raises NotFound."""
        with self._lock:
            job = self._jobs.get(job_id)
        if job is None:
            raise NotFound(
                "There is no such job.", hint="Jobs are forgotten when the server restarts."
            )
        return job

    def cancel(self, job_id: str) -> Job:
        """Stop a job that is not over, and forget one that is. Raises NotFound."""
        job = self.get(job_id)
        if job.state.is_over:
            with self._lock:
                self._jobs.pop(job_id, None)
        job.stop.set()
        return job

    def close(self, timeout: float = 1.0) -> None:
        """Stop all jobs, and give them a moment to tidy up."""
        for job in self.list():
            job.stop.set()
        self._executor.shutdown(wait=False, cancel_futures=True)
        until = time.monotonic() + timeout
        for job in self.list():
            if job.state is JobState.RUNNING:
                job.over.wait(max(0.0, until - time.monotonic()))

    def _forget(self) -> None:
        over = [each.id for each in self._jobs.values() if each.state.is_over]
        for job_id in over[: max(0, len(over) - KEPT)]:
            del self._jobs[job_id]
