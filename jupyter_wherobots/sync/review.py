"""What a person is shown and asked: changes made in S3 by others, deletions that wait, and the answers to both.

Nothing here touches home or S3; answers become flags in the journal, and the next pass acts on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..s3.listing import Object
from . import manifest
from .journal import Flag, Journal, Row
from .names import Landing, Names
from .status import Conflict, ConflictKind, shown


class RemoteView(NamedTuple):
    """What a listing showed: changes by others to files of ours, and how many objects are theirs alone."""

    conflicts: tuple[Conflict, ...]
    added: int


_TEXTS = {
    ConflictKind.UPDATED_REMOTELY: "It was changed in S3; that version comes at the next start, or is kept "
    "beside yours if you change yours before.",
    ConflictKind.DELETED_REMOTELY: "It was deleted in S3 and is unchanged here; it can be saved again.",
    ConflictKind.ADDED_REMOTELY: "It was added in S3; it comes at the next start.",
}


def review(journal: Journal, names: Names, objects: Iterable[Object]) -> RemoteView:
    """Compare a listing with the journal; remembers there what others changed or deleted."""
    there = {each.key: each.etag for each in objects}
    manifest.check(journal, there.get(names.prefix + manifest.NAME))
    rows: list[tuple[bytes, Row | None]] = []
    conflicts: list[Conflict] = []
    for path, row in journal.rows():
        etag = there.pop(row.key or names.key(path), None)
        if not row.etag or row.flags & Flag.PENDING or journal.intents(path):
            continue
        flags = row.flags & ~int(Flag.REMOTE_GONE | Flag.REMOTE_CHANGED)
        if etag is None:
            flags |= Flag.REMOTE_GONE
            conflicts.append(_conflict(path, ConflictKind.DELETED_REMOTELY))
        elif etag != row.etag:
            flags |= Flag.REMOTE_CHANGED
            conflicts.append(_conflict(path, ConflictKind.UPDATED_REMOTELY))
        if flags != row.flags:
            rows.append((path, row._replace(flags=int(flags))))
    journal.commit(rows)
    added = [key for key in there if isinstance(names.landing(key), Landing)]
    conflicts += [
        Conflict(
            key[len(names.prefix) :],
            ConflictKind.ADDED_REMOTELY,
            _TEXTS[ConflictKind.ADDED_REMOTELY],
        )
        for key in added
    ]
    return RemoteView(tuple(conflicts), len(added))


def _conflict(path: bytes, kind: ConflictKind) -> Conflict:
    return Conflict(shown(path), kind, _TEXTS[kind])


def standing(journal: Journal) -> list[Conflict]:
    """What is known to have been changed or deleted in S3 by others, as far as S3 was looked at."""
    found = []
    for path, row in journal.rows():
        if row.flags & Flag.REMOTE_GONE:
            found.append(_conflict(path, ConflictKind.DELETED_REMOTELY))
        elif row.flags & Flag.REMOTE_CHANGED:
            found.append(_conflict(path, ConflictKind.UPDATED_REMOTELY))
    return found


def save_again(journal: Journal, paths: Sequence[str] | None) -> int:
    """Let files that were deleted in S3 be created there anew: these (as `shown`), or all. Returns how many there are."""
    wanted = None if paths is None else set(paths)
    rows: list[tuple[bytes, Row | None]] = [
        # Without an ETag there is nothing of ours in S3, and without a stat the file is new.
        (path, row._replace(stat=b"", etag="", flags=0))
        for path, row in journal.rows()
        if row.flags & Flag.REMOTE_GONE and (wanted is None or shown(path) in wanted)
    ]
    journal.commit(rows)
    return len(rows)


def confirm_deletes(journal: Journal) -> int:
    """Let the deletions that wait now happen. Returns how many there are."""
    rows: list[tuple[bytes, Row | None]] = [
        (path, row._replace(flags=row.flags | Flag.CONFIRMED))
        for path, row in journal.rows()
        if row.flags & Flag.HELD
    ]
    journal.commit(rows)
    return len(rows)
