"""Files that changed places: what has to be overwritten first is kept under another name until all of them are saved.

S3 cannot exchange two objects. Between the put of ``a`` and that of ``b`` the old bytes of one of them would be nowhere, and a
machine that dies there takes the only other copy along. So S3 first copies them to a sibling (``a (earlier version …)``), an
ordinary file in an ordinary place: an instance that starts after such a death has it, and a person sees what it is. The journal
knows the sibling as a file that was moved away, so whatever happens to this process, it goes when nothing needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..errors import WherobotsError
from . import beneath
from .crew import Crew
from .failpoints import failpoint
from .ground import Ground, Tally
from .journal import Flag, Intent, Origin, Row
from .names import beside
from .patience import Patience
from .plan import Delete, Put
from .remote import kept_metadata
from .status import NotDurable, Why, shown
from .writing import Writer, dated


class _Kept(NamedTuple):
    """What became of one. ``error``: it could not be kept."""

    path: bytes
    kept_as: bytes = b""
    row: Row | None = None
    error: str = ""


class Asides:
    """Keeps versions for one pass. ``done`` with: what is to be deleted once everything is saved."""

    def __init__(self, ground: Ground, writer: Writer, tally: Tally) -> None:
        self._ground = ground
        self._journal = ground.journal
        self._names = ground.names
        self._remote = ground.remote
        self._patience = Patience(ground.governor, ground.clock, ground.halt)
        self._writer = writer
        self._tally = tally
        self.done: list[Delete] = []
        self.refused: set[bytes] = set()
        """Paths whose version could not be kept; it must not be overwritten."""

    def keep(self, puts: Sequence[Put]) -> None:
        """Keep the versions that these are about to overwrite. Returns at a halt too."""
        if not puts or not self._ground.may_replace():
            return
        self.refused |= {put.entry.path for put in puts}
        ground = self._ground
        crew: Crew[Put, _Kept] = Crew(puts, self._keep, ground.governor, ground.clock, ground.halt)
        crew.run(self._deliver)

    def _deliver(self, batch: list[_Kept]) -> None:
        rows = [(kept.kept_as, kept.row) for kept in batch if kept.row is not None]
        self._journal.commit(rows, settled=[path for path, _ in rows])
        self.done += [Delete(path, row) for path, row in rows]
        for kept in batch:
            if kept.error:
                waiting = NotDurable(shown(kept.path), Why.FAILED, kept.error)
                self._tally.not_durable[kept.path] = waiting
            else:
                self.refused.discard(kept.path)

    # -- in a crew's thread ------------------------------------------------------------------------

    def _keep(self, put: Put) -> _Kept:
        path, row = put.entry.path, put.row
        assert row is not None
        key = row.key or self._names.key(path)
        try:
            found = self._patience.with_request(lambda: self._remote.head(key))
            if found is None or found.etag != row.etag:
                return _Kept(path)  # it is not ours any more; the put finds out
            kept_as = self._free(path, dated("earlier version", found))
            sibling = self._names.key(kept_as)
            mark = self._journal.new_mark()
            described = kept_metadata(found.metadata, found.etag, mark)
            self._journal.begin([Intent(mark, kept_as, sibling)])
            if self._names.is_odd(kept_as):
                self._writer.write_name(kept_as)
            etag = self._patience.with_request(
                lambda: self._remote.copy(key, row.etag, sibling, None, described, found.size)
            )
        except WherobotsError as error:
            return _Kept(path, error=error.message)
        failpoint("asides.copied")
        gone = int(Flag.MOVED | Flag.ABSENT)
        return _Kept(path, kept_as, Row(row.stat, row.sha256, None, etag, Origin.COPIED, gone))

    def _free(self, path: bytes, note: str) -> bytes:
        """A name beside a path that nothing has."""
        kept_as, number = beside(path, note), 1
        while self._is_taken(kept_as):
            number += 1
            kept_as = beside(path, f"{note} {number}")
        return kept_as

    def _is_taken(self, path: bytes) -> bool:
        known = self._journal.get(path) is not None or bool(self._journal.intents(path))
        return known or not beneath.is_missing(self._ground.root, path)
