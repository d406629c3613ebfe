"""One pass: scan, plan, put, delete, manifest.

Three kinds: a full one judges absences; one upon a hint scans as much but judges none (two within a second prove nothing); one
of some folders looks only there, for homes so large that a scan takes its time.
"""

from __future__ import annotations

import enum
import hashlib
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from ..errors import AccessDenied, NotFound, StorageFailed, Unreachable, WherobotsError
from . import manifest
from .asides import Asides
from .capture import WHOLE
from .checkout import RepositoryPusher
from .clock import Deadline
from .crew import Alone
from .engine import Engine, as_conflicts
from .failpoints import failpoint
from .filestat import unpack
from .ground import Ground, Tally
from .journal import Journal
from .patience import Halt
from .plan import SMALL, Delete, Plan, Put, in_waves, plan
from .push import Pusher
from .remote import Remote
from .removal import Remover, unrisky
from .repository import git_folder, split
from .scan import Scan
from .status import MAX_NAMED, NotDurable, PassReport, PendingDeletes, Why, shown

_SCOUTS = 32
"""About so many files, up to twice as many, find out whether S3 works."""
_LOOKS = 2
"""So often does the last pass look once more while folders are moved before its eyes: nobody will later."""
_MANIFEST_PAUSE = 10.0, 600.0
"""Seconds between two manifests, at least and at most, while nobody asks for a pass."""
_MANIFEST_RATE = 2048
"""Bytes of manifests in a second, in between."""


class Kind(enum.Enum):
    """What a pass looks at and judges."""

    FULL = "full"
    HINTED = "hinted"
    FOLDERS = "folders"


@dataclass(frozen=True)
class Order:
    """What one pass is to be. ``folders`` for `Kind.FOLDERS`; ``asked``: somebody waits for it; ``last``: no other follows.

    ``gives_way``: it is not worth making if the last one was asked for before its turn came.
    """

    kind: Kind = Kind.FULL
    folders: Collection[bytes] = ()
    asked: bool = False
    last: bool = False
    gives_way: bool = False


