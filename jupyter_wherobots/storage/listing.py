"""One page of a folder, whatever its size: one request to S3, or none for the fixed folders."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InvalidRequest
from ..layout import Access, AccessKind, Layout
from ..s3.listing import page
from .entries import Entry, EntryType, file_entry, folder_entry

if TYPE_CHECKING:
    from ..s3.client import S3

DEFAULT_LIMIT = 200
MAX_LIMIT = 1000
"""What S3 itself gives in one page at most."""


@dataclass(frozen=True)
class Listing:
    """A page: the folder, its permissions, some of its entries, and where to go on (None: that was all)."""

    path: str
    uri: str
    access: Access
    entries: tuple[Entry, ...]
    cursor: str | None
    order: str
    """``layout`` for the fixed folders, else ``key``: by the bytes of the keys, as S3 sorts."""
    complete: bool
    """Whether this page is the whole folder."""
    exists: bool = True
    """False if S3 knows of nothing there, neither content nor an empty object that stands for the folder."""

    def to_json(self) -> dict[str, Any]:
        """As the API shows it."""
        files = sum(entry.type is EntryType.FILE for entry in self.entries)
        return {
            "path": self.path,
            "uri": self.uri,
            "mutateProtected": self.access.mutate_protected,
            "uploadProtected": self.access.upload_protected,
            "reason": self.access.reason,
            "confirmation": self.access.confirmation,
            "entries": [entry.to_json() for entry in self.entries],
            "cursor": self.cursor,
            "order": self.order,
            "complete": self.complete,
            "exists": self.exists,
            "counts": {"files": files, "folders": len(self.entries) - files},
        }


def list_folder(
    s3: S3, layout: Layout, path: str, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Listing:
    """One page of a folder; a path without its slash means the folder too.

    S3 has no folders, so one that nobody put anything into is empty rather than missing. Everything is shown,
    whatever its name; only an empty object that stands for the folder itself is not. Raises InvalidPath,
    NotFound, NotPermitted, InvalidRequest (a cursor of another folder) and every `StorageError`.
    """
    folder = layout.folder(path)
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidRequest(f"limit is {limit}, not between 1 and {MAX_LIMIT}.", path=folder)
    token = None if cursor is None else _token(folder, cursor)
    names = layout.children(folder)
    if names is not None:
        return _fixed(layout, folder, names, limit, token)
    prefix = layout.key(folder)
    found = page(s3, prefix, limit=limit, token=token)
    entries = [folder_entry(layout, layout.path(below)) for below in found.prefixes]
    entries.extend(
        file_entry(layout, item, folder)
        for item in found.objects
        if item.key != prefix or item.size > 0
    )
    # Code points sort as their UTF-8 does, which is S3's order; S3 gives folders and files apart.
    entries.sort(key=lambda entry: entry.path)
    return Listing(
        folder,
        layout.uri(folder),
        layout.access(folder),
        tuple(entries),
        None if found.token is None else _cursor(folder, found.token),
        "key",
        complete=token is None and found.token is None,
        exists=(
            bool(found.objects or found.prefixes)
            or token is not None
            or layout.access(folder).kind is AccessKind.ROOT
        ),
    )


def _fixed(
    layout: Layout, folder: str, names: tuple[str, ...], limit: int, token: str | None
) -> Listing:
    start = 0
    if token is not None:
        start = int(token) if token.isdecimal() else len(names)
    shown = names[start : start + limit]
    following = start + len(shown)
    return Listing(
        folder,
        layout.uri(folder),
        layout.access(folder),
        tuple(folder_entry(layout, f"{folder}{name}/") for name in shown),
        _cursor(folder, str(following)) if following < len(names) else None,
        "layout",
        complete=start == 0 and following == len(names),
    )


# A cursor carries S3's own token and which folder it is good for: S3 would answer a token of another folder with
# entries that do not belong here.


def _cursor(folder: str, token: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([_mark(folder), token]).encode()).decode()


def _token(folder: str, cursor: str) -> str:
    try:
        mark, token = json.loads(base64.b64decode(cursor.encode(), altchars=b"-_", validate=True))
    except (ValueError, TypeError):
        mark, token = None, None
    if mark != _mark(folder) or not isinstance(token, str):
        raise InvalidRequest(
            "The cursor is not one of this folder.", path=folder, hint="List it from its beginning."
        )
    return token


def _mark(folder: str) -> str:
    return hashlib.sha256(folder.encode()).hexdigest()[:12]
