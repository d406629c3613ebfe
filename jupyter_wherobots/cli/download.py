"""From the managed storage to this machine: streamed, whole or not at all; and to standard output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidRequest, NotFound, StorageFailed, TooLarge
from ..files import spoken
from ..layout import AccessKind
from ..storage.entries import EntryType
from ..storage.items import Item, count, objects
from ..storage.jobs import Job, JobKind, Plan
from ..storage.naming import Conflict
from ..storage.parallel import ahead
from ..threads import DaemonExecutor
from . import local
from .outcome import Outcome, told

if TYPE_CHECKING:
    from ..s3.listing import Object
    from ..s3.objects import Body
    from ..storage import Storage

FILES = 8
"""Files at once."""


@dataclass(frozen=True)
class Incoming:
    """One file or folder of the managed storage and the path of this machine it goes to."""

    item: Item
    target: Path
    outcome: Outcome


@dataclass
class Output:
    """A descriptor that bytes are written to; ``closed`` once nobody reads them any more."""

    handle: int
    closed: bool = False


@dataclass(frozen=True)
class _Fetch:
    """One object and where it goes; ``base`` is the folder that it must not leave."""

    step: Incoming
    found: Object
    base: Path
    target: Path
    is_folder: bool = False


@dataclass
class Download:
    """What all downloads of one command share. ``close`` removes what threads that hang have left."""

    storage: Storage
    conflict: Conflict
    _staging: local.Staging = field(default_factory=local.Staging, init=False)
    _given: set[Path] = field(default_factory=set, init=False)

    def close(self) -> None:
        """Remove what is not whole."""
        self._staging.clear()

    def plan(self, steps: Sequence[Incoming]) -> Plan:
        """The job that downloads files and folders; each outcome is told of what is its own."""
        return Plan(JobKind.STORAGE_TO_HOME, "Download", lambda job: self._work(job, steps))

    def _work(self, job: Job, steps: Sequence[Incoming]) -> None:
        layout = self.storage.layout()
        items = [part for step in steps for part in self._parts(step.item)]
        count(self.storage.s3, layout, items, job)
        if self.conflict is not Conflict.REPLACE:  # what is replaced makes room on the way
            for folder in {step.target.parent for step in steps}:
                self._check_room(job.total_bytes, folder)
        executor = DaemonExecutor(FILES, "wherobots-download")
        try:
            for _ in ahead(
                executor, lambda each: self._fetch(job, each), self._fetches(job, steps), FILES
            ):
                job.check()
        finally:
            executor.shutdown()

    def _parts(self, item: Item) -> list[Item]:
        """The item itself; of a fixed folder, which is nothing in S3, the roots in it."""
        layout = self.storage.layout()
        if layout.access(item.path).kind is not AccessKind.CONTAINER:
            return [item]
        return [Item.of(root.path) for root in layout.roots if root.path.startswith(item.path)]

    def _check_room(self, size: int, folder: Path) -> None:
        """Better no byte than a full disk."""
        if size > (free := local.free_bytes(folder)):
            raise TooLarge(
                f"{size} bytes do not fit in {folder}: {free} are free.",
                path=str(folder),
                hint="Make room, then try again.",
            )

    def _fetches(self, job: Job, steps: Sequence[Incoming]) -> Iterator[_Fetch]:
        """Every object and where it goes."""
        for step in steps:
            with told(job, step.outcome):
                target = self._place(step)
                step.outcome.target = str(target)
                number = 0
                for found in self._objects(job, step.item):
                    number += 1
                    with told(job, step.outcome):
                        yield self._placed(step, found, target)
                step.outcome.expected = number

    def _objects(self, job: Job, item: Item) -> Iterator[Object]:
        parts = self._parts(item)
        for part in parts:
            try:
                for found in objects(self.storage.s3, self.storage.layout(), part, job):
                    if not part.is_folder:
                        job.expect(0, found.size)
                    yield found
            except NotFound:
                # A root is there even if nothing lies in it.
                if self.storage.layout().access(part.path).kind is not AccessKind.ROOT:
                    raise

    def _place(self, step: Incoming) -> Path:
        """Where it goes, by the rule. Raises AlreadyExists."""
        target = step.target
        if self.conflict is Conflict.KEEP_BOTH:
            target = local.free(target, "/" if step.item.is_folder else "", self._given)
            self._given.add(target)
        elif step.item.is_folder and self.conflict is Conflict.FAIL:
            local.check_place(target, replace=False)
        if step.item.is_folder:
            local.make_folders(target, target)
        return target

    def _placed(self, step: Incoming, found: Object, target: Path) -> _Fetch:
        """Where one object goes. Raises InvalidPath for what no file can be called."""
        if not step.item.is_folder:
            return _Fetch(step, found, target.parent, target)
        relative = self.storage.layout().path(found.key)[len(step.item.path) :]
        # An empty object whose key ends with a slash stands for a folder.
        is_folder = found.size == 0 and (not relative or relative.endswith("/"))
        if is_folder:
            relative = relative.removesuffix("/")
        place = local.below(target, relative) if relative or not is_folder else target
        return _Fetch(step, found, target, place, is_folder)

    def _fetch(self, job: Job, each: _Fetch) -> None:
        if job.stop.is_set():
            return
        outcome, target = each.step.outcome, each.target
        with told(job, outcome):
            job.at(str(target))
            local.make_folders(each.base, target if each.is_folder else target.parent)
            if not each.is_folder:
                self._file(job, self.storage.layout().path(each.found.key), target)
            job.done(1, 0)
            outcome.done(1, each.found.size)

    def _file(self, job: Job, path: str, target: Path) -> None:
        replace = self.conflict is Conflict.REPLACE
        local.check_place(target, replace=replace)
        with (
            self.storage.read(path) as body,
            self._staging.file(target, replace=replace) as handle,
        ):
            self._check_room(body.size, target.parent)
            written = 0
            for chunk in body.chunks:
                job.check()
                local.write(handle, chunk)
                written += len(chunk)
                job.done(0, len(chunk))
            if written != body.size:
                raise StorageFailed(f"{path} came as {written} bytes of {body.size}.", path=path)


def plan_output(storage: Storage, path: str, output: Output, outcome: Outcome) -> Plan:
    """The job that writes a file to a descriptor."""

    def work(job: Job) -> None:
        outcome.expected = 1
        with told(job, outcome), _opened(storage, path) as body:
            job.expect(1, body.size)
            job.all_counted()
            written = 0
            for chunk in body.chunks:
                job.check()
                with spoken("standard output"):
                    try:
                        # Without Python's own buffer, whose lock a thread that hangs would hold for ever.
                        local.write(output.handle, chunk)
                    except BrokenPipeError:
                        output.closed = True
                        return
                written += len(chunk)
                job.done(0, len(chunk))
            job.done(1, 0)
            outcome.done(1, written)

    return Plan(JobKind.STORAGE_TO_HOME, "Read", work)


def _opened(storage: Storage, path: str) -> Body:
    try:
        return storage.read(path)
    except NotFound as error:
        if storage.stat(path).entry.type is EntryType.FOLDER:
            raise InvalidRequest(f"{path} is a folder.", path=path) from error
        raise