class Passes:
    """Runs the passes of one engine, one at a time, and remembers what the next one and the status need."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.unsaved: dict[bytes, NotDurable] = {}
        """What was not durable when the last pass ended."""
        self.held = PendingDeletes()
        self.gone_once = False
        """That of the last full pass."""
        self.scan_seconds = 0.0
        """How long the last scan of all of home took."""
        self.folders: Collection[bytes] = ()
        """The folders of home that are mirrored."""
        self._failed: dict[bytes, bool] = {}
        """Files that failed when they were tried last, the latest at the end, and whether that is known to be about them,
        and not about S3: those go last, or some of them might end every pass."""
        self._queued: set[bytes] | None = None
        """The files that the pass under way is to send and has not saved yet; None if none is under way."""
        self._essence: object = None
        self._manifest: manifest.Manifest | None = None
        self._manifest_from: float | None = None
        """The moment from which on the next manifest may be put without anybody asking."""

    def run(
        self,
        order: Order,
        stop: threading.Event,
        deadline: Deadline,
        told: Callable[[Tally], None],
        beside: Callable[[], None] | None = None,
    ) -> PassReport:
        """One pass. Raises WherobotsError only if nothing could be done at all.

        ``beside`` is called now and then while it sends files, and may run another one, of some folders: what is saved in an
        editor must not wait until hours of uploads are over.
        """
        around = self._queued
        try:
            return self._run(order, Halt(stop, deadline), told, beside)
        finally:
            self._queued = around

    def _run(
        self,
        order: Order,
        halt: Halt,
        told: Callable[[Tally], None],
        beside: Callable[[], None] | None,
    ) -> PassReport:
        engine = self._engine
        began = engine.clock.monotonic()
        scan = self._scan(order, halt)
        failpoint("pass.scanned")
        made = plan(scan, engine.journal, judging=order.kind is Kind.FULL and not scan.stopped)
        engine.journal.commit(made.rows)
        failpoint("pass.planned")
        tally = Tally()
        error, owed = None, False
        try:
            self._carry_out(order, made, halt, tally, lambda: told(tally), beside)
            if order.kind is not Kind.FOLDERS and not halt.is_set():
                owed = not self._write_manifest(order, scan, halt)
        except WherobotsError as failure:
            error = failure.message
        if halt.trouble is not None:
            error = halt.trouble.message
        elif scan.stopped:
            error = error or "The scan of home was not finished."
        self._remember(order, scan, made, tally, halt)
        missing = list(self.unsaved.values())
        return PassReport(
            complete=not missing and not error and not owed and engine.restored,
            files=scan.files,
            uploaded=tally.uploaded,
            uploaded_bytes=tally.uploaded_bytes,
            copied=tally.copied,
            deleted=tally.deleted,
            seconds=engine.clock.monotonic() - began,
            not_durable_count=len(missing),
            not_durable=tuple(missing[:MAX_NAMED]),
            skipped=tuple(scan.skipped[:MAX_NAMED]),
            conflicts=as_conflicts(tally.conflicts),
            pending_deletes=self.held,
            notes=(*engine.notes, *engine.unrestored, *scan.notes),
            error=error,
        )

    def unsent(self, halt: Halt) -> list[NotDurable]:
        """All that is mirrored of a home that is not to be saved before S3 was listed, the most valuable first; sends nothing.

        Raises WherobotsError if home cannot be looked at.
        """
        made = plan(self._scan(Order(), halt), self._engine.journal, judging=False)
        message = "S3 could never be listed, so nothing was saved."
        found = [
            NotDurable(shown(path), Why.FAILED, message, unpack(stat).size)
            for path, stat, _ in (put.entry for put in made.puts)
        ]
        return [*found, *made.not_durable.values()]

    def _scan(self, order: Order, halt: Halt) -> Scan:
        engine = self._engine
        engine.check_in_place()
        began = engine.clock.monotonic()
        scanner = engine.scanner(halt)
        some = order.kind is Kind.FOLDERS
        scan = (
            scanner.scan(order.folders, deep=True, known=self.folders) if some else scanner.scan()
        )
        for _ in range(_LOOKS if order.last and not some else 0):
            if scan.stopped or not scan.moved:
                break
            scan = scanner.scan()
        if b"" in scan.unread:
            at_home = scan.unreadable.get(b"/")
            raise StorageFailed(
                f"{engine.home}: {at_home.message if at_home else 'It cannot be read.'}"
            )
        if some:
            return scan
        self.scan_seconds = engine.clock.monotonic() - began
        if not scan.stopped:
            self.folders = scan.folders.keys()
        return scan

    def _remember(self, order: Order, scan: Scan, made: Plan, tally: Tally, halt: Halt) -> None:
        self._remember_failures(order, made, tally, halt)
        # A scan that was cut short says nothing of what it has not reached.
        if order.kind is not Kind.FOLDERS and not scan.stopped:
            self.unsaved = {}
        else:
            for put in made.puts:
                self.unsaved.pop(put.entry.path, None)
            for folder in scan.folders:
                self.unsaved.pop(folder + b"/", None)  # it could be read
        self.unsaved.update(made.not_durable)
        self.unsaved.update(tally.not_durable)
        if order.kind is Kind.FULL and not scan.stopped:
            self.held = made.held
            self.gone_once = made.gone_once

    def _remember_failures(self, order: Order, made: Plan, tally: Tally, halt: Halt) -> None:
        """Judge what failed: an outage strikes what is tried first, and must not cost it its place."""
        before = self._failed
        failed = {path: None for path, each in tally.not_durable.items() if each.why is Why.FAILED}
        again = bool(tally.uploaded or tally.copied) and any(path in before for path in failed)
        if again:
            # S3 works, and these fail as before. If they ended the pass, the others had no turn and may be like them.
            ended = isinstance(halt.error, Unreachable)
            before = {path: sure or ended or path in failed for path, sure in before.items()}
        denied = isinstance(halt.error, AccessDenied)
        planned = {put.entry.path for put in made.puts}
        whole = order.kind is Kind.FULL and not halt.is_set()

        def waits(path: bytes) -> bool:
            return path in tally.not_durable if path in planned else not whole

        later = {path: denied or before.get(path, False) for path in failed}
        earlier = {path: sure for path, sure in before.items() if path not in later and waits(path)}
        self._failed = {**earlier, **later}

    # -- carrying out -----------------------------------------------------------------------------------

    def _carry_out(
        self,
        order: Order,
        made: Plan,
        halt: Halt,
        tally: Tally,
        told: Callable[[], None],
        beside: Callable[[], None] | None,
    ) -> None:
        """Send what the plan says; asks S3 nothing if that is nothing."""
        engine = self._engine
        planned = {put.entry.path for put in made.puts}
        loose = [each for each in engine.journal.all_intents() if each.path not in planned]
        if order.kind is Kind.FOLDERS:
            loose = []  # some of them may be files that this pass has not looked at
        if not (made.puts or loose or made.deletes):
            return
        for put in made.puts:
            if not put.is_doubt:
                tally.expect(put.entry)
        told()
        due = self._due(made.puts) if order.kind is not Kind.FULL and not order.last else made.puts
        tally.queued = {put.entry.path for put in due}
        self._queued = tally.queued
        ground = self._ground(order, halt, beside)
        _, repositories = split(due)
        # Whatever is not sent now may be what another put has to wait for.
        everything, _ = split(made.puts)
        ordered = in_waves(everything)
        waits = ordered.waits
        displaced = {
            put.entry.path: put.row for put in everything if put.row and put.entry.path in waits
        }
        pusher = Pusher(ground, {**displaced, **made.gone}, tally, told)
        sent = {put.entry.path for put in due}
        asides = Asides(ground, pusher.writer, tally)
        asides.keep([put for put in ordered.circles if put.entry.path in sent])

        last = [path for path, sure in self._failed.items() if sure]
        turn = {path: number for number, path in enumerate(last)}

        def push(paths: Collection[bytes]) -> None:
            for wave in ordered.waves:
                mine = [put for put in wave if put.entry.path in paths]
                mine.sort(key=lambda put: turn.get(put.entry.path, 0))
                pusher.push([put for put in mine if not _has_to_wait(put, waits, tally)])

        sent -= asides.refused
        if not order.last:
            free = sent - waits.keys()
            scouts = self._scouts(put for put in everything if put.entry.path in free)
            pusher.push(scouts)
            sent -= {put.entry.path for put in scouts}
        push(sent - turn.keys())
        scanner = engine.scanner(halt)
        for heads in repositories:
            RepositoryPusher(ground, scanner, pusher, heads.folder).push(heads.puts)
        failpoint("pass.pushed")
        if halt.is_set():
            return
        remover = Remover(ground, tally)
        remover.settle(loose)
        deletes = made.deletes if engine.may_delete(ground.remote) else []
        deletes = [each for each in deletes if not _was_put(each, engine.journal)]
        remover.remove(unrisky([*deletes, *asides.done], tally.unsaved), told)
        failpoint("pass.removed")
        push(sent & turn.keys())

    def _scouts(self, puts: Iterable[Put]) -> list[Put]:
        """Some small files that go first while it is in doubt whether failures were about S3 or about the files that failed.

        Every n-th, the least valuable first: the like of what failed may fail, too. Where none is small, the smallest.
        """
        if False not in self._failed.values():
            return []
        others = [put for put in puts if put.entry.path not in self._failed]
        small = [put for put in others if unpack(put.entry.stat).size <= SMALL]
        step = max(1, len(small) // _SCOUTS)
        return small[::-step] or sorted(others, key=lambda put: unpack(put.entry.stat).size)[:1]

    def _due(self, puts: list[Put]) -> list[Put]:
        """What is sent upon a mere hint: not what was sent just now, and nothing large, which the full passes are for."""
        now = self._engine.clock.monotonic()
        rested = self._engine.memory.rested
        return [
            put
            for put in puts
            if unpack(put.entry.stat).size <= WHOLE
            and rested(put.entry.path, now)
            and not self._is_queued(put.entry.path)
        ]

    def _is_queued(self, path: bytes) -> bool:
        """Whether a file is left to the pass around this one: two must not send one, and a repository goes as a whole."""
        around = self._queued
        return around is not None and (path in around or git_folder(path) is not None)

    def _ground(self, order: Order, halt: Halt, beside: Callable[[], None] | None = None) -> Ground:
        engine = self._engine
        return Ground(
            engine.root,
            engine.state / "hot",
            engine.journal,
            engine.names,
            engine.remote(halt),
            engine.governor,
            engine.clock,
            halt,
            engine.memory,
            engine.stamp,
            may_replace=engine.may_replace,
            uploading=engine.uploading,
            judging=order.kind is Kind.FULL,
            last=order.last,
            beside=beside,
        )

    # -- the manifest -----------------------------------------------------------------------------------

    def _write_manifest(self, order: Order, scan: Scan, halt: Halt) -> bool:
        """Put the manifest if it says something new; False if it has to wait because one was put just now."""
        engine = self._engine
        made = manifest.compose(scan, engine.journal, self._said_before(scan, halt))
        known = engine.journal.meta(manifest.KNOWN)
        is_there = known or made == manifest.Manifest()
        if not engine.restored or (is_there and made.essence == self._essence):
            return True
        now = engine.clock.monotonic()
        early = self._manifest_from is not None and now < self._manifest_from
        if early and not (order.asked or order.last):
            return False
        digest = hashlib.sha256(repr(made.essence).encode()).hexdigest()
        if digest != known and (known or made != manifest.Manifest()):
            remote: Remote = engine.remote(halt)
            if not engine.may_replace():
                return True
            key = engine.names.prefix + manifest.NAME
            base = engine.journal.meta(manifest.ETAG) or None
            body = manifest.packed(made)
            put = Alone(lambda: remote.replace_own(key, body, base), "wherobots-manifest")
            etag = put.wait(halt, engine.clock)
            failpoint("pass.manifest-put")
            engine.journal.set_meta(**{manifest.KNOWN: digest, manifest.ETAG: etag})
            least, most = _MANIFEST_PAUSE
            self._manifest_from = now + min(most, max(least, len(body) / _MANIFEST_RATE))
        self._essence, self._manifest = made.essence, made
        return True

    def _said_before(self, scan: Scan, halt: Halt) -> manifest.Manifest:
        """What the last manifest said; S3 is asked only if that matters and nobody knows."""
        engine = self._engine
        self._manifest = self._manifest or engine.manifest
        if self._manifest is None and scan.unread:
            remote, key = engine.remote(halt), engine.names.prefix + manifest.NAME
            reading = Alone(lambda: _read(remote, key), "wherobots-manifest")
            self._manifest = reading.wait(halt, engine.clock)
        return self._manifest or manifest.Manifest()


def _read(remote: Remote, key: str) -> manifest.Manifest:
    """The manifest in S3."""
    try:
        with remote.get(key) as body:
            return manifest.parsed(body.read())
    except NotFound:
        return manifest.Manifest()


def _was_put(delete: Delete, journal: Journal) -> bool:
    """Whether S3 has another version by now than the one that was to be deleted: that of a branch may."""
    row = journal.get(delete.path)
    return row is not None and row.etag != delete.row.etag


def _has_to_wait(put: Put, waits: Mapping[bytes, bytes], tally: Tally) -> bool:
    """Whether the version a put would overwrite is not safe yet under the name its file has now."""
    path = put.entry.path
    other = waits.get(path)
    if other is None or other not in tally.unsaved:
        return False
    message = f"Its earlier version is {shown(other)} now, which has to be saved first."
    tally.not_durable[path] = NotDurable(shown(path), Why.WAITING, message)
    return True
