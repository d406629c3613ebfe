"""Is home in the bucket? Every file is read on both sides and compared by SHA-256, whatever the mirror itself believes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..sync.ignore import CACHE_SIGNATURE, CACHE_TAG, RULES_FILE, Ignore, Rules, parse
from ..sync.names import Names
from ..sync.status import shown

if TYPE_CHECKING:
    from ..s3.client import S3

_PIECE = 1 << 20


@dataclass(frozen=True)
class Evidence:
    """How home and bucket compare: paths relative to home. ``left_out`` is what the mirror's rules leave out."""

    files: int
    bytes: int
    missing: tuple[str, ...]
    different: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every byte that is mirrored at all is in the bucket."""
        return not self.missing and not self.different

    def to_json(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {
            "files": self.files,
            "bytes": self.bytes,
            "missing": list(self.missing),
            "different": list(self.different),
            "leftOut": list(self.left_out),
        }


def compare(s3: S3, prefix: str, home: Path, state: Path) -> Evidence:
    """Compare every file of home with its object below ``prefix``; the mirror's own ``state`` is no part of home.

    Raises the `StorageError` of a failed listing or read.
    """
    from ..s3.listing import walk
    from ..s3.objects import get

    names = Names(prefix)
    present = {found.key for found in walk(s3, prefix)}
    left_out: list[str] = []
    missing: list[str] = []
    different: list[str] = []
    files = size = 0
    ignore = Ignore([os.fsencode(os.path.relpath(state, home))])
    for path in _mirrored(os.fsencode(home), b"", (), ignore, left_out):
        files += 1
        file = os.path.join(os.fsencode(home), path)
        key = names.key(path)
        if key not in present:
            missing.append(shown(path))
        elif not os.path.islink(file):  # a link's object says where it leads, in metadata
            with get(s3, key) as body:
                remote = hashlib.sha256()
                for chunk in body.chunks:
                    remote.update(chunk)
            try:
                local, length = _digest(file)
            except OSError:  # what cannot be read here cannot be saved either
                left_out.append(shown(path))
                continue
            size += length
            if remote.digest() != local:
                different.append(shown(path))
    return Evidence(files, size, tuple(missing), tuple(different), tuple(left_out))


def _mirrored(
    home: bytes, folder: bytes, rules: tuple[Rules, ...], ignore: Ignore, left_out: list[str]
) -> Iterator[bytes]:
    """Paths of all files and links below a folder but those that a rule leaves out, which go to ``left_out``."""
    here = os.path.join(home, folder)
    file = os.path.join(here, RULES_FILE)
    if os.path.isfile(file):
        rules = (*rules, parse(folder, Path(os.fsdecode(file)).read_bytes()))
    try:
        entries = sorted(os.scandir(here), key=lambda entry: entry.name)
    except OSError:
        left_out.append(f"{shown(folder)}/")
        return
    for entry in entries:
        path = os.path.join(folder, entry.name)
        if entry.is_dir(follow_symlinks=False):
            if ignore.folder(path, entry.name, rules) or _is_cache(entry.path):
                left_out.append(shown(path) + "/")
            else:
                yield from _mirrored(home, path, rules, ignore, left_out)
        elif ignore.file(path, entry.name, rules):
            left_out.append(shown(path))
        elif entry.is_symlink() or entry.is_file():
            yield path
        else:
            left_out.append(shown(path))


def _is_cache(folder: bytes) -> bool:
    try:
        with open(os.path.join(folder, CACHE_TAG), "rb") as tag:
            return tag.read(len(CACHE_SIGNATURE)) == CACHE_SIGNATURE
    except OSError:
        return False


def _digest(file: bytes) -> tuple[bytes, int]:
    digest, length = hashlib.sha256(), 0
    with open(file, "rb") as opened:
        while piece := opened.read(_PIECE):
            digest.update(piece)
            length += len(piece)
    return digest.digest(), length
