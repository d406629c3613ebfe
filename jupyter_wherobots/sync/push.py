"""Carrying out the puts of a plan: capture each file, write it, tell the journal.

Intents are committed before anything is sent, results in batches; the deliveries happen in the engine's thread, the rest in
a crew's.
"""

from __future__ import annotations

import itertools
import stat as st
from collections.abc import Callable, Iterable, Mapping, Sequence

from ..errors import Cancelled, WherobotsError
from ..s3.crew import BUFFERS
from . import beneath, capture
from .camera import Camera
from .capture import Captured, NotNowError, Steady, VanishedError
from .crew import Crew
from .failpoints import failpoint
from .filestat import pack, unpack
from .ground import Ground, Tally
from .journal import Flag, Intent, Row
from .names import beside
from .patience import Patience
from .plan import RETURNED, Put
from .remote import metadata
from .scan import Entry
from .status import ConflictKind, NotDurable, Why, shown
from .writing import Conflict, Load, Outcome, Writer

_BATCH = 2000
"""Intents of so many files are committed at once, before the first of them is sent."""
_UNBUFFERED = 256 * 1024
"""Files up to this size are few enough bytes, in all threads together, not to be counted."""
_CHUNK = 1024 * 1024


class Sources:
    """Where the bytes of moved files are in S3: rows whose file is gone, by inode, by content and by size."""

    def __init__(self, gone: Mapping[bytes, Row]) -> None:
        self._by_hash = {row.sha256: (path, row) for path, row in gone.items() if row.sha256}
        self._by_inode: dict[tuple[int, int], list[tuple[bytes, Row]]] = {}
        for path, row in gone.items():
            self._by_inode.setdefault(unpack(row.stat).identity, []).append((path, row))
        self._sizes = {unpack(row.stat).size for row in gone.values()}

    def may_have(self, size: int) -> bool:
        """Whether it is worth to hash a large file before it is sent."""
        return size in self._sizes

    def find(self, captured: Captured, size: int) -> tuple[bytes, Row] | None:
        """The path and row that had these bytes, as the same kind of thing; best the very file under its old name."""
        names = self.names(captured.stat, captured.sha256)
        found = names[0] if names else self._by_hash.get(captured.sha256) if size else None
        if found is None or unpack(found[1].stat).is_link != unpack(captured.stat).is_link:
            return None
        return found

    def names(self, stat: bytes, sha256: bytes) -> list[tuple[bytes, Row]]:
        """The names that are gone of the file with this stat and content: several, if they were hard links."""
        found = self._by_inode.get(unpack(stat).identity, [])
        return [(path, row) for path, row in found if row.sha256 == sha256]


