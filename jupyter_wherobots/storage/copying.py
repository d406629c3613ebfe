"""Copy, move and rename inside the storage. S3 copies; nothing is downloaded.

A source is deleted only after its copy was looked at, and only if it still is the version that was copied.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from ..errors import (
    AlreadyExists,
    Cancelled,
    Conflicted,
    InvalidPath,
    InvalidRequest,
    PreconditionFailed,
    WherobotsError,
)
from ..layout import Layout
from ..s3.keys import Condition, absent
from ..s3.listing import Object, page
from ..s3.objects import COPY_LIMIT, copy, delete_many
from .items import Item, count, objects
from .jobs import Job, JobKind, Plan
from .naming import Conflict, free_key
from .parallel import ahead
from .permissions import check_change, check_fill
from .writing import version

if TYPE_CHECKING:
    from ..s3.client import S3
    from .uploads import Uploads

T = TypeVar("T")

_WINDOW = 16
_BATCH = 1000
_TRIES = 5


@dataclass(frozen=True)
class _Step:
    """One item and the path it goes to."""

    item: Item
    target: str


@dataclass(frozen=True)
class Copier:
    """What all copies of one job share.

    ``patient`` is the same bucket for requests whose answer may take minutes. ``uploads`` keeps copies by parts in
    mind for the janitor. ``limit``: bytes that S3 copies in one request.
    """

    s3: S3
    patient: S3
    layout: Layout
    executor: Executor
    uploads: Uploads
    conflict: Conflict = Conflict.FAIL
    confirm: bool = False
    limit: int = COPY_LIMIT
    _given: set[str] = field(default_factory=set, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def plan(self, items: Sequence[Item], destination: str, *, move: bool) -> Plan:
        """The job that copies (or moves) some files and folders into a folder.

        Raises NotPermitted, ConfirmationRequired, InvalidPath, InvalidRequest for a folder into itself.
        """
        folder = self.layout.folder(destination)
        check_fill(self.layout, folder, self.confirm)
        steps = [self._step(item, folder + item.name, move) for item in items]
        targets = [step.target for step in steps]
        if len(set(targets)) < len(targets) and self.conflict is not Conflict.KEEP_BOTH:
            raise InvalidRequest("Two of the items have the same name.", hint="Choose keep-both.")
        what = items[0].name if len(items) == 1 else f"{len(items)} items"
        title = f"{'Move' if move else 'Copy'} {what} to {folder}"
        kind = JobKind.MOVE if move else JobKind.COPY
        return Plan(kind, title, lambda job: self._work(job, steps, move), folder)

    def plan_rename(self, item: Item, name: str) -> Plan:
        """The job that gives a file or a folder another name where it is. Raises as `plan` does."""
        if "/" in name or name in ("", ".", ".."):
            raise InvalidPath(f"{name!r} is no name.", path=item.path)
        above = item.path[: len(item.path) - len(item.name)]
        ending = "/" if item.path.endswith("/") else ""
        step = self._step(item, above + name + ending, move=True)
        title = f"Rename {item.name} to {name}"
        return Plan(JobKind.RENAME, title, lambda job: self._work(job, [step], move=True), above)

    def _step(self, item: Item, target: str, move: bool) -> _Step:
        """Judge one item. Raises what `plan` raises."""
        if move:
            check_change(self.layout, item.path, self.confirm)
        source = self.layout.key(item.path)
        key = check_change(self.layout, target, self.confirm)
        if key == source and (move or self.conflict is not Conflict.KEEP_BOTH):
            raise InvalidRequest(f"{item.path} is there already.", path=item.path)
        if item.is_folder and key != source and key.startswith(source):
            raise InvalidRequest(f"{item.path} cannot go into itself.", path=item.path)
        return _Step(item, target)

    # -- the work -----------------------------------------------------------------------------------

    def _work(self, job: Job, steps: Sequence[_Step], move: bool) -> None:
        count(self.s3, self.layout, [step.item for step in steps], job)
        files = [step for step in steps if not step.item.is_folder]
        self._each(job, lambda step: self._file(job, step), files, move)
        for step in steps:
            job.check()
            if step.item.is_folder:
                try:
                    self._folder(job, step, move)
                except Cancelled:
                    raise
                except WherobotsError as error:
                    job.fail(error)
        job.check()

    def _file(self, job: Job, step: _Step) -> Object | None:
        """Copy one file; gives the source if there is a copy now."""
        if job.stop.is_set():
            return None
        try:
            (source,) = objects(self.s3, self.layout, step.item, job)
            job.expect(0, source.size)
            target = self.layout.key(step.target)
            for _ in range(_TRIES):
                key = self._free(target)
                try:
                    if not self._copy(job, source, self.layout.path(key), look=True):
                        return None
                except AlreadyExists:
                    if self.conflict is Conflict.KEEP_BOTH:
                        continue  # somebody else took the free name
                    raise
                job.result(self.layout.path(key))
                return source
            raise Conflicted(
                f"Others kept taking the names beside {step.target}.", path=step.target
            )
        except Cancelled:
            return None
        except WherobotsError as error:
            job.fail(error)
            return None

    def _folder(self, job: Job, step: _Step, move: bool) -> None:
        prefix = self.layout.key(step.item.path)
        target = self._free(self.layout.key(step.target))
        below = page(self.s3, target, limit=1)
        fresh = not (below.objects or below.prefixes)
        if not fresh and self.conflict is Conflict.FAIL:
            raise AlreadyExists(f"{step.target} already exists.", path=step.target)

        def one(source: Object) -> Object | None:
            if job.stop.is_set():
                return None
            try:
                path = self.layout.path(target + source.key[len(prefix) :])
                return source if self._copy(job, source, path, look=not fresh) else None
            except Cancelled:
                return None
            except WherobotsError as error:
                job.fail(error)
                return None

        self._each(job, one, objects(self.s3, self.layout, step.item, job), move)
        job.check()
        job.result(self.layout.path(target))

    def _free(self, key: str) -> str:
        """The key itself, or with keep-both the next one that is free and that no other item of this job was given.

        The latter matters on stores that ignore conditions: two files of one name would end as one.
        """
        if self.conflict is not Conflict.KEEP_BOTH:
            return key
        with self._lock:
            found = free_key(self.s3, key, self._given)
            self._given.add(found)
            return found

    def _copy(self, job: Job, source: Object, path: str, *, look: bool) -> bool:
        """Copy one object, by the rule. False if it was skipped; raises AlreadyExists.

        ``look``: whether something may lie there. S3 decides in the end; the look is for stores that ignore
        conditions.
        """
        key = check_change(self.layout, path, confirm=True)
        job.at(path)
        condition = None if self.conflict is Conflict.REPLACE else absent()
        if condition is not None and look and version(self.s3, key) is not None:
            return self._taken(job, path)
        for tries in range(1, _TRIES + 1):
            try:
                self._send(job, source, key, path, condition)
                break
            except Conflicted:  # two writers at one moment: S3's own advice is to try again
                if tries == _TRIES:
                    raise
            except PreconditionFailed:
                found = version(self.s3, key) if condition is not None else None
                if found is None:
                    raise  # it is about the source
                if found != source.etag:
                    return self._taken(job, path)
                break  # our own copy: the answer was lost, and the request sent again
        job.done(1, source.size)
        return True

    def _send(
        self, job: Job, source: Object, key: str, path: str, condition: Condition | None
    ) -> None:
        with self.uploads.remembering(path, key) as created:
            copy(
                self.patient,
                source.key,
                key,
                source_etag=source.etag,
                condition=condition,
                size=source.size,
                limit=self.limit,
                on_created=created,
                stop=job.stop,
            )

    def _taken(self, job: Job, path: str) -> bool:
        if self.conflict is Conflict.SKIP:
            job.skip()
            return False
        raise AlreadyExists(f"{path} already exists.", path=path)

    def _each(
        self, job: Job, function: Callable[[T], Object | None], sources: Iterable[T], move: bool
    ) -> None:
        """Copy several at once; of a move, delete what was copied, a thousand at a time.

        That is done also when the job is cancelled meanwhile: what is copied would be there twice.
        """
        copied: list[tuple[str, str | None]] = []
        try:
            for source in ahead(self.executor, function, _until_stopped(job, sources), _WINDOW):
                if move and source is not None:
                    copied.append((source.key, source.etag))
                if len(copied) == _BATCH:
                    self._delete(job, copied)
        finally:
            self._delete(job, copied)

    def _delete(self, job: Job, copied: list[tuple[str, str | None]]) -> None:
        for failure in delete_many(self.s3, copied):
            job.fail(failure.error)
        copied.clear()


def _until_stopped(job: Job, sources: Iterable[T]) -> Iterator[T]:
    """The sources until the job is cancelled. It ends instead of raising, so that nobody forgets what is on its way."""
    try:
        for source in sources:
            if job.stop.is_set():
                return
            yield source
    except Cancelled:
        return
