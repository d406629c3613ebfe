"""What is to be done, from what a scan found and what the journal knows. Pure: no I/O, no clock.

The order is that of value: the grace at stop may be a second, so notebooks come first, the newest of them before all.

A path is deleted in S3 only if a complete scan had seen it, two later ones found it gone, and no breaker holds it back: a
home in which no mirrored file is left deletes nothing, and more than `MANY` keys, or more than half of them, wait for a
person's word. Errors are no absence (`scan`), moves are no loss, and what was not restored or is not ours any more is
never a candidate.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .filestat import unpack
from .journal import Flag, Journal, Row
from .scan import Entry, Scan
from .status import NotDurable, PendingDeletes, Why, shown

SMALL = 1024 * 1024
FEW = 20
"""So many deletions never wait, unless they are all."""
MANY = 1000
"""More deletions than this always wait for a person's word."""
RETURNED = int(Flag.ABSENT | Flag.BACK)
"""Of a file that is there: it was gone for a while."""
_EXAMPLES = 20


class Value(enum.IntEnum):
    """How soon a file is saved and restored."""

    NOTEBOOK = 0
    SMALL = 1
    LARGE = 2
    REPRODUCIBLE = 3
    """Can be made again by a command: environments, installed packages, checkpoints."""


_REPRODUCIBLE = frozenset(
    (
        b".venv",
        b"venv",
        b"node_modules",
        b"site-packages",
        b".ipynb_checkpoints",
        b".conda",
        b".npm",
    )
)


def value(path: bytes, size: int) -> Value:
    """How soon a file is saved and restored."""
    if not _REPRODUCIBLE.isdisjoint(path.split(b"/")[:-1]):
        return Value.REPRODUCIBLE
    if path.endswith(b".ipynb"):
        return Value.NOTEBOOK
    return Value.SMALL if size < SMALL else Value.LARGE


class Put(NamedTuple):
    """A file or link to be captured and, if its bytes differ from what S3 holds, put."""

    entry: Entry
    row: Row | None

    @property
    def is_doubt(self) -> bool:
        """Whether it is as it was put, as far as its stat tells, and only to be read once more to be sure."""
        row = self.row
        return row is not None and row.stat == self.entry.stat and not row.flags & RETURNED


class Delete(NamedTuple):
    """A path that is gone for certain, to be deleted in S3."""

    path: bytes
    row: Row


@dataclass
class Plan:
    """What one pass is to do. ``puts`` in their order; ``rows`` is what the journal is to be told without any request.

    ``gone``: rows whose file is missing but whose object is ours, the sources of moves.
    """

    puts: list[Put] = field(default_factory=list)
    deletes: list[Delete] = field(default_factory=list)
    gone: dict[bytes, Row] = field(default_factory=dict)
    rows: list[tuple[bytes, Row | None]] = field(default_factory=list)
    not_durable: dict[bytes, NotDurable] = field(default_factory=dict)
    held: PendingDeletes = field(default_factory=PendingDeletes)

    @property
    def gone_once(self) -> bool:
        """Whether files are gone for the first time: only a second look lets them be deleted in S3."""
        rows = dict(self.rows).values()
        return any(
            row is not None and row.flags & Flag.ABSENT and not row.flags & Flag.HELD
            for row in rows
        )


@dataclass(frozen=True)
class Waves:
    """The order of puts. ``waits``: the path that each put waits for. ``circles``: one put of each circle, to go first."""

    waves: list[list[Put]]
    waits: dict[bytes, bytes]
    circles: list[Put]


def in_waves(puts: Sequence[Put]) -> Waves:
    """The puts in waves, so that no version in S3 is overwritten before it is safe under the name its file has now.

    ``mv report report.old`` and a new ``report``: ``report.old`` has to be in S3 first, for a machine that dies between the two
    takes the only other copy along. Files that changed places wait for each other in vain; then one of them goes
    first, and its version in S3 has to be kept (`asides`) until the others are saved.
    """
    by_path = {put.entry.path: put for put in puts}
    now_at = {unpack(put.entry.stat).identity: put.entry.path for put in puts}
    waits: dict[bytes, bytes] = {}
    for put in puts:
        row = put.row
        if row is None or not row.stat or not row.etag or row.flags & Flag.REMOTE_GONE:
            continue
        identity = unpack(row.stat).identity
        if unpack(put.entry.stat).identity == identity:
            continue  # it is where it was, whatever other names it has
        path = now_at.get(identity)
        if path is not None:
            waits[put.entry.path] = path
    if not waits:
        return Waves([list(puts)], waits, [])
    circles: list[Put] = []
    depths: dict[bytes, int] = {}
    for path in list(waits):
        chain = _chain(path, waits)
        if (after := waits.get(chain[-1])) is not None:
            circle = [by_path[each] for each in chain[chain.index(after) :]]
            edited = [put for put in circle if _was_edited(put, by_path[waits[put.entry.path]])]
            circles += [] if edited else circle[-1:]
            del waits[(edited or circle)[-1].entry.path]
            chain = _chain(path, waits)
        for depth, each in enumerate(reversed(chain)):
            depths[each] = max(depth, depths.get(each, 0))
    waves: list[list[Put]] = [[] for _ in range(max(depths.values()) + 1)]
    for put in puts:
        waves[depths.get(put.entry.path, 0)].append(put)
    return Waves([wave for wave in waves if wave], waits, circles)


def _chain(path: bytes, waits: Mapping[bytes, bytes]) -> list[bytes]:
    """A path, the one it waits for, and so on; in a circle each once."""
    chain = [path]
    seen = {path}
    while (after := waits.get(chain[-1])) is not None and after not in seen:
        chain.append(after)
        seen.add(after)
    return chain


