"""Carrying out the puts of a plan: capture each file, write it, tell the journal.

Intents are committed before anything is sent, results in batches; the deliveries happen in the engine's thread, the rest in
a crew's.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import Cancelled, WherobotsError
from ..s3.crew import BUFFERS
from . import capture
from .capture import Captured, NotNowError, Steady, VanishedError
from .clock import Clock
from .crew import Crew, Governor
from .failpoints import failpoint
from .journal import Flag, Intent, Journal, Row
from .names import Names
from .patience import Halt, Patience
from .plan import Put
from .remote import Remote, metadata
from .scan import Entry, unpack
from .status import NotDurable, Why, shown
from .writing import Conflict, Load, Outcome, Writer

_BATCH = 2000
"""Intents of so many files are committed at once, before the first of them is sent."""
_UNBUFFERED = 256 * 1024
"""Files up to this size are few enough bytes, in all threads together, not to be counted."""
_CHUNK = 1024 * 1024


@dataclass
class Tally:
    """What a push did, as it goes on. ``unsaved``: the files of ``not_durable`` as the scan saw them."""

    files: int = 0
    total: int = 0
    uploaded: int = 0
    uploaded_bytes: int = 0
    copied: int = 0
    deleted: int = 0
    not_durable: dict[bytes, NotDurable] = field(default_factory=dict)
    unsaved: dict[bytes, Entry] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)


class Sources:
    """Where the bytes of moved files are in S3: rows whose file is gone, by content and by size."""

    def __init__(self, gone: Mapping[bytes, Row]) -> None:
        self._by_hash = {row.sha256: (path, row) for path, row in gone.items() if row.sha256}
        self._sizes = {unpack(row.stat).size for row in gone.values()}

    def may_have(self, size: int) -> bool:
        """Whether it is worth to hash a large file before it is sent."""
        return size in self._sizes

    def find(self, captured: Captured, size: int) -> tuple[bytes, Row] | None:
        """The path and row that had these bytes, as the same kind of thing."""
        found = self._by_hash.get(captured.sha256) if size else None
        if found is None or unpack(found[1].stat).is_link != unpack(captured.stat).is_link:
            return None
        return found


class Pusher:
    """Executes puts for one pass. ``root`` is the open home."""

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
        add_only: bool = False,
    ) -> None:
        self._root = root
        self._journal = journal
        self._names = names
        self._remote = remote
        self._governor = governor
        self._clock = clock
        self._halt = halt
        self._writer = Writer(
            journal, names, remote, Patience(governor, clock, halt), halt, add_only
        )
        self._sources = Sources({})
        self.tally = tally

    # -- in the engine's thread ------------------------------------------------------------------

    def push(
        self,
        puts: Sequence[Put],
        gone: Mapping[bytes, Row],
        stamp: Callable[[], int],
        told: Callable[[], None],
    ) -> None:
        """Carry out puts in their order.

        ``gone``: rows whose file is missing, the sources of moves. ``stamp`` tells the time of home's file system,
        ``told`` is called on progress. Returns at a halt too; what was not reached is in the tally as waiting.
        """
        self._sources = Sources(gone)
        self.tally.total += len(puts)
        for put in puts:
            self.tally.not_durable[put.entry.path] = _waiting(put)
            self.tally.unsaved[put.entry.path] = put.entry
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
        rows: dict[bytes, Row | None] = {}
        conflicts: list[Conflict] = []
        for outcome in outcomes:
            tally.files += 1
            if outcome.row is not None:
                rows[outcome.path] = outcome.row
            if outcome.uploaded is not None:
                tally.uploaded += 1
                tally.uploaded_bytes += outcome.uploaded
            if outcome.moved_from is not None:
                tally.copied += 1
                source = rows.get(outcome.moved_from) or self._journal.get(outcome.moved_from)
                if source is not None:
                    rows[outcome.moved_from] = source._replace(flags=source.flags | Flag.MOVED)
            conflicts += outcome.conflicts
            if outcome.not_durable is None:
                tally.not_durable.pop(outcome.path, None)
                tally.unsaved.pop(outcome.path, None)
            else:
                tally.not_durable[outcome.path] = outcome.not_durable
        settled = [outcome.path for outcome in outcomes if outcome.settled]
        self._journal.commit(rows.items(), settled=settled, conflicts=conflicts)
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
        load = Load(path, put.row, mark, self._key(put), size)
        try:
            outcome = self._try(put, load)
        except VanishedError:
            return Outcome(path, settled=self._is_settled(load), vanished=True)
        except NotNowError as error:
            waiting = NotDurable(shown(path), error.why, error.message, size)
            return Outcome(path, settled=self._is_settled(load), not_durable=waiting)
        except Cancelled:
            return Outcome(path, settled=self._is_settled(load), not_durable=_waiting(put))
        except WherobotsError as error:
            failed = NotDurable(shown(path), Why.FAILED, error.message, size)
            return Outcome(path, settled=self._is_settled(load), not_durable=failed)
        if outcome.row is not None and outcome.row.stat:
            stat = unpack(outcome.row.stat)
            if max(stat.mtime_ns, stat.ctime_ns) >= tick:
                outcome.row = outcome.row._replace(flags=outcome.row.flags | Flag.RACY)
        return outcome

    def _is_settled(self, load: Load) -> bool:
        """Whether S3 cannot hold anything of this path that the journal does not know of."""
        return not load.sent and not self._is_open(load)

    def _is_open(self, load: Load) -> bool:
        """Whether the outcome of an earlier try is not known."""
        return any(other != load.mark for other in self._journal.intents(load.path))

    def _try(self, put: Put, load: Load) -> Outcome:
        path, packed, _ = put.entry
        stat = unpack(packed)
        if stat.size > capture.WHOLE and not stat.is_link:
            return self._try_large(put, load)
        counted = stat.size if stat.size > _UNBUFFERED else 0
        if counted:
            BUFFERS.take(counted, self._halt)
        try:
            reader = capture.link if stat.is_link else capture.whole
            captured = reader(self._root, path, packed)
            failpoint("push.captured")
            load.captured, load.size = captured, len(captured.body)
            if (done := self._without_bytes(load)) is not None:
                return done
            described = metadata(load.mark, unpack(captured.stat), captured.sha256)
            return self._writer.write(
                load, lambda base: self._remote.put(load.key, captured.body, described, base)
            )
        finally:
            if counted:
                BUFFERS.give(counted)

    def _try_large(self, put: Put, load: Load) -> Outcome:
        path, packed, _ = put.entry
        if (put.row is not None and put.row.sha256) or self._sources.may_have(load.size):
            with Steady(self._root, path, packed) as file:
                while file.read(_CHUNK):
                    if self._halt.is_set():
                        raise Cancelled("The pass is over.")
                load.captured, load.size = Captured(b"", file.sha256, file.stat), file.size
            if (done := self._without_bytes(load)) is not None:
                return done

        def send(base: str | None) -> str:
            with Steady(self._root, path, packed) as file:
                try:
                    return self._remote.put_file(
                        load.key,
                        file,
                        metadata(load.mark, unpack(file.stat), None),
                        base,
                        stop=self._halt,
                        on_created=lambda upload: self._journal.begin(
                            [Intent(load.mark, path, load.key, upload)]
                        ),
                    )
                finally:
                    load.captured = Captured(b"", file.sha256, file.stat)
                    load.size = file.size

        return self._writer.write(load, send)

    def _without_bytes(self, load: Load) -> Outcome | None:
        """What can be done without sending the file: nothing, if S3 has it; a copy there, if it was only moved."""
        captured, row = load.captured, load.row
        assert captured is not None
        if self._is_open(load):
            return None
        if row is not None:
            return _unchanged(load.path, row, captured) if _holds(row, captured) else None
        source = self._sources.find(captured, load.size)
        return None if source is None else self._writer.move(load, *source)


def _holds(row: Row, captured: Captured) -> bool:
    """Whether S3 has these very bytes for a row's file."""
    return (
        bool(row.etag)
        and bool(row.stat)
        and not row.flags & Flag.REMOTE_GONE
        and row.sha256 == captured.sha256
        and unpack(row.stat).is_link == unpack(captured.stat).is_link
    )


def _unchanged(path: bytes, row: Row, captured: Captured) -> Outcome:
    """The row for a file whose bytes are in S3 already: no request, only the manifest takes a new mode or time."""
    before, after = unpack(row.stat), unpack(captured.stat)
    flags = row.flags & int(Flag.LATE | Flag.REMOTE_CHANGED)
    if (before.mode, before.mtime_ns) != (after.mode, after.mtime_ns):
        flags |= int(Flag.LATE)
    return Outcome(path, row=row._replace(stat=captured.stat, flags=flags), settled=True)


def _waiting(put: Put) -> NotDurable:
    path, packed, _ = put.entry
    return NotDurable(shown(path), Why.WAITING, "Its turn has not come.", unpack(packed).size)
