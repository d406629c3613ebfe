"""Which of several instances of one user may overwrite and delete.

One object, created only if there is none and renewed only if it is still ours; its age is measured on S3's own clock
(the Date of an answer minus the object's Last-Modified), so that no machine's clock matters. Who does not hold it only adds
files. Nothing rests on the lease alone: every write carries the version it is about, which fences off a holder that woke
up late.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from contextlib import suppress

from ..errors import NotFound, PreconditionFailed, WherobotsError
from ..layout import INTERNAL
from ..s3.bucket import server_time
from .clock import Clock
from .failpoints import failpoint
from .remote import Remote
from .status import LeaseStatus

log = logging.getLogger(__name__)

RENEW = 30.0
"""Seconds between two renewals."""
TTL = 90.0
"""Seconds after which a lease that was not renewed may be taken."""
_NAME = "lease.json"
_LARGEST = 65536


class Lease:
    """The lease of one engine. ``engine`` is its id, which a restart with the same state has again."""

    def __init__(self, remote: Remote, prefix: str, engine: str, clock: Clock) -> None:
        self._remote = remote
        self._prefix = prefix
        self._key = f"{prefix}{INTERNAL}{_NAME}"
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._etag = ""
        self._renewed: float | None = None
        self._other = ""
        self.left_behind = False
        """The holder before never gave it back: it was killed, or lost its network."""

    @property
    def held(self) -> bool:
        """Whether this engine may overwrite and delete: it renewed the lease so lately that nobody can have taken it."""
        renewed = self._renewed
        return renewed is not None and self._clock.monotonic() - renewed < TTL - RENEW

    def status(self) -> LeaseStatus:
        """What the status says of it."""
        if self.held:
            return LeaseStatus()
        other = self._other or "unknown"
        return LeaseStatus(
            held=False,
            holder=other,
            message=f"Another instance of yours ({other}) is running: this one only adds files, it "
            "overwrites and deletes nothing until the other is gone.",
        )

    def hold(self) -> bool:
        """Take or renew the lease now, and keep renewing it in the background. Raises StorageError."""
        held = self._try(force=False)
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._renew_on, name="wherobots-lease", daemon=True
            )
            self._thread.start()
        return held

    def take_over(self) -> bool:
        """A person's word: take it from the other instance, which then only adds. Raises StorageError."""
        return self._try(force=True)

    def release(self, seconds: float) -> None:
        """Give it back, if it is ours; waits at most ``seconds`` for S3. Never raises."""
        self._stop.set()
        with self._lock:
            etag, self._etag, self._renewed = self._etag, "", None
        if etag:
            failpoint("lease.before-release")
            with suppress(WherobotsError):
                self._remote.bounded(seconds).delete(self._key, etag)

    # -- one try ----------------------------------------------------------------------------------------

    def _try(self, *, force: bool) -> bool:
        with self._lock:
            asked = self._clock.monotonic()
            if self._etag:
                try:
                    self._etag = self._put(self._etag)
                except (PreconditionFailed, NotFound):
                    self._etag, self._renewed = "", None
                else:
                    self._renewed = asked
                    return True
            etag = self._free(force)
            if etag is None:
                return False
            try:
                self._etag = self._put(etag)
            except (PreconditionFailed, NotFound):
                return False  # somebody was quicker; the next try tells who
            self._renewed, self._other = asked, ""
            failpoint("lease.held")
            return True

    def _put(self, base: str) -> str:
        body = {"engine": self._engine, "host": socket.gethostname(), "process": os.getpid()}
        return self._remote.put(self._key, json.dumps(body).encode(), {}, base or None)

    def _free(self, force: bool) -> str | None:
        """The ETag over which the lease may be taken ("" for none at all), or None if another instance holds it."""
        try:
            with self._remote.get(self._key) as body:
                etag, modified = body.etag, body.last_modified
                content = body.read() if body.size <= _LARGEST else b""
        except NotFound:
            return ""
        holder = _parsed(content)
        if force or holder.get("engine") == self._engine:
            return etag
        now = server_time(self._remote.s3, self._key)
        if now is not None and (now - modified).total_seconds() > TTL:
            self.left_behind = True
            return etag
        self._other = str(holder.get("host") or "another machine")
        return None

    def _renew_on(self) -> None:
        while not self._clock.wait(self._stop, RENEW):
            try:
                self._try(force=False)
            except WherobotsError as error:
                log.warning("The lease on home could not be renewed: %s", error)


def _parsed(content: bytes) -> dict[str, object]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
