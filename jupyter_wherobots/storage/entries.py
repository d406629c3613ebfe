"""What people see: entries of a folder, with their permissions, in the JSON shape of the API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from typing import TYPE_CHECKING, Any

from ..layout import Access, Layout

if TYPE_CHECKING:
    from ..s3.listing import Object


class EntryType(str, Enum):
    """What an entry is."""

    FILE = "FILE"
    FOLDER = "FOLDER"


@dataclass(frozen=True)
class Entry:
    """One file or folder. A folder's ``path`` and ``uri`` end with a slash; ``name`` never has one.

    ``size`` is in bytes; it, ``last_modified`` and ``etag`` are None for a folder, which is nothing of its
    own in S3. ``name`` is empty for what lies behind a ``//`` and for the body of a key that ends with a
    slash: path = folder + name, always.
    """

    name: str
    path: str
    uri: str
    type: EntryType
    access: Access
    size: int | None = None
    last_modified: datetime | None = None
    etag: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "name": self.name,
            "path": self.path,
            "uri": self.uri,
            "type": self.type.value,
            "size": self.size,
            "lastModified": None if self.last_modified is None else iso(self.last_modified),
            "etag": self.etag,
            "mutateProtected": self.access.mutate_protected,
            "uploadProtected": self.access.upload_protected,
            "reason": self.access.reason,
        }


def folder_entry(layout: Layout, path: str) -> Entry:
    """The entry of a folder; ``path`` ends with a slash."""
    name = path[:-1].rpartition("/")[2]
    return Entry(name, path, layout.uri(path), EntryType.FOLDER, layout.access(path))


def file_entry(layout: Layout, found: Object, folder: str | None = None) -> Entry:
    """The entry of an object. ``folder`` is the path it is seen in, where that is not what stands before its last slash."""
    path = layout.path(found.key)
    name = path[len(folder) :] if folder is not None else path.rpartition("/")[2]
    return Entry(
        name,
        path,
        layout.uri(path),
        EntryType.FILE,
        layout.access(path),
        found.size,
        found.last_modified,
        found.etag,
    )


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with ``Z``; with milliseconds only if there are any."""
    text = moment.astimezone(timezone.utc).isoformat(
        timespec="milliseconds" if moment.microsecond else "seconds"
    )
    return text.replace("+00:00", "Z")