def _was_edited(put: Put, moved: Put) -> bool:
    """Whether the file that was put under one name is another by now, so that its old version has nothing to come back for.

    An inode is used again as soon as it is free: saves that replace files look like moves, too.
    """
    assert put.row is not None
    then, now = unpack(put.row.stat), unpack(moved.entry.stat)
    return (then.size, then.mtime_ns) != (now.size, now.mtime_ns)


def plan(scan: Scan, journal: Journal, *, judging: bool = True) -> Plan:
    """The plan for what a scan found. ``judging``: absences count; else they only are the sources of moves."""
    made = Plan(not_durable=dict(scan.unreadable))
    _plan_puts(made, scan, journal)
    _plan_sightings(made, scan, journal)
    if judging:
        _plan_absences(made, scan, journal)
    else:
        rows = ((path, journal.get(path)) for path in scan.missing)
        made.gone = {path: row for path, row in rows if row is not None and _is_source(row)}
    return made


def _is_source(row: Row) -> bool:
    """Whether a missing file's object may be what a new file was moved from."""
    lost = Flag.PENDING | Flag.REMOTE_GONE | Flag.REMOTE_CHANGED
    return bool(row.etag) and bool(row.stat) and not row.flags & lost


def _plan_puts(made: Plan, scan: Scan, journal: Journal) -> None:
    ranked: list[tuple[int, int, Put]] = []
    for entry in scan.changed:
        row = journal.get(entry.path)
        stat = unpack(entry.stat)
        if row is not None and row.flags & Flag.PENDING:
            if row.stat != entry.stat:
                message = "Its version in S3 has not been restored yet."
                waiting = NotDurable(shown(entry.path), Why.NOT_RESTORED, message, stat.size)
                made.not_durable[entry.path] = waiting
            continue
        rank = value(entry.path, stat.size)
        # Large files by size, all others newest first.
        order = stat.size if rank is Value.LARGE else -stat.mtime_ns
        ranked.append((rank, order, Put(entry, row)))
    ranked.sort(key=lambda each: (each[2].is_doubt, *each[:2]))
    made.puts = [put for _, _, put in ranked]


def _plan_sightings(made: Plan, scan: Scan, journal: Journal) -> None:
    """What was gone and is there is recorded as back, whether or not it can be saved now: its absence begins anew.

    Rows that are in home as the journal has them are recorded as seen, too; what a rule hides has to be seen anew.
    """
    gone = int(Flag.ABSENT | Flag.MOVED | Flag.HELD | Flag.CONFIRMED)
    there = [(entry.path, gone) for entry in scan.changed]
    there += [(path, gone | int(Flag.UNSEEN)) for path in scan.seen]
    for path, over in there:
        row = journal.get(path)
        if row is not None and row.flags & over and not row.flags & Flag.PENDING:
            back = int(Flag.BACK) if row.flags & Flag.ABSENT else 0
            made.rows.append((path, row._replace(flags=row.flags & ~over | back)))
    for path in scan.hidden:
        row = journal.get(path)
        if row is not None and not row.flags & (Flag.UNSEEN | Flag.PENDING):
            flags = row.flags & ~gone | Flag.UNSEEN
            made.rows.append((path, row._replace(flags=int(flags))))


def _plan_absences(made: Plan, scan: Scan, journal: Journal) -> None:
    waiting: list[tuple[bytes, Row]] = []
    arrived = {_content(entry.stat) for entry in scan.changed}
    for path in scan.missing:
        row = journal.get(path)
        if row is None or row.flags & Flag.PENDING:
            continue
        if not row.etag or row.flags & (Flag.REMOTE_GONE | Flag.REMOTE_CHANGED):
            made.rows.append((path, None))  # nothing of ours is there any more
            continue
        if _is_source(row):
            made.gone[path] = row
        if row.flags & Flag.UNSEEN:
            continue
        moving = bool(row.stat) and _content(row.stat) in arrived
        if moving or row.flags & (Flag.MOVED | Flag.CONFIRMED):
            if row.flags & Flag.ABSENT:
                made.deletes.append(Delete(path, row))
        else:
            waiting.append((path, row))
        if not row.flags & Flag.ABSENT:
            made.rows.append((path, row._replace(flags=row.flags | Flag.ABSENT)))
    _break(made, waiting, len(journal), scan)


def _content(packed: bytes) -> tuple[tuple[int, int], int, int]:
    """What a file keeps when it is moved, and loses when it is edited."""
    stat = unpack(packed)
    return stat.identity, stat.size, stat.mtime_ns


def _break(made: Plan, waiting: list[tuple[bytes, Row]], known: int, scan: Scan) -> None:
    """Let the deletions through that nobody has to confirm, or hold them."""
    fresh = [(path, row) for path, row in waiting if not row.flags & Flag.HELD]
    held = [(path, row) for path, row in waiting if row.flags & Flag.HELD]
    emptied = bool(waiting) and len(scan.missing) + len(scan.hidden) >= known
    if emptied or len(fresh) > MANY or len(fresh) > max(FEW, known // 2):
        flags = dict(made.rows)
        for path, row in fresh:
            current = flags.pop(path, None) or row
            made.rows.append((path, current._replace(flags=current.flags | Flag.HELD)))
        held += fresh
        fresh = []
    made.deletes += [Delete(path, row) for path, row in fresh if row.flags & Flag.ABSENT]
    if held:
        made.held = PendingDeletes(
            len(held),
            tuple(sorted(shown(path) for path, _ in held)[:_EXAMPLES]),
            "No mirrored file is left in home."
            if emptied
            else f"{len(held)} of {known} files are gone from home.",
        )
