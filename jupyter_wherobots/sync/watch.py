"""File events as hints: they start a pass within a second, and decide nothing.

Events get lost without a word (queues overflow, other machines' writes to a network file system send none), so the scan stays
the truth. Each folder is watched by itself, as the scan listed them: a recursive watch would follow links out of home.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..mounts import Mount, is_shared, mount_of

if TYPE_CHECKING:
    from watchfiles import Change

log = logging.getLogger(__name__)

MOST = 20_000
"""Folders watched at most, the outermost first; the kernel's own limit may be lower (fs.inotify.max_user_watches)."""
_DEBOUNCE_MS = 200
_STEP_MS = 50
_TIMEOUT_MS = 500


class Watcher:
    """Watches folders of one home in a thread, and tells of folders in which something happened.

    ``hint`` is called with their paths, from the watcher's thread. ``state`` says in words how well it works.
    """

    def __init__(
        self, home: Path, hint: Callable[[set[bytes]], None], stop: threading.Event
    ) -> None:
        self._home = os.fsencode(home)
        self._hint = hint
        self._stop = stop
        self._mount = mount_of(home)
        self._lock = threading.Lock()
        self._watched: frozenset[bytes] = frozenset()
        self._overs: list[threading.Event] = []
        self._threads: list[threading.Thread] = []
        self._failed = False
        self._interrupted = False
        self.state = "Changes are noticed by the scan alone."

    def watch(self, folders: Iterable[bytes]) -> None:
        """Watch these folders (b"" is home itself) and no others, from now on. Does nothing once that has failed."""
        wanted = sorted(folders, key=lambda path: (path.count(b"/"), path))
        with self._lock:
            chosen = frozenset(wanted[:MOST])
            if chosen == self._watched or self._failed:
                return
            added, self._watched = chosen - self._watched, chosen
            over = threading.Event()
            self._overs.append(over)
            thread = threading.Thread(
                target=self._run,
                args=(chosen, added, len(wanted), over),
                name="wherobots-watch",
                daemon=True,
            )
            self._threads = [each for each in self._threads if each.is_alive()] + [thread]
            thread.start()

    def join(self, timeout: float) -> None:
        """Wait, at most so many seconds, for the threads that were told to stop.

        One that is still in watchfiles when the interpreter ends takes the whole process with it: SIGABRT or SIGSEGV with all
        releases from 0.21 to 1.1.0 that were tried.
        """
        deadline = time.monotonic() + timeout
        with self._lock:
            threads = self._threads
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(
        self, folders: frozenset[bytes], added: frozenset[bytes], count: int, over: threading.Event
    ) -> None:
        """One watch, of ``count`` folders in all, until a later one took ``over``. Those before it end when it has begun."""
        from watchfiles import watch

        names = (os.fsdecode(os.path.join(self._home, folder)) for folder in folders)
        paths = [name for name in names if _is_utf8(name)]
        begun = False
        try:
            changes = watch(
                *filter(os.path.isdir, paths),
                watch_filter=None,
                debounce=_DEBOUNCE_MS,
                step=_STEP_MS,
                stop_event=_Any(self._stop, over),
                rust_timeout=_TIMEOUT_MS,
                yield_on_timeout=True,
                raise_interrupt=False,
                force_polling=False,
                recursive=False,
            )
            for some in changes:
                if not begun:
                    begun = True
                    self._end_before(over)
                    self.state = _state(len(paths), count, self._mount)
                    # What happened in them before they were watched was seen by nobody.
                    self._hint(set(added))
                if some:
                    self._tell(some)
        except FileNotFoundError:
            self._give_up(over)  # a folder went meanwhile; the next scan lists them anew
        except (OSError, RuntimeError) as error:
            if begun or "decode" in str(error):
                # The name of a file that is not UTF-8 is enough. What else was told with it is lost, so look.
                self._give_up(over)
                self._tell_once(error)
                self._hint({b""})
                return
            with self._lock:
                self._failed = True
            self.state = (
                f"Changes are noticed by the scan, and only in part by file events: {error}."
            )
            log.warning("File events are not available for all of home: %s", error)

    def _end_before(self, over: threading.Event) -> None:
        """End the watches that are older than this one."""
        with self._lock:
            while over in self._overs and self._overs[0] is not over:
                self._overs.pop(0).set()

    def _give_up(self, over: threading.Event) -> None:
        """This watch is over without another one; the next scan begins one anew."""
        with self._lock:
            self._watched = frozenset()
            if over in self._overs:
                self._overs.remove(over)

    def _tell_once(self, error: Exception) -> None:
        if not self._interrupted:
            self._interrupted = True
            log.info("File events were interrupted, and go on after a scan: %s", error)

    def _tell(self, changes: set[tuple[Change, str]]) -> None:
        folders = set()
        for _, name in changes:
            path = os.path.relpath(os.fsencode(name), self._home)
            if not path.startswith(b"../"):
                folders.add(os.path.dirname(path))
        if folders:
            self._hint(folders)


def _state(watched: int, count: int, mount: Mount | None) -> str:
    """How well it works, in words."""
    if watched == count:
        state = f"Changes are noticed by file events in {count} folders."
    else:
        state = f"Changes are noticed by file events in {watched} of {count} folders, in the others by the scan."
    if mount is not None and is_shared(mount):
        # The kernel tells of what is done through it. What another machine writes, it is never told.
        state += f" Home is on a network file system ({mount.kind}): what other machines change is noticed by the scan alone."
    return state


def _is_utf8(path: str) -> bool:
    """Whether a name can be given to watchfiles; folders of other names are left to the scan."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Any:
    """An event that is set when one of two is."""

    def __init__(self, first: threading.Event, second: threading.Event) -> None:
        self._events = first, second

    def is_set(self) -> bool:
        return any(event.is_set() for event in self._events)
