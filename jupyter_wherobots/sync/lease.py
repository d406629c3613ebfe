"""Which of several instances of one user may overwrite and delete.

One object, created only if there is none and renewed only if it is still ours; its age is measured on S3's own clock
(the Date of an answer minus the object's Last-Modified), so that no machine's clock matters. Who does not hold it only adds
files. Nothing rests on the lease alone: every write carries the version it is about, which fences off a holder that woke
up late.

It also says which multipart uploads its holder has begun: S3 tells nobody whose an upload is, and one that died together with
its state directory, or had to stop while S3 did not answer, cannot abort them any more. So whoever has the lease next does.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

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
_TICK = timedelta(seconds=1)
"""S3 tells when an object was modified in whole seconds, and when an upload began more finely."""
_ROUNDS = 5
"""So often is a lease that changes while it is taken looked at again."""


@dataclass(frozen=True)
class Remains:
    """What the holder before may have left: uploads to keys of these digests, begun before ``until`` on S3's clock."""

    digests: frozenset[str]
    until: datetime


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
        self._uploading: set[str] = set()
        self._remains: Remains | None = None
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
        if not self._other:  # nobody has it: S3 refuses, or has not answered for long
            return LeaseStatus(
                held=False,
                holder="unknown",
                message="The lease on home could not be taken or renewed, so that another instance of yours may be "
                "running: this one only adds files, it overwrites and deletes nothing until it has the lease.",
            )
        return LeaseStatus(
            held=False,
            holder=self._other,
            message=f"Another instance of yours ({self._other}) is running: this one only adds files, it "
            "overwrites and deletes nothing until the other is gone.",
        )

    def hold(self) -> bool:
        """Take or renew the lease now, and keep renewing it in the background. Raises StorageError."""
        held = self._try(force=False)
        self._clear_up()
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._renew_on, name="wherobots-lease", daemon=True
            )
            self._thread.start()
        return held

    def take_over(self) -> bool:
        """A person's word: take it from the other instance, which then only adds. Raises StorageError."""
        return self._try(force=True)

    @contextmanager
    def uploading(self, key: str) -> Iterator[None]:
        """Make it known, while the block lasts, that an upload to this key may be under way."""
        digest = _digest(key)
        self._uploading.add(digest)
        try:
            if self.held:
                # Not worth failing for: then a rule of the bucket, if there is one, has to do.
                with suppress(WherobotsError):
                    self._try(force=False)
            yield
        finally:
            self._uploading.discard(digest)

    def release(self, seconds: float) -> None:
        """Give it back, if it is ours; waits at most ``seconds`` for S3. Never raises.

        While uploads hang in their requests it is not deleted: what they have begun stays written in it.
        """
        self._stop.set()
        if not self._lock.acquire(timeout=seconds):
            return  # a renewal hangs
        etag, self._etag, self._renewed = self._etag, "", None
        self._lock.release()
        if not etag:
            return
        failpoint("lease.before-release")
        remote = self._remote.bounded(seconds)
        with suppress(WherobotsError):
            if self._uploading:
                remote.put(self._key, self._body(released=True), {}, etag)
            else:
                remote.delete(self._key, etag)

    # -- one try ----------------------------------------------------------------------------------------

    def _try(self, *, force: bool) -> bool:
        with self._lock:
            asked = self._clock.monotonic()
            if self._etag:
                try:
                    self._etag = self._put(self._etag)
                except (PreconditionFailed, NotFound):
                    # Taken from us, or our own renewal whose answer was lost: a look will tell.
                    self._etag = ""
                else:
                    self._renewed = asked
                    return True
            for _ in range(_ROUNDS):
                etag = self._free(force)
                if etag is None:
                    self._renewed = None
                    return False
                try:
                    self._etag = self._put(etag)
                except (PreconditionFailed, NotFound):
                    continue  # somebody was quicker, or it was we, and the answer was lost
                self._renewed, self._other = asked, ""
                failpoint("lease.held")
                return True
            return False

    def _put(self, base: str) -> str:
        return self._remote.put(self._key, self._body(), {}, base or None)

    def _body(self, *, released: bool = False) -> bytes:
        body = {
            "engine": self._engine,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "uploads": sorted(self._uploading.copy()),
            "released": released,
        }
        return json.dumps(body).encode()

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
        if holder.get("released") is True:
            self._remains = Remains(_digests(holder), modified + _TICK)
            return etag
        now = server_time(self._remote.s3, self._key)
        if now is not None and (now - modified).total_seconds() > TTL:
            self.left_behind = True
            self._remains = Remains(_digests(holder), modified + timedelta(seconds=TTL))
            return etag
        self._other = str(holder.get("host") or "another machine")
        return None

    def _renew_on(self) -> None:
        while not self._clock.wait(self._stop, RENEW):
            try:
                self._try(force=False)
            except WherobotsError as error:
                log.warning("The lease on home could not be renewed: %s", error)
            self._clear_up()

    def _clear_up(self) -> None:
        """Abort what the holder before left behind, if the lease is ours now."""
        remains = self._remains
        if remains is None or not self.held:
            return
        self._remains = None
        if not remains.digests:
            return
        try:
            for each in self._remote.uploads(self._prefix):
                if _digest(each.key) in remains.digests and each.initiated < remains.until:
                    log.info("Aborting an upload of %s that an earlier instance left", each.key)
                    self._remote.abort(each.key, each.upload_id)
        except WherobotsError as error:
            log.warning("Uploads of an earlier instance could not be aborted: %s", error)


def _parsed(content: bytes) -> dict[str, object]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _digest(key: str) -> str:
    """Short, so that thousands of keys fit, and no name of a user's file lies in the lease."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _digests(holder: dict[str, object]) -> frozenset[str]:
    found = holder.get("uploads")
    return frozenset(map(str, found)) if isinstance(found, list) else frozenset()
