"""The real thing that the model is compared with: real homes, real engines, and a strict S3 that records every change."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from jupyter_wherobots.s3.client import S3, Timeouts
from jupyter_wherobots.sync import failpoints
from jupyter_wherobots.sync.clock import Clock
from jupyter_wherobots.sync.crew import Governor
from jupyter_wherobots.sync.engine import Engine
from jupyter_wherobots.sync.passes import Order
from jupyter_wherobots.sync.remote import COPY_OF, FULL, SYMLINK, TYPE
from jupyter_wherobots.sync.service import HomeSync, SyncOptions
from jupyter_wherobots.sync.session import Session
from jupyter_wherobots.sync.status import PassReport
from tests.model.model import PREFIX, Change, Thing, Version
from tests.strict_s3 import StrictS3
from tests.strict_s3 import Version as Stored
from tests.strict_s3.store import Bucket

USER = "a person"


def failpoint_names() -> list[str]:
    """Every place that the engine names."""
    folder = Path(failpoints.__file__).parent
    found: set[str] = set()
    for file in folder.glob("*.py"):
        found |= set(re.findall(r'failpoint\("([^"]+)"\)', file.read_text()))
    return sorted(found)


class SteppingClock(Clock):
    """Real time without pauses between tries, and leaps: at ``leap_after`` looks at it every deadline is over."""

    def __init__(self) -> None:
        self.leap_after: int | None = None
        self._lock = threading.Lock()
        self._ahead = 0.0

    def leap(self, seconds: float) -> None:
        self._ahead += seconds

    def monotonic(self) -> float:
        with self._lock:
            if self.leap_after is not None:
                self.leap_after -= 1
                if self.leap_after < 0:
                    self.leap_after = None
                    self.leap(1000.0)
            return super().monotonic() + self._ahead

    def random(self) -> float:
        return 0.0


class Recorder:
    """Who changed which key, in order. Whatever is not done as a person is done by the engine at work."""

    def __init__(self) -> None:
        self._person = threading.local()
        self.reset()

    def reset(self) -> None:
        self.changes: list[Change] = []
        self.versions: dict[str, Version] = {}
        self.engine = USER

    @contextmanager
    def as_person(self) -> Iterator[None]:
        self._person.active = True
        try:
            yield
        finally:
            self._person.active = False

    def record(self, key: str, before: Stored | None, after: Stored | None) -> None:
        writer = USER if getattr(self._person, "active", False) else self.engine
        versions = self.versions
        old = versions.get(key) if before is not None else None
        new = None
        if after is not None:
            new = Version(after.etag, thing_of(after), writer, COPY_OF in after.metadata)
        if new is None:
            versions.pop(key, None)
        else:
            versions[key] = new
        self.changes.append(Change(writer, key, old, new))


def thing_of(stored: Stored) -> Thing:
    kind = "link" if stored.metadata.get(TYPE) == SYMLINK else "file"
    return Thing(kind, stored.body[:])


class RecordedBucket(Bucket):
    """A bucket that tells of every change."""

    def __init__(self, name: str, recorder: Recorder) -> None:
        super().__init__(name)
        self._recorder = recorder

    def add(self, version: Stored) -> None:
        before = self.current(version.key)
        super().add(version)
        self._recorder.record(version.key, before, self.current(version.key))

    def remove(self, key: str, version_id: str) -> Stored | None:
        before = self.current(key)
        gone = super().remove(key, version_id)
        if gone is not None:
            self._recorder.record(key, before, self.current(key))
        return gone


class Instance:
    """One instance of the user: a home, a state directory, and the engine that is open now."""

    def __init__(self, folder: Path, s3: S3, threads: int, lease: bool) -> None:
        self.home = folder / "home"
        self.state = folder / "state"
        self.clock = SteppingClock()
        self._s3 = s3
        self._threads = threads
        # The probe is left out: this store keeps every condition.
        self._options = SyncOptions(
            hints=False, lease=lease, capabilities=FULL, clock=self.clock, review_interval=10**9
        )
        self.sync: HomeSync
        self.engine: Engine
        self.session: Session
        self.home.mkdir(parents=True)

    def open(self) -> None:
        """A new engine, as after a start of the process."""
        self.sync = HomeSync(self._s3, PREFIX, self.home, self.state, options=self._options)
        self.sync.open()
        self.engine = self.sync._session.opened()
        self.engine.governor = Governor(minimum=1, start=self._threads, maximum=self._threads)
        self.session = self.sync._session

    def hint(self, folders: Iterable[bytes]) -> bool:
        """File events: a pass that sends files just now looks at these folders beside, if it sends for long enough."""
        schedule = self.session.schedule
        begun, over = threading.Event(), threading.Event()
        beside, passed = schedule.beside, schedule.passed_beside

        def tell_begun() -> Order | None:
            order = beside()
            if order is not None:
                begun.set()
            return order

        def tell_over(order: Order, report: PassReport) -> None:
            passed(order, report)
            over.set()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(schedule, "beside", tell_begun)
            patch.setattr(schedule, "passed_beside", tell_over)
            patch.setattr(schedule, "_beside_at", 0.0)
            schedule.hint(folders)
            return begun.wait(0.05) and over.wait(0.5)

    def quiesce(self) -> None:
        """Wait for the threads that a deadline or a crash left behind: what was on its way to S3 gets there."""
        for thread in threading.enumerate():
            if thread.name.startswith("wherobots-") and thread.name != "wherobots-lease":
                thread.join(20)
                assert not thread.is_alive(), thread

    def crash(self) -> None:
        """End as a killed process does: nothing is finished, descriptors and locks are gone, the lease is not given back."""
        self.quiesce()
        if self.engine.lease is not None:
            self.engine.lease._stop.set()
            self.engine.lease = None
        self.sync.stop()
        if self.engine._lock._fds:  # it was stopping already
            self.engine.close(0)

    def renew_lease(self) -> None:
        """What its thread does every 30 seconds."""
        if self.engine.lease is not None:
            self.engine.lease._try(force=False)

    def tree(self) -> dict[bytes, Thing]:
        return tree_of(self.home)

    def aside(self) -> frozenset[Thing]:
        return frozenset(tree_of(self.state / "replaced").values())

    def pending_intents(self) -> int:
        return len(self.engine.journal.all_intents())


class Trap:
    """An armed failpoint. ``sprung``: it was reached."""

    sprung = False


@contextmanager
def armed(name: str | None, count: int = 1) -> Iterator[Trap]:
    """Raise at a failpoint when it is reached for the ``count``-th time, in whatever thread that is."""
    trap = Trap()
    hook = threading.excepthook

    def quiet(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_type is not failpoints.FailpointReached:
            hook(arguments)

    threading.excepthook = quiet
    failpoints._reached = 0
    failpoints._armed_point = None if name is None else (name, count, True)
    try:
        yield trap
    except failpoints.FailpointReached:
        pass
    finally:
        trap.sprung = failpoints._reached >= count
        failpoints._armed_point, failpoints._reached = None, 0
        threading.excepthook = hook


def tree_of(root: Path) -> dict[bytes, Thing]:
    """Files and links below a folder, by path."""
    found: dict[bytes, Thing] = {}
    stack = [os.fsencode(root)]
    top = len(stack[0]) + 1
    while stack:
        try:
            entries = list(os.scandir(stack.pop()))
        except FileNotFoundError:
            continue
        for entry in entries:
            path = entry.path
            if entry.is_symlink():
                found[path[top:]] = Thing("link", os.readlink(path))
            elif entry.is_dir():
                stack.append(path)
            else:
                with open(path, "rb") as file:
                    found[path[top:]] = Thing("file", file.read())
    return found


def clear_way(root: Path, path: bytes) -> bytes:
    """Make room for a file: folders above it, nothing at it; the whole path."""
    here = os.fsencode(root)
    *above, name = path.split(b"/")
    for segment in above:
        here += b"/" + segment
        if os.path.islink(here) or os.path.isfile(here):
            os.unlink(here)
        with suppress(FileExistsError):
            os.mkdir(here)
    here += b"/" + name
    if os.path.isdir(here) and not os.path.islink(here):
        shutil.rmtree(here)
    elif os.path.lexists(here):
        os.unlink(here)
    return here


class World:
    """The server, one for all examples, and the client that all engines share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self.server = StrictS3(seed=1)
        self.recorder = Recorder()
        self.server.start()

    def begin(self) -> None:
        """As in the beginning."""
        self.server.reset()
        self.recorder.reset()
        state = self.server._state
        state.buckets[self.server.bucket] = RecordedBucket(self.server.bucket, self.recorder)
        self.server.clock.freeze(1_700_000_000)

    def connect(self) -> None:
        """Make the client, once the environment points to the server."""
        timeouts = Timeouts(2.0, 5.0, 5.0)
        self.s3 = S3(self.server.bucket, timeouts=timeouts, attempts=1)

    def instance(self, threads: int, lease: bool) -> Instance:
        self._count += 1
        return Instance(self._folder / f"{self._count}", self.s3, threads, lease)

    def discard(self, instance: Instance) -> None:
        shutil.rmtree(instance.home.parent)
