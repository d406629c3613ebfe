"""What S3 has no object for: folders (empty ones, their modes and times), hard links, and modes and times that changed
after the bytes were put.

One small object, a cache in nature: losing it loses only these. Everything in it that is about a file names the file's ETag, so
that what it says of an older version is never applied to a newer one.
"""

from __future__ import annotations

import gzip
import json
import stat as st
import zlib
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..layout import INTERNAL
from .filestat import nearest, unpack
from .journal import Flag, Journal
from .scan import Scan

NAME = INTERNAL + "manifest.json.gz"
KNOWN = "manifest"
"""Names in the journal the digest of the manifest that S3 has."""
ETAG = "manifest-etag"
"""Names its version."""
_LARGEST = 512 * 1024 * 1024
"""Bytes it may unpack to; a home of a million folders has a tenth of that."""
_VERSION = 1


@dataclass(frozen=True)
class Late:
    """A mode (without type) and time that a file got after its bytes were put."""

    etag: str
    mode: int
    mtime_ns: int


@dataclass(frozen=True)
class Manifest:
    """What one manifest says. ``folders``: mode (without type) and time of each; ``links``: paths and ETags of one file."""

    folders: Mapping[bytes, tuple[int, int]] = field(default_factory=dict)
    late: Mapping[bytes, Late] = field(default_factory=dict)
    links: tuple[Mapping[bytes, str], ...] = ()

    @property
    def essence(self) -> tuple[object, ...]:
        """What is worth a new manifest when it changes: not the times of folders, which change with every file in them."""
        modes = {path: mode for path, (mode, _) in self.folders.items()}
        return modes, self.late, self.links


def compose(scan: Scan, journal: Journal, before: Manifest) -> Manifest:
    """The manifest for what a scan of all of home found; of what it could not read it says what the one ``before`` said."""
    unread = frozenset(scan.unread)
    folders = {path: what for path, what in before.folders.items() if _is_in(path, unread)}
    folders |= {
        path: (st.S_IMODE(info.st_mode), nearest(info.st_mtime_ns))
        for path, info in scan.folders.items()
        if path
    }
    late = {}
    for path in journal.late():
        row = journal.get(path)
        if row is not None and row.stat and row.etag:
            stat = unpack(row.stat)
            late[path] = Late(row.etag, st.S_IMODE(stat.mode), stat.mtime_ns)
    groups = [_group(paths, journal) for paths in scan.linked.values() if len(paths) > 1]
    groups += [
        {path: etag for path, etag in group.items() if _is_in(path, unread)}
        for group in before.links
    ]
    return Manifest(folders, late, tuple(group for group in groups if len(group) > 1))


def _is_in(path: bytes, folders: Container[bytes]) -> bool:
    """Whether a path is one of these folders, or lies in one."""
    while path and path not in folders:
        path = path.rpartition(b"/")[0]
    return path != b""


def _group(paths: Iterable[bytes], journal: Journal) -> dict[bytes, str]:
    """Of the paths of one inode those whose objects hold the same bytes."""
    rows = {path: row for path in sorted(paths) if (row := journal.get(path)) is not None}
    first = next(iter(rows.values()), None)
    return {
        path: row.etag
        for path, row in rows.items()
        if first is not None
        and row.sha256 == first.sha256
        and row.etag
        and not row.flags & (Flag.PENDING | Flag.REMOTE_GONE | Flag.REMOTE_CHANGED)
    }


def check(journal: Journal, etag: str | None) -> None:
    """Have the manifest put anew if S3 has another version (None: none) than the journal says: somebody emptied the bucket."""
    if journal.meta(KNOWN) and journal.meta(ETAG) != (etag or ""):
        journal.set_meta(**{KNOWN: ""})


def packed(manifest: Manifest) -> bytes:
    """As the bytes of an object."""
    document = {
        "version": _VERSION,
        "folders": {_text(path): list(what) for path, what in manifest.folders.items()},
        "late": {
            _text(path): [late.etag, late.mode, late.mtime_ns]
            for path, late in manifest.late.items()
        },
        "links": [{_text(path): etag for path, etag in group.items()} for group in manifest.links],
    }
    # Without a time in it, equal manifests are equal bytes.
    return gzip.compress(json.dumps(document, separators=(",", ":")).encode(), 6, mtime=0)


def parsed(body: bytes) -> Manifest:
    """What an object says; anybody may have written it, so whatever is not as it should be is left out."""
    try:
        unpacked = zlib.decompressobj(wbits=31).decompress(body, _LARGEST)
        document = json.loads(unpacked)
    except (ValueError, zlib.error, RecursionError):
        return Manifest()
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        return Manifest()
    folders = {
        path: (value[0] & 0o7777, value[1])
        for name, value in _items(document.get("folders"))
        if (path := _path(name)) and _are(value, int, int)
    }
    late = {
        path: Late(value[0], value[1] & 0o7777, value[2])
        for name, value in _items(document.get("late"))
        if (path := _path(name)) and _are(value, str, int, int)
    }
    groups = document.get("links")
    links = tuple(
        {path: etag for name, etag in _items(group) if (path := _path(name)) and _are([etag], str)}
        for group in (groups if isinstance(groups, list) else ())
    )
    return Manifest(folders, late, links)


def _items(value: Any) -> Iterable[tuple[str, Any]]:
    return value.items() if isinstance(value, dict) else ()


def _are(values: Any, *types: type) -> bool:
    return (
        isinstance(values, list)
        and len(values) == len(types)
        and all(type(value) is kind for value, kind in zip(values, types, strict=True))
        and all(value == nearest(value) for value in values if isinstance(value, int))
    )


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def _path(text: str) -> bytes:
    """A path of home, or b"" for what is none."""
    try:
        path = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return b""
    sound = b"\0" not in path and all(s not in (b"", b".", b"..") for s in path.split(b"/"))
    return path if sound else b""
