"""Writing one small object: a file in one request, an empty folder. S3 itself enforces the conflict rule."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import (
    AlreadyExists,
    Conflicted,
    InvalidPath,
    InvalidRequest,
    NotFound,
    PreconditionFailed,
    TooLarge,
)
from ..layout import Layout
from ..s3.keys import Condition, absent, matches
from ..s3.listing import Object, page
from ..s3.objects import head, put
from .entries import Entry, file_entry, folder_entry
from .naming import Conflict, free_key
from .permissions import check_change, check_put
from .reading import content_type

if TYPE_CHECKING:
    from ..s3.client import S3

_TRIES = 5


@dataclass(frozen=True)
class Target:
    """Where a file goes and under which condition; what could be refused beforehand was."""

    path: str
    key: str
    conflict: Conflict
    condition: Condition | None


def target(
    s3: S3,
    layout: Layout,
    path: str,
    conflict: Conflict = Conflict.FAIL,
    *,
    etag: str | None = None,
    confirm: bool = False,
    given: Collection[str] = (),
) -> Target:
    """Decide about a file that is to be written, before a byte of it is there.

    ``etag`` names the version that is to be replaced; ``given`` are keys that others were given with
    keep-both. Raises NotPermitted, ConfirmationRequired, InvalidPath, AlreadyExists, PreconditionFailed,
    InvalidRequest and every `StorageError`.
    """
    key = check_put(layout, path, confirm)
    if etag is not None:
        if conflict is Conflict.KEEP_BOTH:
            raise InvalidRequest("An ETag names a version to replace, and keep-both replaces none.")
        if version(s3, key) != etag:
            raise PreconditionFailed(f"{path} is not the version that was named.", path=path)
        return Target(path, key, Conflict.REPLACE, matches(etag))
    if conflict is Conflict.REPLACE:
        return Target(path, key, conflict, None)
    if conflict is Conflict.KEEP_BOTH:
        key = free_key(s3, key, given)
        free = layout.path(key)
        return Target(free, layout.key(free), conflict, absent())
    if version(s3, key) is not None:
        raise AlreadyExists(f"{path} already exists.", path=path)
    return Target(path, key, Conflict.FAIL, absent())


def version(s3: S3, key: str) -> str | None:
    """The ETag of what lies at a key, None if nothing does."""
    try:
        return head(s3, key).etag
    except NotFound:
        return None


def put_file(s3: S3, layout: Layout, where: Target, body: bytes | bytearray) -> Entry:
    """Write a file in one request and give its entry: with keep-both, under the name it got.

    Raises AlreadyExists, PreconditionFailed, and every `StorageError`; after Unreachable it may have been
    written or not.
    """
    media = content_type(where.path)
    for _ in range(_TRIES):
        try:
            put(s3, where.key, body, metadata={}, condition=where.condition, content_type=media)
            return entry_at(s3, layout, where.key)
        except Conflicted:
            continue  # S3's own advice for two writers at one moment
        except NotFound:
            if where.condition is None:
                raise
            raise PreconditionFailed(
                f"{where.path} was deleted meanwhile.", path=where.path
            ) from None
        except PreconditionFailed:
            if where.conflict is Conflict.REPLACE:
                raise
            if where.conflict is Conflict.FAIL:
                raise AlreadyExists(f"{where.path} already exists.", path=where.path) from None
            key = free_key(s3, where.key)
            where = Target(layout.path(key), key, where.conflict, where.condition)
    raise Conflicted(f"Others kept writing {where.path}.", path=where.path)


def create_folder(s3: S3, layout: Layout, path: str, confirm: bool = False) -> Entry:
    """Make an empty object whose key ends with a slash, which is all that a folder of its own can be in S3.

    Raises AlreadyExists (also if the folder only exists by what lies in it), NotPermitted,
    ConfirmationRequired, InvalidPath.
    """
    folder = layout.folder(path)
    key = check_change(layout, folder, confirm)
    if folder.endswith("//"):
        raise InvalidPath("A folder needs a name.", path=path)
    found = page(s3, key, limit=1)
    if found.objects or found.prefixes:
        raise AlreadyExists(f"{folder} already exists.", path=folder)
    try:
        put(s3, key, b"", metadata={}, condition=absent(), content_type="application/x-directory")
    except PreconditionFailed:
        raise AlreadyExists(f"{folder} already exists.", path=folder) from None
    return folder_entry(layout, folder)


def entry_at(s3: S3, layout: Layout, key: str) -> Entry:
    """The entry of the object at a key, as it is now."""
    found = head(s3, key)
    return file_entry(layout, Object(key, found.size, found.last_modified, found.etag))


def check_size(size: int, limit: int, path: str, hint: str) -> None:
    """Raise TooLarge for a file above a limit."""
    if size > limit:
        raise TooLarge(f"{path} has {size} bytes; at most {limit} are taken.", path=path, hint=hint)
