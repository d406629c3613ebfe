"""One write, until it is known what became of it.

What S3 answers to a write that does not hold is first taken for what it may be, an earlier try of our own whose answer was
lost (its mark is in the journal), and only then for somebody else's change, which is kept beside ours.

A thread that was left behind at a deadline may come back to life after a newer pass has put newer bytes: so whatever is decided
upon a look at S3 is dropped if the pass is over by then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timezone

from ..errors import Cancelled, NotFound, PreconditionFailed
from ..s3.objects import Head
from .capture import Captured, NotNowError
from .failpoints import failpoint
from .filestat import unpack
from .journal import Flag, Journal, Origin, Row
from .names import Names, beside
from .patience import Halt, Patience
from .remote import COPY_OF, MARK, SHA256, SYMLINK, TYPE, Remote, kept_metadata, metadata
from .status import ConflictKind, NotDurable, Why, shown

_ROUNDS = 6
"""A key that changes more often than this while it is put waits for the next pass."""

Conflict = tuple[bytes, str, str, "bytes | None"]
"""Path, kind, message, path of what was kept."""


@dataclass
class Outcome:
    """What became of one file. ``row`` is its new row (None leaves the old one), ``settled`` that no try is open.

    ``uploaded``: bytes that were sent, None if none had to be. ``moved_from``: where its bytes were copied from.
    """

    path: bytes
    row: Row | None = None
    settled: bool = False
    not_durable: NotDurable | None = None
    conflicts: list[Conflict] = field(default_factory=list)
    uploaded: int | None = None
    moved_from: bytes | None = None
    vanished: bool = False


@dataclass
class Load:
    """One file on its way. ``captured`` is None until a large file was read to its end; ``sent`` once a request went out.

    ``tries``: the SHA-256 of what went out under ``mark``, where that is read anew for each try and may have changed.
    """

    path: bytes
    row: Row | None
    mark: str
    key: str
    size: int = 0
    captured: Captured | None = None
    sent: bool = False
    tries: set[bytes] = field(default_factory=set)


class Writer:
    """Writes for one pass; used by all its threads. ``may_replace``: whether this instance may overwrite, when it is asked."""

    def __init__(
        self,
        journal: Journal,
        names: Names,
        remote: Remote,
        patience: Patience,
        halt: Halt,
        may_replace: Callable[[], bool],
    ) -> None:
        self._journal = journal
        self._names = names
        self._remote = remote
        self._patience = patience
        self._halt = halt
        self._may_replace = may_replace

    def write(self, load: Load, send: Callable[[str | None], str]) -> Outcome:
        """Put what ``send`` sends (given the ETag that must be there, None for nothing) over what is ours.

        Raises NotNowError, Cancelled and what S3 answers.
        """
        path, row = load.path, load.row
        outcome = Outcome(path, settled=True)
        base = row.etag if row is not None and not row.flags & Flag.REMOTE_GONE else ""
        if load.key == self._names.odd_key(path):
            self.write_name(path)
        for _ in range(_ROUNDS):
            self._allow(base)
            try:
                etag = self._send(load, send, base or None)
                outcome.uploaded = load.size
            except (PreconditionFailed, NotFound):
                found = self._look(load.key)
                if found is None:
                    base = ""  # deleted there meanwhile; ours is a change, so it is created anew
                    continue
                ours = self._if_ours(load, found)
                if ours is None:
                    self._allow(found.etag)
                    if found.etag != base and not self._is_earlier_try(path, found):
                        outcome.conflicts.append(self._keep_both(load, found))
                    base = found.etag
                    continue
                outcome.row = self._row(load, ours, Origin.PUT)
                if found.metadata.get(MARK) != load.mark:
                    # The bytes are the same; mode and time may be another's.
                    flags = outcome.row.flags | int(Flag.LATE)
                    outcome.row = outcome.row._replace(flags=flags)
                return outcome
            outcome.row = self._row(load, etag, Origin.PUT)
            return outcome
        message = "It keeps being changed in S3 while it is saved."
        waiting = NotDurable(shown(path), Why.FAILED, message, load.size)
        return Outcome(path, not_durable=waiting, conflicts=outcome.conflicts)

    def _allow(self, base: str) -> None:
        if base and not self._may_replace():
            message = "Another instance of yours is running; this one only adds files."
            raise NotNowError(Why.ANOTHER_INSTANCE, message)

    def _send(self, load: Load, send: Callable[[str | None], str], base: str | None) -> str:
        def request() -> str:
            load.sent = True
            return send(base)

        return self._patience.with_request(request)

    def _row(self, load: Load, etag: str, origin: Origin) -> Row:
        assert load.captured is not None
        key = None if load.key == self._names.key(load.path) else load.key
        captured = load.captured
        flags = int(Flag.RACY) if captured.racy else 0
        return Row(captured.stat, captured.sha256, key, etag, origin, flags)

    # -- moves ----------------------------------------------------------------------------------------

    def move(self, load: Load, source: bytes, source_row: Row) -> Outcome | None:
        """Have S3 copy the bytes from where they were before; None if that cannot be done, and they have to be put."""
        assert load.captured is not None
        described = metadata(load.mark, unpack(load.captured.stat), load.captured.sha256)
        source_key = source_row.key or self._names.key(source)
        if load.key == self._names.odd_key(load.path):
            self.write_name(load.path)

        def copy(base: str | None) -> str:
            return self._remote.copy(
                source_key, source_row.etag, load.key, base, described, load.size, self._halt
            )

        load.tries.add(load.captured.sha256)
        try:
            etag = self._send(load, copy, None)
        except (PreconditionFailed, NotFound):
            return None
        row = self._row(load, etag, Origin.COPIED)
        return Outcome(load.path, row=row, settled=True, moved_from=source)

    # -- looking --------------------------------------------------------------------------------------

    def still_has(self, load: Load) -> bool:
        """Whether S3 still has the version that is ours."""
        found = self._look(load.key)
        return found is not None and load.row is not None and found.etag == load.row.etag

    def _look(self, key: str) -> Head | None:
        found = self._patience.with_request(lambda: self._remote.head(key))
        self._check()
        return found

    def _check(self) -> None:
        if self._halt.is_set():
            raise Cancelled("The pass is over.")

    def _is_earlier_try(self, path: bytes, found: Head) -> bool:
        return found.metadata.get(MARK, "") in self._journal.intents(path)

    def _if_ours(self, load: Load, found: Head) -> str | None:
        """The ETag of what is there, if that is what was to be put: by a try of ours, or the same bytes by chance."""
        if load.captured is None:
            return None
        if found.metadata.get(MARK) == load.mark and load.tries <= {load.captured.sha256}:
            return found.etag
        if found.size != load.size:
            return None
        if (found.metadata.get(TYPE) == SYMLINK) != unpack(load.captured.stat).is_link:
            return None
        sha256 = load.captured.sha256
        known = found.metadata.get(SHA256)
        if known not in (None, sha256.hex()):
            return None
        if known and self._is_earlier_try(load.path, found):
            return found.etag
        # A large file has no checksum beside its bytes, nor what other tools put, so the bytes themselves are compared.
        held = self._patience.with_request(lambda: self._remote.holds(load.key, found.etag, sha256))
        self._check()
        return found.etag if held else None

    # -- keeping both -----------------------------------------------------------------------------------

    def _keep_both(self, load: Load, found: Head) -> Conflict:
        """Copy somebody else's version to a sibling; only then may ours take its place."""
        kept_as = self._keep(load.path, load.key, found)
        failpoint("writing.kept-both")
        message = f"It was changed in S3 too: that version is kept as {shown(kept_as)}."
        return load.path, ConflictKind.CHANGED_REMOTELY.value, message, kept_as

    def keep_version(self, load: Load, what: str, kind: ConflictKind) -> Conflict | None:
        """Copy the version that is ours to a sibling, before it is replaced; None if it is not there any more."""
        found = self._look(load.key)
        if found is None or load.row is None or found.etag != load.row.etag:
            return None
        kept_as = self._keep(load.path, load.key, found, what)
        message = f"It stays no valid notebook: the last valid version is kept as {shown(kept_as)}."
        return load.path, kind.value, message, kept_as

    def _keep(self, path: bytes, key: str, found: Head, what: str = "S3 version") -> bytes:
        named = dated(what, found)
        copy_of = found.etag.strip('"')
        described = kept_metadata(found.metadata, found.etag)
        for number in range(1, 1000):
            note = named if number == 1 else f"{named} {number}"
            kept_as = beside(path, note)
            sibling = self._names.key(kept_as)
            if self._names.is_odd(kept_as):
                self.write_name(kept_as)
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
                self._check()
                return kept_as
        raise PreconditionFailed(f"There are too many versions of {shown(path)}.")

    def write_name(self, path: bytes) -> None:
        """Put the small object that holds a name S3 cannot."""
        self._patience.with_request(lambda: self._remote.put_name(self._names.name_key(path), path))


def dated(what: str, found: Head) -> str:
    """What a kept version is called beside its file: what it is, and when it was put, in UTC."""
    return f"{what} {found.last_modified.astimezone(timezone.utc):%Y-%m-%d %H.%M.%S}"
