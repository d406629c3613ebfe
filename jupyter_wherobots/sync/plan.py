"""What is to be done, from what a scan found and what the journal knows. Pure: no I/O, no clock.

The order is that of value: the grace at stop may be a second, so notebooks come first, the newest of them before all.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import NamedTuple

from .journal import Flag, Journal, Row
from .scan import Entry, Scan, unpack
from .status import NotDurable, Why, shown

SMALL = 1024 * 1024


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


@dataclass
class Plan:
    """What one pass is to do. ``puts`` in their order; ``rows`` is what the journal is to be told without any request."""

    puts: list[Put] = field(default_factory=list)
    rows: list[tuple[bytes, Row | None]] = field(default_factory=list)
    not_durable: list[NotDurable] = field(default_factory=list)


def plan(scan: Scan, journal: Journal) -> Plan:
    """The plan for what a scan found."""
    made = Plan()
    ranked: list[tuple[int, int, Put]] = []
    for entry in scan.changed:
        row = journal.get(entry.path)
        stat = unpack(entry.stat)
        if row is not None and row.flags & Flag.PENDING:
            if row.stat != entry.stat:
                made.not_durable.append(
                    NotDurable(
                        shown(entry.path),
                        Why.NOT_RESTORED,
                        "Its version in S3 has not been restored yet.",
                        stat.size,
                    )
                )
            continue
        rank = value(entry.path, stat.size)
        # Large files by size, all others newest first.
        order = stat.size if rank is Value.LARGE else -stat.mtime_ns
        ranked.append((rank, order, Put(entry, row)))
    ranked.sort(key=lambda each: each[:2])
    made.puts = [put for _, _, put in ranked]
    made.rows += _seen(scan, journal)
    return made


def _seen(scan: Scan, journal: Journal) -> list[tuple[bytes, Row | None]]:
    """Rows that are in home as the journal has them: recorded as seen, and not absent any more."""
    found: list[tuple[bytes, Row | None]] = []
    gone = int(Flag.UNSEEN | Flag.ABSENT | Flag.MOVED | Flag.CONFIRMED)
    for path in scan.seen:
        row = journal.get(path)
        if row is not None and row.flags & gone:
            found.append((path, row._replace(flags=row.flags & ~gone)))
    return found
