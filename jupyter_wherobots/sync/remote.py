"""The only room of the mirror that writes to S3: every put, copy and delete carries the version it is about.

Where the probe found that a store does not keep a condition, the version is compared just before the request
instead: a race of milliseconds remains there, and `Remote.notes` says so.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import stat as st
from collections.abc import Callable, Collection, Iterator, Mapping

from ..errors import NotFound, PreconditionFailed, Throttled, Unreachable, WherobotsError
from ..s3 import keys, listing, multipart, objects
from ..s3.client import S3, EtagForm, Stop
from ..s3.objects import Head
from ..s3.probe import Capabilities
from .capture import Steady
from .failpoints import failpoint
from .filestat import Stat

log = logging.getLogger(__name__)

MARK = "wherobots-mark"
SHA256 = "wherobots-sha256"
MTIME = "wherobots-mtime"
"""Nanoseconds since the epoch."""
MODE = "wherobots-mode"
"""Octal, without the type."""
TYPE = "wherobots-type"
SYMLINK = "symlink"
HOT = "wherobots-hot"
"""The bytes are a copy of a file that never rested, perhaps not of one instant."""
COPY_OF = "wherobots-copy-of"
"""On a version that was kept beside another: the ETag it had."""

_MOST_METADATA = 2048
"""Bytes that S3 takes of names and values together."""

FULL = Capabilities(True, True, True, True, True, True, EtagForm.QUOTED, ())
"""What S3 itself does."""


def metadata(mark: str, stat: Stat, sha256: bytes | None, *, hot: bool = False) -> dict[str, str]:
    """What travels with an object: all that is needed to restore the file, and whose write it was."""
    found = {
        MARK: mark,
        MTIME: str(stat.mtime_ns),
        MODE: format(st.S_IMODE(stat.mode), "o"),
    }
    if sha256 is not None:
        found[SHA256] = sha256.hex()
    if stat.is_link:
        found[TYPE] = SYMLINK
    if hot:
        found[HOT] = "1"
    return found


def kept_metadata(before: Mapping[str, str], etag: str, mark: str = "") -> dict[str, str]:
    """What travels with a copy of a version that is kept beside another: which it was, and what was said of it before.

    Anybody may have said that: what cannot be sent again, or has no room beside ours, is left out.
    """
    found = {COPY_OF: etag.strip('"'), MARK: mark}
    room = _MOST_METADATA - sum(len(name) + len(text) for name, text in found.items())
    ours = (SHA256, MTIME, MODE, TYPE, HOT)
    for name, text in sorted(before.items(), key=lambda said: said[0] not in ours):
        size = len(name) + len(text)
        if name not in found and size <= room and keys.is_metadata(name, text):
            found[name] = text
            room -= size
    return found if mark else {name: text for name, text in found.items() if name != MARK}


class Remote:
    """One prefix, through one `S3`. ``base`` is always the ETag that must be there, None for nothing.

    Whatever is not as ``base`` says is a PreconditionFailed, or a NotFound if nothing is there.
    """

    def __init__(self, s3: S3, capabilities: Capabilities = FULL) -> None:
        self.s3 = s3
        self.capabilities = capabilities

    def bounded(self, seconds: float) -> Remote:
        """The same with no request longer than that."""
        return Remote(self.s3.bounded(seconds), self.capabilities)

    # -- reading --------------------------------------------------------------------------------

    def head(self, key: str) -> Head | None:
        """What is there now; None for nothing. An error is never an absence: it is raised."""
        try:
            return objects.head(self.s3, key)
        except NotFound:
            return None

    def get(self, key: str, etag: str | None = None) -> objects.Body:
        """Begin to read an object, or only this version of it."""
        condition = keys.matches(etag) if etag else None
        return objects.get(self.s3, key, condition=condition)

    def walk(self, prefix: str) -> Iterator[listing.Object]:
        """All objects under a prefix, in key order."""
        return listing.walk(self.s3, prefix)

    def holds(self, key: str, etag: str, sha256: bytes) -> bool:
        """Whether this version has these bytes; reads them to be sure."""
        digest = hashlib.sha256()
        try:
            with self.get(key, etag) as body:
                for chunk in body.chunks:
                    digest.update(chunk)
        except (NotFound, PreconditionFailed):
            return False
        return digest.digest() == sha256

    # -- writing --------------------------------------------------------------------------------

    def put(self, key: str, body: bytes, described: dict[str, str], base: str | None) -> str:
        """Put a small object; returns its ETag."""
        can = self.capabilities
        kept = can.put_if_none_match if base is None else can.put_if_match
        if not kept:
            self._compare(key, base)
        failpoint("remote.before-put")
        etag = objects.put(
            self.s3, key, body, metadata=described, condition=_condition(base) if kept else None
        )
        failpoint("remote.after-put")
        return etag

    def put_file(
        self,
        key: str,
        file: Steady,
        described: dict[str, str],
        base: str | None,
        *,
        stop: Stop,
        on_created: Callable[[str], None],
    ) -> str:
        """Put a large file by parts; returns its ETag. Raises NotNowError if it changes meanwhile, and aborts."""
        can = self.capabilities
        kept = can.complete_if_none_match if base is None else can.complete_if_match

        def created(upload: str) -> None:
            failpoint("remote.upload-created")
            on_created(upload)

        def before_complete() -> None:
            file.check()
            if not kept:
                self._compare(key, base)
            failpoint("remote.before-complete")

        etag = multipart.put_file(
            self.s3,
            key,
            file,
            file.size,
            metadata=described,
            condition=_condition(base) if kept else None,
            stop=stop,
            on_created=created,
            before_complete=before_complete,
        )
        failpoint("remote.after-complete")
        return etag

    def copy(
        self,
        source: str,
        source_etag: str,
        key: str,
        base: str | None,
        described: dict[str, str],
        size: int,
        stop: Stop | None = None,
    ) -> str:
        """Copy one version of an object on the server; returns the ETag of the copy."""
        kept = self.capabilities.copy_if_none_match
        if not kept:
            self._compare(source, source_etag)
            self._compare(key, base)
        failpoint("remote.before-copy")
        etag = objects.copy(
            self.s3,
            source,
            key,
            source_etag=source_etag,
            condition=_condition(base) if kept else None,
            metadata=described,
            size=size,
            verify=False,
            stop=stop,
        )
        failpoint("remote.after-copy")
        return etag

    def delete(self, key: str, base: str) -> None:
        """Delete one version of an object."""
        kept = self.capabilities.delete_if_match
        if not kept:
            self._compare(key, base)
        failpoint("remote.before-delete")
        objects.delete(self.s3, key, condition=keys.matches(base) if kept else None)
        failpoint("remote.after-delete")

    def abort(self, key: str, upload: str) -> None:
        """Abort a multipart upload; no error if it is gone."""
        multipart.abort(self.s3, key, upload)

    def uploads(self, prefix: str) -> list[multipart.Pending]:
        """The multipart uploads under way below a prefix."""
        return list(multipart.list_uploads(self.s3, prefix))

    def abort_at(self, keys: Collection[str], prefix: str) -> None:
        """Abort every multipart upload to these keys below a prefix. Raises Unreachable and Throttled; what is not allowed,
        or not known to the store, is only logged.
        """
        try:
            for each in self.uploads(prefix):
                if each.key in keys:
                    self.abort(each.key, each.upload_id)
        except (Unreachable, Throttled):
            raise
        except WherobotsError as error:
            log.warning("Unfinished uploads below %s could not be aborted: %s", prefix, error)

    def replace_own(self, key: str, body: bytes, base: str | None) -> str:
        """Put one of the mirror's own objects, over whatever version is there; ``base`` is a guess that spares a look."""
        for _ in range(3):
            try:
                return self.put(key, body, {}, base)
            except (PreconditionFailed, NotFound):
                found = self.head(key)
                base = found.etag if found else None
        raise PreconditionFailed(f"{key} keeps being replaced by others.", path=key)

    def put_name(self, key: str, path: bytes) -> None:
        """Put the small object that holds a name S3 cannot; it is made from the name, so one that is there is right."""
        with contextlib.suppress(PreconditionFailed):
            self.put(key, path, {}, None)

    def _compare(self, key: str, base: str | None) -> None:
        """What a condition would have done, where the store keeps none."""
        found = self.head(key)
        if found is None and base is not None:
            raise NotFound(f"{key} is gone.", path=key)
        if (found.etag if found else None) != base:
            raise PreconditionFailed(f"{key} is another version than expected.", path=key)


def _condition(base: str | None) -> keys.Condition:
    return keys.absent() if base is None else keys.matches(base)
