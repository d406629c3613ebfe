"""From this machine to the managed storage: small files in one request, large ones by an upload session in parts.

The same services and the same rules as the REST API. A file is sent as it was at one instant, or not at all.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..errors import (
    AlreadyExists,
    Cancelled,
    Conflicted,
    NotFound,
    StorageFailed,
    Throttled,
    Unreachable,
    WherobotsError,
)
from ..files import spoken
from ..s3.crew import BUFFERS, Crew
from ..storage.entries import EntryType
from ..storage.jobs import Job, JobKind, Plan
from ..storage.naming import Conflict, free_key
from ..storage.options import MIN_PART
from ..storage.parallel import ahead
from ..storage.permissions import check_change
from ..storage.uploads import expected_size, part_count
from ..threads import DaemonExecutor
from . import local, progress, running
from .common import human_size
from .managed import SCHEME
from .outcome import Outcome, fail, told

if TYPE_CHECKING:
    from ..s3.client import Stop
    from ..s3.multipart import Part
    from ..storage import Storage
    from ..storage.entries import Entry
    from ..storage.writing import Target

log = logging.getLogger(__name__)

T = TypeVar("T")

ONE_REQUEST = MIN_PART
"""Bytes of the largest file that goes in one request: so many of them may be in memory at once."""
FILES = 8
"""Files at once."""
PARTS = 4
"""Parts of one file at once."""
_PAUSES = (0.3, 2.0)
"""Seconds before another try, where S3 asks to slow down or does not answer."""


@dataclass(frozen=True)
class Outgoing:
    """One file or folder of this machine and the path it goes to (a folder's ends with a slash)."""

    source: Path
    target: str
    outcome: Outcome


class Upload:
    """What all uploads of one command share. Questions were asked before: whatever needs a word has it."""

    def __init__(self, storage: Storage, conflict: Conflict) -> None:
        self._storage = storage
        self._layout = storage.layout()
        self._conflict = conflict

    def plan(self, steps: Sequence[Outgoing]) -> Plan:
        """The job that uploads files and folders; each outcome is told of what is its own."""
        return Plan(JobKind.HOME_TO_STORAGE, "Upload", lambda job: self._work(job, steps))

    def plan_open(self, handle: int, name: str, target: str, outcome: Outcome) -> Plan:
        """The job that uploads what can be read from a descriptor; ``name`` is for errors."""

        def work(job: Job) -> None:
            outcome.expected = 1
            job.expect(1, os.fstat(handle).st_size)
            job.all_counted()
            with told(job, outcome):
                entry = self._send(job, handle, name, target, outcome)
                outcome.target = SCHEME + entry.path

        return Plan(JobKind.HOME_TO_STORAGE, "Upload", work)

    # -- the work -----------------------------------------------------------------------------------

    def _work(self, job: Job, steps: Sequence[Outgoing]) -> None:
        for step in steps:
            for found in local.walk(step.source):
                job.check()
                if isinstance(found, local.LocalFile):
                    job.expect(1, found.size)
        job.all_counted()
        targets = {step.target for step in steps}
        # Several of one name get their numbers one after the other: not every store knows conditions.
        window = FILES if len(targets) == len(steps) else 1
        executor = DaemonExecutor(window, "wherobots-upload")
        try:
            for _ in ahead(
                executor, lambda each: self._file(job, *each), self._files(job, steps), window
            ):
                job.check()
        finally:
            executor.shutdown()

    def _files(
        self, job: Job, steps: Sequence[Outgoing]
    ) -> Iterator[tuple[Outgoing, local.LocalFile, str]]:
        """Every file and where it goes."""
        for step in steps:
            with told(job, step.outcome):
                base = self._place(step)
                count = 0
                for found in local.walk(step.source):
                    job.check()
                    if isinstance(found, local.LocalFile):
                        count += 1
                        yield step, found, base + found.below
                    else:
                        fail(job, step.outcome, found)
                step.outcome.expected = count

    def _place(self, step: Outgoing) -> str:
        """Where a folder goes, by the rule; a file's place is found out when it is sent. Raises AlreadyExists."""
        target = step.target
        if not target.endswith("/"):
            return target
        if self._conflict is Conflict.KEEP_BOTH:
            target = self._layout.path(free_key(self._storage.s3, self._layout.key(target)))
        elif self._conflict is Conflict.FAIL and self._is_there(target):
            raise AlreadyExists(f"{target} already exists.", path=target)
        step.outcome.target = SCHEME + target
        return target

    def _is_there(self, folder: str) -> bool:
        try:
            self._storage.stat(folder, EntryType.FOLDER)
        except NotFound:
            return False
        return True

    def _file(self, job: Job, step: Outgoing, found: local.LocalFile, target: str) -> None:
        if job.stop.is_set():
            return
        outcome = step.outcome
        with told(job, outcome):
            job.at(str(found.path))
            if found.is_empty_folder:
                self._folder(target)
                job.done(1, 0)
                outcome.done(1, 0)
                return
            check_change(self._layout, target, confirm=True)
            with local.reading(found.path) as handle:
                entry = self._send(job, handle, str(found.path), target, outcome)
            if not step.target.endswith("/"):
                outcome.target = SCHEME + entry.path

    def _folder(self, target: str) -> None:
        try:
            self._storage.create_folder(target, confirm=True)
        except AlreadyExists:
            if self._conflict is Conflict.FAIL:
                raise

    def _send(self, job: Job, handle: int, name: str, target: str, outcome: Outcome) -> Entry:
        """One file. Raises Conflicted if it changes while it is read."""
        before = os.fstat(handle)
        size = before.st_size

        def unchanged() -> None:
            now = os.fstat(handle)
            if (now.st_size, now.st_mtime_ns) != (size, before.st_mtime_ns):
                raise Conflicted(f"{name} was written to while it was read.", path=name)

        if size <= ONE_REQUEST:
            with BUFFERS.hold(size, job.stop):
                body = local.read_at(handle, 0, size + 1)
                unchanged()
                entry = self._in_one(job, body, target)
            job.done(0, size)
        else:
            entry = self._in_parts(job, handle, size, target, unchanged)
        if entry.size != size:
            raise StorageFailed(
                f"{target} has {entry.size} bytes in S3 instead of {size}.", path=target
            )
        job.done(1, 0)
        outcome.done(1, size)
        return entry

    def _in_one(self, job: Job, body: bytes, target: str) -> Entry:
        """Written at most once: after an answer that was lost, what lies there is looked at first."""
        storage = self._storage
        where: Target | None = None

        def attempt() -> Entry:
            nonlocal where
            if where is not None and self._holds(where, body):
                return storage.stat(where.path, EntryType.FILE).entry
            where = storage.target(target, self._conflict, confirm=True)
            return storage.put_file(where, body)

        return _patiently(job.stop, attempt)

    def _holds(self, where: Target, body: bytes) -> bool:
        try:
            with self._storage.read(where.path) as found:
                return found.size == len(body) and found.read() == body
        except NotFound:
            return False

    def _in_parts(
        self, job: Job, handle: int, size: int, target: str, unchanged: Callable[[], None]
    ) -> Entry:
        uploads = self._storage.uploads
        record = uploads.create(target, size, self._conflict, confirm=True).record

        def sender(number: int) -> Callable[[Stop], Part]:
            def send(stop: Stop) -> Part:
                start, length = (number - 1) * record.part_size, expected_size(record, number)
                with BUFFERS.hold(length, stop):
                    body = local.read_at(handle, start, length)
                    if len(body) < length:
                        unchanged()
                    return _patiently(stop, lambda: uploads.put_part(record.id, number, body, stop))

            return send

        try:
            senders = (sender(number) for number in range(1, part_count(record) + 1))
            crew: Crew[Part] = Crew(job.stop)
            crew.run(senders, PARTS, lambda count: job.done(0, count))
            unchanged()
            job.check()
            return uploads.complete(record.id)
        except BaseException:  # Ctrl-C too: nothing may be left in S3
            self._abort(record.id, target)
            raise

    def _abort(self, session: str, target: str) -> None:
        try:
            self._storage.uploads.abort(session)
        except NotFound:  # it ended elsewhere
            return
        except WherobotsError as error:
            # The session stays on record: the janitor of the next server aborts it.
            log.warning("The unfinished upload of %s is not aborted yet: %s", target, error)


@contextmanager
def standard_input() -> Iterator[int]:
    """All that comes on stdin, as a file without a name: an upload session has to know its size first.

    Raises TooLarge if there is no room for it.
    """
    read = 0
    where = f"standard input in {tempfile.gettempdir()} (TMPDIR)"
    with tempfile.TemporaryFile(prefix="wherobots-") as spool:
        with (
            running.stoppable(),
            progress.written(lambda: f"Reading … {human_size(read)}"),
            spoken(where),
        ):
            while piece := os.read(0, 1024 * 1024):
                spool.write(piece)
                read += len(piece)
            spool.flush()
        yield spool.fileno()


def _patiently(stop: Stop, request: Callable[[], T]) -> T:
    """What a request gives, after some tries if need be. Raises Cancelled if it is stopped between them."""
    for pause in _PAUSES:
        try:
            return request()
        except (Throttled, Unreachable):
            _rest(stop, pause)
    return request()


def _rest(stop: Stop, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if stop.is_set():
            raise Cancelled("The upload was stopped.")
        time.sleep(min(left, 0.1))
