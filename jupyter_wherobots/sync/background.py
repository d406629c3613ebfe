"""The two threads of a server's mirror: one restores until everything is back, one makes passes when they are due."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from ..errors import WherobotsError
from .clock import Deadline
from .passes import Order
from .session import STOP, Session
from .status import PassReport, RestoreReport
from .watch import Watcher

log = logging.getLogger(__name__)

_STEP = 0.1
_RETRY_FIRST = 2.0
_RETRY_MOST = 60.0


class Background:
    """The threads of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._clock = session.clock
        self._threads: list[threading.Thread] = []
        self.settled = threading.Event()
        """The restore is complete, or it is known that it cannot be now."""

    @property
    def began(self) -> bool:
        """Whether the threads were started."""
        return bool(self._threads)

    def start(self) -> None:
        """Begin; does nothing the second time."""
        if self.began:
            return
        for name, work in (("restore", self._restore), ("sync", self._pass)):
            thread = threading.Thread(
                target=self._guarded, args=(work,), name=f"wherobots-{name}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def join(self) -> None:
        """Wait a little for the threads, which were told to end."""
        for thread in self._threads:
            thread.join(STOP)
        if self._session.watcher is not None:
            self._session.watcher.join(STOP)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            if not self._session.stopping.is_set():
                log.exception("The synchronisation of home failed")
                self._session.board.change(error=f"The synchronisation failed: {error}")
            self.settled.set()

    def _restore(self) -> None:
        """Restore until everything is back, with growing pauses after failures."""
        session = self._session
        pause = _RETRY_FIRST
        report = self._restored(session.restore)
        again = not report.complete
        while not session.finishing.is_set() and not report.complete:
            if report.listed:
                self.settled.set()
                session.wake.set()
            self._clock.wait(session.finishing, pause * (0.5 + self._clock.random()))
            pause = min(_RETRY_MOST, pause * 2)
            if not session.finishing.is_set():
                report = self._restored(session.restore_on)
        self.settled.set()
        if again:
            session.schedule.ask()  # what is said of home has changed
        session.wake.set()

    def _restored(self, work: Callable[[], RestoreReport]) -> RestoreReport:
        """One attempt. A mistake in it is said, and is no reason never to restore, and so to save, anything again."""
        session = self._session
        try:
            return work()
        except Exception as error:
            if session.finishing.is_set():
                raise
            log.exception("The restore of home failed")
            report = session.opened().restore_report(0.0, f"The restore failed: {error}")
            session.board.change(error=report.error)
            return report

    def _pass(self) -> None:
        """A pass whenever the schedule says so."""
        session = self._session
        engine = session.opened()
        while not engine.listed and not session.finishing.is_set():
            self._clock.wait(session.wake, _STEP)
            session.wake.clear()
        if session.options.hints and not session.finishing.is_set():
            session.watcher = Watcher(session.home, self._hinted, session.stopping)
        reviewed = self._clock.monotonic()
        while not session.finishing.is_set():
            if (wait := session.schedule.wait()) > 0:
                self._clock.wait(session.wake, wait)
                session.wake.clear()
                continue
            with session.passing:
                if session.finishing.is_set():
                    return
                order = session.schedule.order()
                report = self._make_pass(order)
            session.schedule.passed(order, report, session.scan_seconds)
            if self._clock.monotonic() - reviewed >= session.options.review_interval:
                reviewed = self._clock.monotonic()
                self._review()

    def _make_pass(self, order: Order) -> PassReport:
        """One pass. A mistake in it is said, and is no reason never to save anything again."""
        session = self._session
        try:
            return session.make_pass(order, Deadline(self._clock, None))
        except Exception as error:
            if session.stopping.is_set():
                raise
            log.exception("A pass over home failed")
            report = session.not_made(f"The pass failed: {error}")
            session.board.change(error=report.error)
            return report

    def _hinted(self, folders: set[bytes]) -> None:
        self._session.schedule.hint(folders)
        self._session.wake.set()

    def _review(self) -> None:
        try:
            self._session.review()
        except WherobotsError as error:
            log.warning("S3 could not be looked at for changes by others: %s", error)
