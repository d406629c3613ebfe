"""Files and folders as one zip, made while it is sent: stored, zip64, nothing on disk, one buffer in memory."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator, MutableSequence, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, cast

from ..errors import TooLarge, WherobotsError
from ..layout import Layout
from ..s3.listing import walk
from ..s3.objects import Body, get
from .entries import EntryType
from .parallel import ahead
from .permissions import prefixes
from .reading import measure, stat

if TYPE_CHECKING:
    from typing import IO

    from ..s3.client import S3

MAX_OBJECTS = 100_000
"""The directory at the end of a zip is kept in memory until then, about 1 KB an object."""

_SMALL = 1024 * 1024
"""Bytes up to which an object is read ahead as a whole."""
_WINDOW = 8
_ERRORS = "_errors.txt"


@dataclass(frozen=True)
class _Member:
    """One object and the name it has in the zip."""

    key: str
    name: str
    size: int
    modified: datetime


class _Sink:
    """What zipfile writes to: cannot seek, so that each header tells nothing that is only known afterwards."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        """What was written since the last call."""
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def archive(
    s3: S3, layout: Layout, paths: Sequence[str], executor: Executor, errors: MutableSequence[str]
) -> Iterator[bytes]:
    """The pieces of a zip of these files and folders.

    Everything that can be refused is refused before the iterator is given: NotFound, NotPermitted,
    InvalidPath, TooLarge for more than `MAX_OBJECTS` objects. Names are made such that no unpacker can be led
    outside of its folder. An object that cannot be opened is left out and named in ``_errors.txt`` and in
    ``errors``; what breaks in the middle of one raises, for half an object cannot be taken back.
    """
    if not measure(s3, layout, paths, MAX_OBJECTS).complete:
        raise TooLarge(
            f"There are more than {MAX_OBJECTS} objects, which is too many for one zip.",
            path=paths[0],
            hint="Choose folders further down, or copy the s3:// path and use the AWS CLI.",
        )
    return _pieces(s3, _members(s3, layout, paths), executor, errors)


def _members(s3: S3, layout: Layout, paths: Iterable[str]) -> Iterator[_Member]:
    taken = {_ERRORS}
    for path in paths:
        entry = stat(s3, layout, path).entry
        if entry.type is EntryType.FILE and entry.last_modified is not None:
            name = _safe(entry.name, taken)
            yield _Member(layout.key(path), name, entry.size or 0, entry.last_modified)
            continue
        above = entry.path[: -len(entry.name) - 1] if entry.path != "/" else "/"
        for prefix in prefixes(layout, entry.path):
            for item in walk(s3, prefix):
                name = _safe(layout.path(item.key)[len(above) :], taken, item.size)
                yield _Member(item.key, name, item.size, item.last_modified)


def _safe(name: str, taken: set[str], size: int = 1) -> str:
    """A name that every unpacker takes and no two members share.

    A leading or doubled slash, ``..``, a drive, a backslash or a control character means something else to
    some of them.
    """
    if name.endswith("/") and size == 0:
        *above, last = name[:-1].split("/")
        ending = "/"
    else:
        *above, last = name.split("/")
        ending = ""
    segments = [re.sub(r"[\x00-\x1f\x7f\\:]", "_", each) for each in [*above, last]]
    safe = "/".join(
        "_" * max(1, len(each)) if each in ("", ".", "..") else each for each in segments
    )
    candidate, number = safe + ending, 0
    while candidate in taken:
        number += 1
        stem, dot, suffix = safe.rpartition(".")
        if not dot or "/" in suffix or not stem:
            stem, suffix = safe, ""
        candidate = f"{stem} ({number}){dot if suffix else ''}{suffix}{ending}"
    taken.add(candidate)
    return candidate


def _pieces(
    s3: S3, members: Iterable[_Member], executor: Executor, errors: MutableSequence[str]
) -> Iterator[bytes]:
    sink = _Sink()

    def begin(member: _Member) -> tuple[_Member, bytes | WherobotsError | None]:
        """Small objects as a whole, so that their round trips overlap; of large ones nothing yet."""
        if member.size > _SMALL or member.name.endswith("/"):
            return member, None
        try:
            with get(s3, member.key) as body:
                # It may have grown since it was listed.
                return member, body.read() if body.size <= _SMALL else None
        except WherobotsError as error:
            return member, error

    with zipfile.ZipFile(cast("IO[bytes]", sink), "w", zipfile.ZIP_STORED) as packed:
        for member, content in ahead(executor, begin, members, _WINDOW):
            if isinstance(content, WherobotsError):
                errors.append(f"{member.name}: {content.message}")
                continue
            info = zipfile.ZipInfo(member.name, _date(member.modified))
            info.external_attr = 0o644 << 16
            if member.name.endswith("/"):
                info.external_attr = (0o40755 << 16) | 0x10
                packed.writestr(info, b"")
            elif content is not None:
                packed.writestr(info, content)
            else:
                try:
                    body = get(s3, member.key)
                except WherobotsError as error:
                    errors.append(f"{member.name}: {error.message}")
                    continue
                yield from _large(packed, info, body, sink)
            yield sink.take()
        if errors:
            text = "These objects could not be read and are not in this archive:\n\n"
            packed.writestr(_ERRORS, text + "\n".join(errors) + "\n")
    yield sink.take()


def _large(
    packed: zipfile.ZipFile, info: zipfile.ZipInfo, body: Body, sink: _Sink
) -> Iterator[bytes]:
    info.file_size = body.size  # tells zipfile whether zip64 is needed
    with body, packed.open(info, "w") as target:
        for chunk in body.chunks:
            target.write(chunk)
            yield sink.take()


def _date(moment: datetime) -> tuple[int, int, int, int, int, int]:
    """What a zip can hold: no year before 1980, no zone; UTC, so that it is the same everywhere."""
    utc = moment.astimezone(timezone.utc)
    if utc.year < 1980:
        return (1980, 1, 1, 0, 0, 0)
    return (utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second)
