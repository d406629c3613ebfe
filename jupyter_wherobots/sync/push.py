"""Carrying out a plan: capture, put, resolve what is not as expected, tell the journal.

Every write carries the version it replaces. What S3 answers to one that does not hold is first taken for what it may
be, an earlier try of our own whose answer was lost, and only then for somebody else's change, which is kept beside ours.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timezone

from ..errors import Cancelled, NotFound, PreconditionFailed, WherobotsError
from ..s3.crew import BUFFERS
from ..s3.objects import Head
from . import capture
from .capture import Captured, NotNowError, Steady, VanishedError
from .clock import Clock
from .crew import Crew, Governor
from .failpoints import failpoint
from .journal import Flag, Intent, Journal, Origin, Row
from .names import Names, beside
from .patience import Halt, Patience
from .plan import Put
from .remote import COPY_OF, MARK, SHA256, Remote, metadata
from .scan import unpack
from .status import ConflictKind, NotDurable, Why, shown

_ROUNDS = 6
"""A key that changes more often than this while it is put waits for the next pass."""
_BATCH = 2000
"""Intents of so many files are committed at once, before the first of them is sent."""
_UNBUFFERED = 256 * 1024
"""Files up to this size are few enough bytes, in all threads together, not to be counted."""
_CHUNK = 1024 * 1024

Conflict = tuple[bytes, str, str, "bytes | None"]
"""Path, kind, message, path of what was kept."""


@dataclass
class Outcome:
    """What became of one file. ``row`` is its new row (None leaves the old one), ``settled`` that no try is open."""

    path: bytes
    row: Row | None = None
    settled: bool = False
    not_durable: NotDurable | None = None
    conflicts: list[Conflict] = field(default_factory=list)
    uploaded: int | None = None


@dataclass
class Tally:
    """What a push did, as it goes on."""

    files: int = 0
    total: int = 0
    uploaded: int = 0
    uploaded_bytes: int = 0
    copied: int = 0
    deleted: int = 0
    not_durable: dict[bytes, NotDurable] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)


@dataclass
class _Load:
    """One file on its way. ``captured`` is None until a large file was read to its end."""

    put: Put
    mark: str
    key: str
    size: int
    captured: Captured | None
    send: Callable[[str | None], str]


class Pusher:
    """Executes puts for one engine. ``root`` is the open home."""

    def __init__(
        self,
        root: int,
        journal: Journal,
        names: Names,
        remote: Remote,
        governor: Governor,
        clock: Clock,
        halt: Halt,
        tally: Tally,
    ) -> None:
        self._root = root
        self._journal = journal
        self._names = names
        self._remote = remote
        self._governor = governor
        self._clock = clock
        self._halt = halt
        self._patience = Patience(governor, clock, halt)
        self.tally = tally

    # -- in the engine's thread ------------------------------------------------------------------

    def push(self, puts: Sequence[Put], stamp: Callable[[], int], told: Callable[[], None]) -> None:
        """Carry out puts in their order.

        ``stamp`` tells the time of home's file system, ``told`` is called on progress. Returns at a halt too; what was not
        reached is in the tally as waiting.
        """
        self.tally.total += len(puts)
        for put in puts:
            self.tally.not_durable[put.entry.path] = _waiting(put)
        told()
        for start in range(0, len(puts), _BATCH):
            if self._halt.is_set():
                return
            self._push_batch(puts[start : start + _BATCH], stamp(), told)

    def _push_batch(self, batch: Sequence[Put], tick: int, told: Callable[[], None]) -> None:
        marks = self._marks(batch)
        crew: Crew[Put, Outcome] = Crew(
            batch,
            lambda put: self._put(put, marks[put.entry.path], tick),
            self._governor,
            self._clock,
            self._halt,
        )
        crew.run(lambda outcomes: self._deliver(outcomes, told))

    def _marks(self, batch: Sequence[Put]) -> dict[bytes, str]:
        """Commit an intent for each file, before anything of it is sent; gives the marks."""
        engine = self._journal.engine[:16]
        marks = {put.entry.path: f"{engine}-{secrets.token_hex(8)}" for put in batch}
        self._journal.begin(
            Intent(marks[put.entry.path], put.entry.path, self._key(put)) for put in batch
        )
        return marks

    def _deliver(self, outcomes: list[Outcome], told: Callable[[], None]) -> None:
        tally = self.tally
        rows: list[tuple[bytes, Row | None]] = []
        conflicts: list[Conflict] = []
        for outcome in outcomes:
            tally.files += 1
            if outcome.row is not None:
                rows.append((outcome.path, outcome.row))
            if outcome.uploaded is not None:
                tally.uploaded += 1
                tally.uploaded_bytes += outcome.uploaded
            conflicts += outcome.conflicts
            if outcome.not_durable is None:
                tally.not_durable.pop(outcome.path, None)
            else:
                tally.not_durable[outcome.path] = outcome.not_durable
        settled = [outcome.path for outcome in outcomes if outcome.settled]
        self._journal.commit(rows, settled=settled, conflicts=conflicts)
        tally.conflicts += conflicts
        told()

    def _key(self, put: Put) -> str:
        if put.row is not None and put.row.key:
            return put.row.key
        return self._names.key(put.entry.path)

    # -- in a crew's thread ------------------------------------------------------------------------

    def _put(self, put: Put, mark: str, tick: int) -> Outcome:
        path = put.entry.path
        size = unpack(put.entry.stat).size
        try:
            outcome = self._try(put, mark)
        except VanishedError:
            return Outcome(path, settled=not self._is_open(path, mark))
        except NotNowError as error:
            waiting = NotDurable(shown(path), error.why, error.message, size)
            return Outcome(path, settled=not self._is_open(path, mark), not_durable=waiting)
        except Cancelled:
            return Outcome(path, not_durable=_waiting(put))
        except WherobotsError as error:
            failed = NotDurable(shown(path), Why.FAILED, error.message, size)
            return Outcome(path, not_durable=failed)
        if outcome.row is not None and outcome.row.stat:
            stat = unpack(outcome.row.stat)
            if max(stat.mtime_ns, stat.ctime_ns) >= tick:
                outcome.row = outcome.row._replace(flags=outcome.row.flags | Flag.RACY)
        return outcome

    def _is_open(self, path: bytes, mark: str) -> bool:
        """Whether the outcome of an earlier try is not known, so that S3 may hold what the journal does not say."""
        return any(other != mark for other in self._journal.intents(path))

    def _try(self, put: Put, mark: str) -> Outcome:
        path, packed, _ = put.entry
        stat = unpack(packed)
        if stat.size > capture.WHOLE and not stat.is_link:
            return self._try_large(put, mark)
        key = self._key(put)
        counted = stat.size if stat.size > _UNBUFFERED else 0
        if counted:
            BUFFERS.take(counted, self._halt)
        try:
            reader = capture.link if stat.is_link else capture.whole
            captured = reader(self._root, path, packed)
            failpoint("push.captured")
            if self._is_unchanged(put, mark, captured):
                return _unchanged(put, captured.stat)
            described = metadata(mark, unpack(captured.stat), captured.sha256)

            def send(base: str | None) -> str:
                return self._remote.put(key, captured.body, described, base)

            return self._write(_Load(put, mark, key, len(captured.body), captured, send))
        finally:
            if counted:
                BUFFERS.give(counted)

    def _try_large(self, put: Put, mark: str) -> Outcome:
        path, packed, _ = put.entry
        key = self._key(put)
        if put.row is not None and put.row.sha256:
            with Steady(self._root, path, packed) as file:
                while file.read(_CHUNK):
                    if self._halt.is_set():
                        raise Cancelled("The pass ended.")
                captured = Captured(b"", file.sha256, file.stat)
                if self._is_unchanged(put, mark, captured):
                    return _unchanged(put, captured.stat)

        def send(base: str | None) -> str:
            with Steady(self._root, path, packed) as file:
                try:
                    return self._remote.put_file(
                        key,
                        file,
                        metadata(mark, unpack(file.stat), None),
                        base,
                        stop=self._halt,
                        on_created=lambda upload: self._journal.begin(
                            [Intent(mark, path, key, upload)]
                        ),
                    )
                finally:
                    load.size, load.captured = file.size, Captured(b"", file.sha256, file.stat)

        load = _Load(put, mark, key, unpack(packed).size, None, send)
        return self._write(load)

    def _is_unchanged(self, put: Put, mark: str, captured: Captured) -> bool:
        """Whether S3 holds these very bytes for this file already."""
        row = put.row
        return (
            row is not None
            and bool(row.etag)
            and not row.flags & Flag.REMOTE_GONE
            and row.sha256 == captured.sha256
            and bool(row.stat)
            and unpack(row.stat).is_link == unpack(captured.stat).is_link
            and not self._is_open(put.entry.path, mark)
        )

    # -- one write, until it is known what became of it -------------------------------------------

    def _write(self, load: _Load) -> Outcome:
        path, row = load.put.entry.path, load.put.row
        outcome = Outcome(path, settled=True)
        base = row.etag if row is not None and not row.flags & Flag.REMOTE_GONE else ""
        if load.key == self._names.odd_key(path):
            self._write_name(path)
        for _ in range(_ROUNDS):
            try:
                etag = self._patience.with_request(lambda: load.send(base or None))  # noqa: B023
                outcome.uploaded = load.size
            except (PreconditionFailed, NotFound):
                found = self._look(load.key)
                if found is None:
                    base = ""  # deleted there meanwhile; ours is a change, so it is created anew
                    continue
                ours = self._if_ours(load, found)
                if ours is None:
                    if found.etag != base and not self._is_earlier_try(path, found):
                        outcome.conflicts.append(self._keep_both(load, found))
                    base = found.etag
                    continue
                etag = ours
            assert load.captured is not None
            key = row.key if row is not None else None
            outcome.row = Row(
                load.captured.stat, load.captured.sha256, key, etag, Origin.PUT, flags=0
            )
            return outcome
        message = "It keeps being changed in S3 while it is saved."
        waiting = NotDurable(shown(path), Why.FAILED, message, load.size)
        return Outcome(path, not_durable=waiting, conflicts=outcome.conflicts)

    def _write_name(self, path: bytes) -> None:
        """Put the small object that holds a name S3 cannot; it is made from the name, so one that is there is right."""
        with contextlib.suppress(PreconditionFailed):
            self._patience.with_request(
                lambda: self._remote.put(self._names.name_key(path), path, {}, None)
            )

    def _look(self, key: str) -> Head | None:
        return self._patience.with_request(lambda: self._remote.head(key))

    def _is_earlier_try(self, path: bytes, found: Head) -> bool:
        return found.metadata.get(MARK, "") in self._journal.intents(path)

    def _if_ours(self, load: _Load, found: Head) -> str | None:
        """The ETag of what is there, if that is what was to be put: by a try of ours, or the same bytes by chance."""
        if found.metadata.get(MARK) == load.mark:
            return found.etag
        if load.captured is None or found.size != load.size:
            return None
        sha256 = load.captured.sha256
        if found.metadata.get(SHA256) != sha256.hex():
            return None
        if self._is_earlier_try(load.put.entry.path, found):
            return found.etag
        held = self._patience.with_request(lambda: self._remote.holds(load.key, found.etag, sha256))
        return found.etag if held else None

    def _keep_both(self, load: _Load, found: Head) -> Conflict:
        """Copy somebody else's version to a sibling; only then may ours take its place."""
        path = load.put.entry.path
        kept_as = self._keep(path, load.key, found)
        message = f"It was changed in S3 too: that version is kept as {shown(kept_as)}."
        return path, ConflictKind.CHANGED_REMOTELY.value, message, kept_as

    def _keep(self, path: bytes, key: str, found: Head) -> bytes:
        when = found.last_modified.astimezone(timezone.utc).strftime("%Y-%m-%d %H.%M.%S")
        copy_of = found.etag.strip('"')
        described = {name: text for name, text in found.metadata.items() if name != MARK}
        described[COPY_OF] = copy_of
        for number in range(1, 1000):
            note = f"S3 version {when}" if number == 1 else f"S3 version {when} {number}"
            kept_as = beside(path, note)
            sibling = self._names.key(kept_as)
            if self._names.is_odd(kept_as):
                self._write_name(kept_as)
            try:
                self._patience.with_request(
                    lambda: self._remote.copy(
                        key,
                        found.etag,
                        sibling,  # noqa: B023 - called at once
                        None,
                        described,
                        found.size,
                    )
                )
            except PreconditionFailed:
                taken = self._look(sibling)
                if taken is None:
                    raise  # the version itself was replaced meanwhile
                if taken.metadata.get(COPY_OF) == copy_of:
                    return kept_as  # by an earlier try of ours
            else:
                return kept_as
        raise PreconditionFailed(f"There are too many versions of {shown(path)}.")


def _unchanged(put: Put, stat: bytes) -> Outcome:
    """The row for a file whose bytes are in S3 already: no request, only the manifest takes a new mode or time."""
    row = put.row
    assert row is not None
    before, after = unpack(row.stat), unpack(stat)
    flags = row.flags & int(Flag.LATE | Flag.REMOTE_CHANGED)
    if (before.mode, before.mtime_ns) != (after.mode, after.mtime_ns):
        flags |= Flag.LATE
    return Outcome(put.entry.path, row=row._replace(stat=stat, flags=flags), settled=True)


def _waiting(put: Put) -> NotDurable:
    path, packed, _ = put.entry
    return NotDurable(shown(path), Why.WAITING, "Its turn has not come.", unpack(packed).size)
