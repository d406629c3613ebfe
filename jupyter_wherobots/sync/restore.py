"""Bringing home back: every object that was listed (`arrivals`) into its place, the most valuable first.

A kill at any moment leaves files that are whole and a journal that knows which are still to come. What becomes of each is
`settling`'s.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import AccessDenied
from . import beneath
from .arrivals import Arrivals, Wish, folders_above, order
from .clock import Clock
from .crew import Crew, Governor
from .failpoints import failpoint
from .journal import Journal, Row
from .manifest import Manifest
from .names import Names
from .patience import Halt
from .remote import Remote
from .settling import Conflict, Fetched, Settler
from .status import NotDurable, Why, shown

_RESERVE = 64 * 1024 * 1024
"""Bytes of the disk that a restore leaves free."""
_BATCH = 5000


@dataclass
class Harvest:
    """What a restore did, as it goes on."""

    objects: int = 0
    total_bytes: int = 0
    done: int = 0
    done_bytes: int = 0
    restored: int = 0
    already_there: int = 0
    failures: dict[bytes, NotDurable] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)


class Restorer:
    """Restores for one engine. ``root`` is the open home, ``aside`` where what gives way is moved to."""

    def __init__(
        self,
        root: int,
        aside: Path,
        journal: Journal,
        names: Names,
        remote: Remote,
        governor: Governor,
        clock: Clock,
        halt: Halt,
        arrivals: Arrivals,
    ) -> None:
        self._root = root
        self._journal = journal
        self._governor = governor
        self._clock = clock
        self._halt = halt
        self._arrivals = arrivals
        self.wishes = list(arrivals.wishes)
        self.harvest = Harvest(
            objects=arrivals.objects,
            total_bytes=sum(wish.size for wish in arrivals.wishes),
            already_there=arrivals.objects - len(arrivals.wishes),
        )
        self._settler = Settler(
            root, aside, journal, names, remote, governor, clock, halt, self.harvest.conflicts
        )

    def renew(self, halt: Halt) -> Halt:
        """Go on under another halt: an earlier one may have been set off by an S3 that works again."""
        self._halt = halt
        self._settler.renew(halt)
        return halt

    @property
    def manifest(self) -> Manifest:
        """What the manifest said."""
        return self._arrivals.manifest

    # -- the files ----------------------------------------------------------------------------------

    def fetch(self, told: Callable[[], None]) -> None:
        """Bring what was listed, until done or halted; failures stay wishes. ``told`` is called on progress."""
        self._make_folders()
        wishes = self._fitting()
        left = set(wishes)
        self.wishes = [wish for wish in self.wishes if wish not in left]
        # Other names of a file come when the file is there.
        files = [wish for wish in wishes if not wish.twin]
        twins = [wish for wish in wishes if wish.twin]
        try:
            for some in (files, twins):
                for start in range(0, len(some), _BATCH):
                    self._fetch_batch(some[start : start + _BATCH], left, told)
        finally:
            self.wishes = self._next_time((*self.wishes, *left))
        if not self._halt.is_set():
            self._finish_folders()

    def _fetch_batch(self, batch: list[Wish], left: set[Wish], told: Callable[[], None]) -> None:
        if self._halt.is_set():
            return
        crew: Crew[Wish, Fetched] = Crew(
            batch, self._settler.settle, self._governor, self._clock, self._halt
        )
        crew.run(lambda some: self._deliver(some, left, told))

    def _next_time(self, wishes: Iterable[Wish]) -> list[Wish]:
        """The order of another attempt: those that failed come last, the latest of them at the very end.

        Else some of them might end every attempt. But not if nothing ever came: S3 is down then, and the most valuable
        ones were tried first.
        """
        one_by_one = isinstance(self._halt.error, AccessDenied) or self.harvest.done > 0
        failed = self.harvest.failures if one_by_one else ()
        turn = {path: number for number, path in enumerate(failed, 1)}
        return sorted(wishes, key=lambda wish: (turn.get(wish.path, 0), order(wish)))

    def _make_folders(self) -> None:
        arrivals = self._arrivals
        marked, left = set(arrivals.folders), []
        for path in (*arrivals.folders, *sorted(arrivals.fresh)):
            try:
                with beneath.folder(self._root, path, create=True):
                    pass
            except (FileExistsError, NotADirectoryError):
                pass  # a file lies there; an empty folder has nothing to lose
            except OSError as error:
                if path in marked:
                    self._fail(path, f"The folder cannot be made: {error.strerror}.", 0)
                    left.append(path)
            else:
                self.harvest.failures.pop(path, None)
        arrivals.folders = left

    def _finish_folders(self) -> None:
        """Give the folders that were made here the modes and times they had, the inner ones first.

        Not those that something is still to come to: perhaps nobody may write to them then.
        """
        awaiting = folders_above(wish.path for wish in self.wishes)
        for path in sorted(self._arrivals.fresh, reverse=True):
            if path in awaiting:
                continue
            mode, mtime_ns = self._arrivals.manifest.folders[path]
            with suppress(OSError), beneath.folder(self._root, path) as fd:
                os.fchmod(fd, mode)
                os.utime(fd, ns=(mtime_ns, mtime_ns))
        self._arrivals.fresh = [path for path in self._arrivals.fresh if path in awaiting]

    def _fitting(self) -> list[Wish]:
        """The wishes that the disk has room for, in their order; the others stay, and are said."""
        space = os.fstatvfs(self._root)
        room = space.f_bavail * space.f_frsize - _RESERVE
        fitting = []
        for wish in self.wishes:
            if wish.size <= room or not wish.size:
                room -= wish.size
                fitting.append(wish)
            else:
                text = f"The disk has no room for its {wish.size} bytes."
                self._fail(wish.path, text, wish.size)
        return fitting

    def _fail(self, path: bytes, message: str, size: int) -> None:
        self.harvest.failures[path] = NotDurable(shown(path), Why.NOT_RESTORED, message, size)

    def _deliver(self, batch: list[Fetched], left: set[Wish], told: Callable[[], None]) -> None:
        harvest = self.harvest
        rows: list[tuple[bytes, Row | None]] = []
        conflicts: list[Conflict] = []
        for fetched in batch:
            wish = fetched.wish
            if fetched.failure is not None:
                harvest.failures.pop(wish.path, None)
                harvest.failures[wish.path] = fetched.failure
                continue
            left.discard(wish)
            harvest.failures.pop(wish.path, None)
            harvest.done += 1
            harvest.done_bytes += wish.size
            harvest.restored += fetched.size is not None
            harvest.already_there += fetched.adopted
            rows += fetched.rows
            if fetched.conflict is not None:
                conflicts.append(fetched.conflict)
        failpoint("restore.before-commit")
        self._journal.commit(rows, conflicts=conflicts)
        harvest.conflicts += conflicts
        told()
