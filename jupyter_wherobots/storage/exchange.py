"""Copies between the home directory and the storage, on the server: nothing goes through the browser."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import (
    AlreadyExists,
    Cancelled,
    Conflicted,
    InvalidRequest,
    PreconditionFailed,
    TooLarge,
    WherobotsError,
)
from ..layout import Layout
from ..s3 import multipart
from ..s3.crew import BUFFERS
from ..s3.keys import Condition, absent
from ..s3.listing import Object
from ..s3.objects import get, put
from .home import Home, HomeFile, in_home
from .items import Item, count, objects
from .jobs import Job, JobKind, Plan
from .naming import Conflict, free_key, numbered
from .options import MAX_PART
from .parallel import ahead
from .permissions import check_change, check_fill
from .reading import content_type
from .writing import version

if TYPE_CHECKING:
    from ..s3.client import S3
    from .uploads import Uploads

_WINDOW = 8


@dataclass(frozen=True)
class Exchange:
    """What all copies of one job share.

    ``patient`` is the same bucket for requests whose answer may take minutes. ``uploads`` keeps multipart
    uploads in mind for the janitor.
    """

    s3: S3
    patient: S3
    layout: Layout
    home: Home
    executor: Executor
    uploads: Uploads
    conflict: Conflict = Conflict.FAIL
    confirm: bool = False
    _given: set[str] = field(default_factory=set, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    # -- home to storage ----------------------------------------------------------------------------

    def plan_to_storage(self, paths: Sequence[str], destination: str) -> Plan:
        """The job that copies files and folders of home into a folder of the storage.

        Raises NotPermitted, ConfirmationRequired, InvalidPath, InvalidRequest, NotFound for what is not in home.
        """
        folder = self.layout.folder(destination)
        check_fill(self.layout, folder, self.confirm)
        names = _names(paths, self.conflict)
        targets = [
            folder + name + ("/" if self.home.is_folder(path) else "")
            for path, name in zip(paths, names, strict=True)
        ]
        for target in targets:
            check_change(self.layout, target, self.confirm)
        what = names[0] if len(names) == 1 else f"{len(names)} items"
        return Plan(
            JobKind.HOME_TO_STORAGE,
            f"Copy {what} from home to {folder}",
            lambda job: self._to_storage(job, list(zip(paths, targets, strict=True))),
            folder,
        )

    def _to_storage(self, job: Job, steps: Sequence[tuple[str, str]]) -> None:
        for path, _ in steps:
            for found in self.home.walk(path):
                job.check()
                if isinstance(found, HomeFile):
                    job.expect(1, found.size)
        job.all_counted()
        for _ in ahead(
            self.executor, lambda step: self._send(job, *step), self._outgoing(job, steps), _WINDOW
        ):
            job.check()
        job.check()

    def _outgoing(
        self, job: Job, steps: Sequence[tuple[str, str]]
    ) -> Iterator[tuple[HomeFile, str]]:
        """Every file and where it goes."""
        for path, target in steps:
            key = self.layout.key(target)
            try:
                if self.conflict is Conflict.KEEP_BOTH:
                    with self._lock:
                        key = free_key(self.s3, key, self._given)
                        self._given.add(key)
                elif (
                    self.conflict is Conflict.FAIL
                    and target.endswith("/")
                    and free_key(self.s3, key) != key
                ):
                    raise AlreadyExists(f"{target} already exists.", path=target)
            except WherobotsError as error:
                job.fail(error)
                continue
            base = self.layout.path(key)
            for found in self.home.walk(path):
                job.check()
                if isinstance(found, HomeFile):
                    below = found.path[len(path) :].removeprefix("/")
                    yield found, base + below
                else:
                    job.fail(found)
            job.result(base)

    def _send(self, job: Job, found: HomeFile, target: str) -> None:
        if job.stop.is_set():
            return
        try:
            if found.is_empty_folder and not target.endswith("/"):
                target += "/"
            key = check_change(self.layout, target, confirm=True)
            job.at(found.path)
            condition = None if self.conflict is Conflict.REPLACE else absent()
            if condition is not None and version(self.s3, key) is not None:
                if self.conflict is Conflict.SKIP:
                    job.skip()
                    return
                raise AlreadyExists(f"{target} already exists.", path=target)
            media = content_type(target)
            if found.is_empty_folder:
                put(self.s3, key, b"", metadata={}, condition=condition)
                job.done(1, 0)
                return
            with self.home.open(found.path) as handle, in_home(found.path):
                self._upload(job, handle, found.path, target, key, condition, media)
        except Cancelled:
            return
        except PreconditionFailed:
            if self.conflict is Conflict.SKIP:
                job.skip()
            else:
                job.fail(AlreadyExists(f"{target} already exists.", path=target))
        except WherobotsError as error:
            job.fail(error)

    def _upload(
        self,
        job: Job,
        handle: int,
        path: str,
        target: str,
        key: str,
        condition: Condition | None,
        media: str,
    ) -> None:
        """One file at one instant: a file that changes while it is read is refused, not torn."""
        before = os.fstat(handle)

        def unchanged() -> None:
            now = os.fstat(handle)
            if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
                raise Conflicted(
                    f"{path} was written to while it was copied.", path=path, hint="Try again."
                )

        if before.st_size <= MAX_PART:
            with BUFFERS.hold(before.st_size, job.stop):
                body = _read(handle, before.st_size + 1)
                unchanged()
                put(self.s3, key, body, metadata={}, condition=condition, content_type=media)
            job.done(1, len(body))
            return
        with (
            self.uploads.remembering(target, key) as created,
            io.FileIO(handle, closefd=False) as stream,
        ):
            multipart.put_file(
                self.patient,
                key,
                stream,
                before.st_size,
                metadata={},
                condition=condition,
                content_type=media,
                stop=job.stop,
                on_bytes=lambda size: job.done(0, size),
                on_created=created,
                before_complete=unchanged,
            )
        job.done(1, 0)

    # -- storage to home ----------------------------------------------------------------------------

    def plan_to_home(self, items: Sequence[Item], destination: str) -> Plan:
        """The job that copies files and folders of the storage into a folder of home (empty: home itself).

        Raises NotPermitted, InvalidPath, InvalidRequest.
        """
        folder = destination.removesuffix("/")
        if folder or destination:
            self.home.segments(folder)
        for item in items:
            self.layout.key(item.path)
        names = _names([item.name.removesuffix("/") for item in items], self.conflict)
        targets = [f"{folder}/{name}" if folder else name for name in names]
        for target in targets:
            self.home.segments(target)
        what = names[0] if len(names) == 1 else f"{len(names)} items"
        return Plan(
            JobKind.STORAGE_TO_HOME,
            f"Copy {what} to {folder or 'home'}",
            lambda job: self._to_home(job, list(zip(items, targets, strict=True))),
            folder,
        )

    def _to_home(self, job: Job, steps: Sequence[tuple[Item, str]]) -> None:
        count(self.s3, self.layout, [item for item, _ in steps], job)
        free = self.home.free_bytes()
        if job.total_bytes > free:
            raise TooLarge(
                f"{job.total_bytes} bytes do not fit in the home directory: {free} are free.",
                hint="Delete what is not needed there, then try again.",
            )
        for _ in ahead(
            self.executor, lambda step: self._fetch(job, *step), self._incoming(job, steps), _WINDOW
        ):
            job.check()
        job.check()

    def _incoming(
        self, job: Job, steps: Sequence[tuple[Item, str]]
    ) -> Iterator[tuple[Object, str]]:
        """Every object and where it goes; with a slash at the end for the empty object of a folder."""
        for item, wanted in steps:
            try:
                target = self._free_in_home(wanted, item)
                if item.is_folder and self.conflict is Conflict.FAIL and self.home.exists(target):
                    raise AlreadyExists(f"{target} already exists in home.", path=target)
                for found in objects(self.s3, self.layout, item, job):
                    if not item.is_folder:
                        job.expect(0, found.size)
                        yield found, target
                        continue
                    below = self.layout.path(found.key)[len(item.path) :]
                    yield found, f"{target}/{below}" if below else f"{target}/"
                job.result(target)
            except Cancelled:
                raise
            except WherobotsError as error:
                job.fail(error)

    def _free_in_home(self, wanted: str, item: Item) -> str:
        if self.conflict is not Conflict.KEEP_BOTH:
            return wanted
        above, slash, name = wanted.rpartition("/")
        ending = "/" if item.is_folder else ""
        candidate, number = wanted, 0
        while candidate in self._given or self.home.exists(candidate):
            number += 1
            candidate = above + slash + numbered(name + ending, number).removesuffix("/")
        self._given.add(candidate)
        return candidate

    def _fetch(self, job: Job, found: Object, target: str) -> None:
        if job.stop.is_set():
            return
        try:
            job.at(target)
            if target.endswith("/") and found.size == 0:
                self.home.make_folder(target[:-1])
                job.done(1, 0)
                return
            if self.conflict is Conflict.SKIP and self.home.exists(target):
                job.skip()
                return
            replace = self.conflict is Conflict.REPLACE
            # Before the bytes; `create` decides in the end.
            if not replace and self.home.exists(target):
                raise AlreadyExists(f"{target} already exists in home.", path=target)
            with (
                get(self.s3, found.key) as body,
                self.home.create(target, replace=replace) as handle,
            ):
                for chunk in body.chunks:
                    job.check()
                    _write(handle, chunk)
                    job.done(0, len(chunk))
            job.done(1, 0)
        except Cancelled:
            return
        except WherobotsError as error:
            job.fail(error)


def _names(paths: Sequence[str], conflict: Conflict) -> list[str]:
    names = [path.rpartition("/")[2] for path in paths]
    if len(set(names)) < len(names) and conflict is not Conflict.KEEP_BOTH:
        raise InvalidRequest("Two of the items have the same name.", hint="Choose keep-both.")
    return names


def _read(handle: int, limit: int) -> bytearray:
    content = bytearray()
    while len(content) < limit and (piece := os.read(handle, limit - len(content))):
        content += piece
    return content


def _write(handle: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(handle, view) :]
