"""Looking at one file or folder, counting, and reading bytes."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import NotFound
from ..layout import AccessKind, Layout
from ..s3.listing import Object, page
from ..s3.objects import Body, get, head
from .entries import Entry, EntryType, file_entry, folder_entry
from .permissions import prefixes

if TYPE_CHECKING:
    from ..s3.client import S3

OCTETS = "application/octet-stream"
_UNTOLD = ("", OCTETS, "binary/octet-stream")
"""What clients store that were not told the type."""

# What Python's table lacks and people here open all the time.
_TYPES = {
    ".geojson": "application/geo+json",
    ".geoparquet": "application/vnd.apache.parquet",
    ".ipynb": "application/x-ipynb+json",
    ".jsonl": "application/x-ndjson",
    ".md": "text/markdown",
    ".ndjson": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".pmtiles": "application/vnd.pmtiles",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}


@dataclass(frozen=True)
class Detail:
    """An entry with what only a look at the object itself tells. ``metadata`` is the user's."""

    entry: Entry
    content_type: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            **self.entry.to_json(),
            "contentType": self.content_type,
            "metadata": dict(self.metadata),
            "confirmation": self.entry.access.confirmation,
        }


@dataclass(frozen=True)
class Measure:
    """How much lies somewhere. ``complete`` is False if counting was ended early."""

    objects: int
    bytes: int
    complete: bool

    def to_json(self) -> dict[str, Any]:
        """As the API shows it."""
        return {"objects": self.objects, "bytes": self.bytes, "complete": self.complete}


def stat(s3: S3, layout: Layout, path: str, kind: EntryType | None = None) -> Detail:
    """One file or folder.

    Without ``kind``, a path that ends with a slash is a folder, and another is a file and, where there is
    none, the folder. Raises NotFound, NotPermitted, InvalidPath and every `StorageError`.
    """
    fixed = layout.access(path).kind in (AccessKind.CONTAINER, AccessKind.ROOT)
    if fixed:
        if kind is EntryType.FILE:
            raise NotFound(f"{path} is a folder.", path=path)
        return Detail(folder_entry(layout, layout.folder(path)))
    key = layout.key(path)
    if kind is EntryType.FILE or (kind is None and not path.endswith("/")):
        try:
            found = head(s3, key)
        except NotFound:
            if kind is not None:
                raise
        else:
            seen = Object(key, found.size, found.last_modified, found.etag)
            return Detail(
                file_entry(layout, seen), content_type(path, found.content_type), found.metadata
            )
    folder = layout.folder(path)
    below = page(s3, layout.key(folder), limit=1)
    if not below.objects and not below.prefixes:
        raise NotFound(f"{path} does not exist.", path=path)
    return Detail(folder_entry(layout, folder))


def read(
    s3: S3, layout: Layout, path: str, byte_range: tuple[int, int | None] | None = None
) -> Body:
    """Begin to read a file, or a range (start, exclusive end) of it; the caller closes what comes.

    Raises NotFound, NotPermitted, InvalidPath and every `StorageError`.
    """
    return get(s3, layout.key(path), byte_range=byte_range)


def measure(s3: S3, layout: Layout, paths: Iterable[str], limit: int) -> Measure:
    """Count objects and bytes at some files and folders, up to ``limit`` objects.

    A path without its slash is a file and, where there is none, the folder. Raises as `stat` does; NotFound
    for a folder that nothing lies in, unless it is a fixed one or a root.
    """
    objects = size = 0
    for path in paths:
        entry = stat(s3, layout, path).entry
        if entry.type is EntryType.FILE:
            objects += 1
            size += entry.size or 0
            continue
        for prefix in prefixes(layout, entry.path):
            token: str | None = None
            while True:
                if objects >= limit:
                    return Measure(objects, size, complete=False)
                found = page(
                    s3, prefix, delimiter="", token=token, limit=min(1000, limit - objects)
                )
                objects += len(found.objects)
                size += sum(item.size for item in found.objects)
                token = found.token
                if token is None:
                    break
    return Measure(objects, size, complete=True)


def content_type(path: str, stored: str | None = None) -> str:
    """The media type of a file: as stored, else by its name."""
    if stored and stored not in _UNTOLD:
        return stored
    name = path.rpartition("/")[2].lower()
    suffix = name[name.rfind(".") :] if "." in name else ""
    guessed, packing = mimetypes.guess_type(name)
    if packing:  # a.csv.gz is no CSV
        return f"application/{packing}" if packing == "gzip" else OCTETS
    return _TYPES.get(suffix) or guessed or OCTETS
