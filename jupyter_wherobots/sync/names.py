"""Which key a path of home has in S3, and which path a key has in home. Pure.

A path is bytes, relative to home, as the file system spells it. Its key is ``prefix + path`` wherever S3 can hold that; every
other name (not UTF-8, control characters, over 1,024 bytes, or inside our own ``.wherobots/``) has an *odd* key,
``prefix + ".wherobots/names/" + sha256(path)``, with a small object beside it that holds the path, so that every name a Linux
file system allows makes the round trip.

The way back must never lead out of home: keys can hold anything (``..``, ``//``, ``a`` beside ``a/b``), so a segment that no
file can be called is escaped (`landing`), and the journal remembers the true key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from ..layout import INTERNAL, MAX_KEY_BYTES

_NAMES = INTERNAL + "names/"
_NAME_SUFFIX = ".name"
_MAX_SEGMENT = 255
"""NAME_MAX of the file systems that matter, in bytes."""
_DIGEST = 64
_ESCAPES = {b"": b"%2F", b".": b"%2E", b"..": b"%2E%2E"}


@dataclass(frozen=True)
class Landing:
    """Where an object belongs in home. ``folder``: it is a folder marker, not a file."""

    path: bytes
    folder: bool = False


@dataclass(frozen=True)
class OddName:
    """An object under an odd key (``is_name`` false) or the object beside it that holds its path."""

    digest: str
    is_name: bool


class Names:
    """The names below one prefix (which ends with a slash). ``own``: folders of home that are the mirror's own."""

    def __init__(self, prefix: str, own: Iterable[bytes] = ()) -> None:
        self.prefix = prefix
        self._own = tuple(folder + b"/" for folder in own)
        self.names_prefix = prefix + _NAMES
        self._room = MAX_KEY_BYTES - len(prefix.encode())

    def key(self, path: bytes) -> str:
        """The key of a path."""
        text = self._plain(path)
        return self.odd_key(path) if text is None else self.prefix + text

    def is_odd(self, path: bytes) -> bool:
        """Whether S3 cannot hold the name itself."""
        return self._plain(path) is None

    def odd_key(self, path: bytes) -> str:
        """The key for a name that S3 cannot hold."""
        return self.names_prefix + hashlib.sha256(path).hexdigest()

    def name_key(self, path: bytes) -> str:
        """The key of the small object that holds an odd path."""
        return self.odd_key(path) + _NAME_SUFFIX

    def _plain(self, path: bytes) -> str | None:
        if len(path) > self._room or path.startswith(INTERNAL.encode()):
            return None
        try:
            text = path.decode("utf-8")
        except UnicodeDecodeError:
            return None
        return text if text.isprintable() or _storable(text) else None

    def landing(self, key: str) -> Landing | OddName | None:
        """Where an object belongs: a place in home, an odd name, or None for what is our own.

        The path of a `Landing` never leaves home: no empty segment, no ``.``, no ``..``, no NUL, none over 255 bytes.
        """
        rest = key[len(self.prefix) :]
        if rest.startswith(_NAMES):
            digest = rest[len(_NAMES) :]
            name = digest.endswith(_NAME_SUFFIX)
            digest = digest.removesuffix(_NAME_SUFFIX)
            if len(digest) == _DIGEST and "/" not in digest:
                return OddName(digest, name)
            return None
        if rest.startswith(INTERNAL) or not rest:
            return None
        path = rest.encode("utf-8", "surrogateescape")
        if path.startswith(self._own):
            return None
        segments = path.split(b"/")
        folder = segments[-1] == b""
        if folder and len(segments) > 1:
            return Landing(b"/".join(map(escaped, segments[:-1])), folder=True)
        return Landing(b"/".join(map(escaped, segments)))

    def odd_path(self, digest: str, name: bytes) -> bytes | None:
        """The path that the object beside an odd key holds; None if it is not the one the key was made from."""
        sound = name and all(s and s not in (b".", b"..") for s in name.split(b"/"))
        if sound and b"\0" not in name and hashlib.sha256(name).hexdigest() == digest:
            return name
        return None


def _storable(text: str) -> bool:
    """Whether S3 and its XML can hold the text: no control characters, no non-characters."""
    return not any(c < " " or c == "\x7f" or c in "\ufffe\uffff" for c in text)


def escaped(segment: bytes) -> bytes:
    """A segment of a key as a file name; itself wherever a file can be called that."""
    segment = _ESCAPES.get(segment, segment).replace(b"\0", b"%00")
    if len(segment) > _MAX_SEGMENT:
        digest = hashlib.sha256(segment).hexdigest()[:16].encode()
        segment = segment[: _MAX_SEGMENT - 17].decode("utf-8", "ignore").encode() + b"~" + digest
    return segment


def beside(path: bytes, note: str) -> bytes:
    """A sibling's name: ``a/b.tar.gz`` with ``from S3`` gives ``a/b (from S3).tar.gz``. At most 255 bytes a segment."""
    folder, slash, name = path.rpartition(b"/")
    stem, dot, extension = name.partition(b".")
    if not stem:  # a dot file: .bashrc
        stem, dot, extension = name, b"", b""
    tail = f" ({note})".encode() + dot + extension
    if len(tail) > _MAX_SEGMENT // 2:
        tail = f" ({note})".encode()
    room = _MAX_SEGMENT - len(tail)
    for _ in range(3):  # not in the middle of a character
        room -= room < len(stem) and stem[room] & 0xC0 == 0x80
    return folder + slash + stem[:room] + tail