class Pusher:
    """Executes puts for one pass. ``camera``: what captures the files."""

    def __init__(
        self, ground: Ground, gone: Mapping[bytes, Row], tally: Tally, told: Callable[[], None]
    ) -> None:
        """``gone``: rows whose file is missing, the sources of moves. ``told`` is called on progress."""
        self._ground = ground
        self._root = ground.root
        self._journal = ground.journal
        self._names = ground.names
        self._remote = ground.remote
        self._halt = ground.halt
        self._memory = ground.memory
        self.writer = Writer(
            ground.journal,
            ground.names,
            ground.remote,
            Patience(ground.governor, ground.clock, ground.halt),
            ground.halt,
            ground.may_replace,
        )
        self._sources = Sources(gone)
        self.camera = Camera(ground)
        self._told = told
        self.tally = tally

    # -- in the engine's thread ------------------------------------------------------------------

    def push(self, puts: Sequence[Put]) -> None:
        """Carry out puts in their order, and once more those of files that changed meanwhile. Returns at a halt too."""
        for start in range(0, len(puts), _BATCH):
            self._push_batch(puts[start : start + _BATCH])
        again = [fresh for put in puts if (fresh := self._seen_again(put)) is not None]
        if again:
            self._push_batch(again)

    def _seen_again(self, put: Put) -> Put | None:
        """A file that changed while it was read, as it is now."""
        path = put.entry.path
        waiting = self.tally.not_durable.get(path)
        if waiting is None or waiting.why is not Why.CHANGING or self._halt.is_set():
            return None
        try:
            info = beneath.lstat(self._root, path)
        except OSError:
            return None
        if not (st.S_ISREG(info.st_mode) or st.S_ISLNK(info.st_mode)):
            return None
        return Put(Entry(path, pack(info), info.st_nlink), put.row)

    def prepare(self, puts: Iterable[Put]) -> list[Put]:
        """Capture files now, to be put later as they were now; gives those that can be."""
        self.camera.release()
        ready = []
        for put in puts:
            path, packed, _ = put.entry
            try:
                self.camera.keep(put.entry)
            except VanishedError:
                self._leave(path)
            except NotNowError as error:
                size = unpack(packed).size
                waiting = NotDurable(shown(path), error.why, error.message, size)
                self.tally.not_durable[path] = waiting
            else:
                ready.append(put)
        return ready

    def _leave(self, path: bytes) -> None:
        """There is nothing of a file left to be saved."""
        self.tally.not_durable.pop(path, None)
        self.tally.unsaved.pop(path, None)
        self.tally.queued.discard(path)
        self._memory.forget(path)

    def _push_batch(self, batch: Sequence[Put]) -> None:
        if self._halt.is_set():
            return
        intents = self._intents(batch)
        crew: Crew[Put, Outcome] = Crew(
            batch,
            lambda put: self._put(put, intents[put.entry.path]),
            self._ground.governor,
            self._ground.clock,
            self._halt,
        )
        crew.run(self._deliver, self._ground.beside)

    def _intents(self, batch: Sequence[Put]) -> dict[bytes, Intent]:
        """Commit an intent for each file, before anything of it is sent."""
        intents = [
            Intent(self._journal.new_mark(), put.entry.path, self._key(put)) for put in batch
        ]
        self._journal.begin(intents)
        return {intent.path: intent for intent in intents}

    def _deliver(self, outcomes: list[Outcome]) -> None:
        tally = self.tally
        rows: dict[bytes, Row | None] = {}
        conflicts: list[Conflict] = []
        for outcome in outcomes:
            tally.files += 1
            if outcome.row is not None:
                rows[outcome.path] = outcome.row
            if outcome.uploaded is not None:
                self._memory.was_put(outcome.path, self._ground.clock.monotonic())
                tally.uploaded += 1
                tally.uploaded_bytes += outcome.uploaded
            if outcome.moved_from is not None:
                tally.copied += 1
                for path in self._moved(outcome):
                    source = rows.get(path) or self._journal.get(path)
                    if source is not None:
                        rows[path] = source._replace(flags=source.flags | Flag.MOVED)
            conflicts += outcome.conflicts
            if outcome.vanished:
                tally.vanished.add(outcome.path)
            if outcome.not_durable is None:
                self._leave(outcome.path)
            else:
                tally.not_durable[outcome.path] = outcome.not_durable
        settled = [outcome.path for outcome in outcomes if outcome.settled]
        self._journal.commit(rows.items(), settled=settled, conflicts=conflicts)
        tally.conflicts += conflicts
        self._told()

    def _moved(self, outcome: Outcome) -> set[bytes]:
        """The names that a file had before it was moved."""
        assert outcome.moved_from is not None
        found = {outcome.moved_from}
        if outcome.row is not None:
            names = self._sources.names(outcome.row.stat, outcome.row.sha256)
            found.update(path for path, _ in names)
        return found

    def _key(self, put: Put) -> str:
        if put.row is not None and put.row.key:
            return put.row.key
        path = put.entry.path
        # A file and a folder of one name in S3: the file came under another name, and its key is not this path's.
        for key in (self._names.key(path), self._names.odd_key(path)):
            if self._journal.keeper(key) in (None, path):
                return key
        # Even that of the digest came under another name: the key of a name that is free has to do.
        for number in itertools.count(2):
            other = beside(path, str(number))
            key = self._names.key(other)
            free = self._journal.get(other) is None and beneath.is_missing(self._root, other)
            if free and self._journal.keeper(key) in (None, path):
                return key
        raise AssertionError("there is always a name that is free")

    # -- in a crew's thread ------------------------------------------------------------------------

    def _put(self, put: Put, intent: Intent) -> Outcome:
        path = put.entry.path
        size = unpack(put.entry.stat).size
        load = Load(path, put.row, intent.mark, intent.key, size)
        try:
            return self._try(put, load)
        except VanishedError:
            return Outcome(path, settled=self._is_settled(load), vanished=True)
        except NotNowError as error:
            if error.why is Why.CHANGING and size > capture.WHOLE:
                self._memory.restless(path)
            waiting = NotDurable(shown(path), error.why, error.message, size)
            return Outcome(path, settled=self._is_settled(load), not_durable=waiting)
        except OSError as error:
            message = f"It cannot be read: {error.strerror or error}."
            waiting = NotDurable(shown(path), Why.UNREADABLE, message, size)
            return Outcome(path, settled=self._is_settled(load), not_durable=waiting)
        except Cancelled:
            return Outcome(path, settled=self._is_settled(load), not_durable=_waiting(put))
        except WherobotsError as error:
            failed = NotDurable(shown(path), Why.FAILED, error.message, size)
            return Outcome(path, settled=self._is_settled(load), not_durable=failed)

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
            captured = self.camera.small(path, packed)
            if captured is None:
                return self._try_large(put, load)
            captured = captured._replace(racy=captured.racy or self.camera.doubts(captured.stat))
            failpoint("push.captured")
            load.captured, load.size = captured, len(captured.body)
            if (done := self._without_bytes(load)) is not None:
                return done
            kept = self._judge_notebook(load, lambda: capture.looks_whole(captured.body))
            described = metadata(load.mark, unpack(captured.stat), captured.sha256)
            outcome = self.writer.write(
                load, lambda base: self._remote.put(load.key, captured.body, described, base)
            )
            outcome.conflicts = kept + outcome.conflicts
            return outcome
        finally:
            if counted:
                BUFFERS.give(counted)

    def _try_large(self, put: Put, load: Load) -> Outcome:
        path, packed, _ = put.entry
        if put.is_doubt and self.camera.is_mapped(packed) and not self._ground.last:
            # It would be read in vain at every pass, for as long as it is mapped.
            return Outcome(path, settled=self._is_settled(load))
        if (put.row is not None and put.row.sha256) or self._sources.may_have(load.size):
            with self.camera.large(path, packed) as file:
                while file.read(_CHUNK):
                    if self._halt.is_set():
                        raise Cancelled("The pass is over.")
                load.captured = self._large(file)
                load.size = file.size
                whole = file.ends_like_notebook()
            if (done := self._without_bytes(load)) is not None:
                return done
            kept = self._judge_notebook(load, lambda: whole)
        else:
            kept = []
        # An earlier try may have begun an upload without hearing its id.
        again = self._is_open(load)

        def send(base: str | None) -> str:
            nonlocal again
            if again:
                self._remote.abort_at({load.key}, load.key)
            again = True
            with self.camera.large(path, packed) as file, self._ground.uploading(load.key):
                try:
                    return self._remote.put_file(
                        load.key,
                        file,
                        metadata(load.mark, unpack(file.stat), None, hot=file.hot),
                        base,
                        stop=self._halt,
                        on_created=lambda upload: self._journal.begin(
                            [Intent(load.mark, path, load.key, upload)]
                        ),
                    )
                finally:
                    load.captured, load.size = self._large(file), file.size
                    if file.is_read:
                        load.tries.add(file.sha256)

        outcome = self.writer.write(load, send)
        outcome.conflicts = kept + outcome.conflicts
        return outcome

    def _large(self, file: Steady) -> Captured:
        return Captured(b"", file.sha256, file.stat, self.camera.doubts(file.stat))

    def _judge_notebook(self, load: Load, is_whole: Callable[[], bool]) -> list[Conflict]:
        """Keep S3's good version of a notebook from being replaced by what Jupyter, or a crash, leaves for a moment.

        Raises NotNowError while that may be so. Bytes that stay invalid through some passes without anybody saving are what the
        file is: they are put, and the good version is kept beside them.
        """
        row, captured = load.row, load.captured
        assert captured is not None
        if (
            not capture.is_notebook(load.path)
            or row is None
            or not row.etag
            or unpack(captured.stat).is_link
        ):
            return []
        saving = capture.is_saving(self._root, load.path)
        if is_whole() and not (
            saving and captured.body and not capture.is_valid_notebook(captured.body)
        ):
            return []
        if saving:
            message = "Jupyter is saving it, or died while it did; S3 keeps the last good version."
            raise NotNowError(Why.SAVING, message)
        if not self._memory.stays_invalid(load.path, captured.sha256, judging=self._ground.judging):
            message = "It is no valid notebook now; S3 keeps the last good version for some passes."
            raise NotNowError(Why.SAVING, message)
        kept = self.writer.keep_version(load, "last valid version", ConflictKind.INVALID_NOTEBOOK)
        return [] if kept is None else [kept]

    def _without_bytes(self, load: Load) -> Outcome | None:
        """What can be done without sending the file: nothing, if S3 has it; a copy there, if it was only moved."""
        captured, row = load.captured, load.row
        assert captured is not None
        if self._is_open(load):
            return None
        if row is not None:
            if not _holds(row, captured):
                return None
            # Another file of the same bytes is no unchanged file: if somebody deleted them in S3, they are made anew.
            other = unpack(row.stat).identity != unpack(captured.stat).identity
            if (other or row.flags & RETURNED) and not self.writer.still_has(load):
                return None
            return _unchanged(load.path, row, captured)
        source = self._sources.find(captured, load.size)
        return None if source is None else self.writer.move(load, *source)


def _holds(row: Row, captured: Captured) -> bool:
    """Whether S3 has these very bytes for a row's file, or had them until somebody deleted them there."""
    return (
        bool(row.etag)
        and bool(row.stat)
        and (not row.flags & Flag.REMOTE_GONE or row.stat == captured.stat)
        and row.sha256 == captured.sha256
        and unpack(row.stat).is_link == unpack(captured.stat).is_link
    )


def _unchanged(path: bytes, row: Row, captured: Captured) -> Outcome:
    """The row for a file whose bytes are in S3 already: no request, only the manifest takes a new mode or time."""
    before, after = unpack(row.stat), unpack(captured.stat)
    flags = row.flags & int(Flag.LATE | Flag.REMOTE_CHANGED | Flag.REMOTE_GONE)
    if captured.racy:
        flags |= int(Flag.RACY)
    if (before.mode, before.mtime_ns) != (after.mode, after.mtime_ns):
        flags |= int(Flag.LATE)
    return Outcome(path, row=row._replace(stat=captured.stat, flags=flags), settled=True)


def _waiting(put: Put) -> NotDurable:
    path, packed, _ = put.entry
    return NotDurable(shown(path), Why.WAITING, "Its turn has not come.", unpack(packed).size)
