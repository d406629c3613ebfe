"""What a change is about: files and folders of the storage, and the objects in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import NotFound, PreconditionFailed, StorageError
from ..layout import Layout
from ..s3.listing import Object, walk
from ..s3.objects import head
from .entries import EntryType

if TYPE_CHECKING:
    from ..s3.client import S3
    from .jobs import Job


@dataclass(frozen=True)
class Item:
    """One file or folder of a request. ``etag`` (of a file) names the only version that is meant.

    Nothing is guessed: a path that ends with a slash is a folder unless ``type`` says otherwise, any other is
    a file.
    """

    path: str
    type: EntryType
    etag: str | None = None

    @staticmethod
    def of(path: str, kind: EntryType | None = None, etag: str | None = None) -> Item:
        """The item that a request means."""
        if kind is None:
            kind = EntryType.FOLDER if path.endswith("/") else EntryType.FILE
        if kind is EntryType.FOLDER and not path.endswith("/"):
            path += "/"
        return Item(path, kind, etag)

    @property
    def name(self) -> str:
        """The last segment; a folder's with its slash, as that of a file whose key ends with one."""
        ending = "/" if self.path.endswith("/") else ""
        return self.path.removesuffix("/").rpartition("/")[2] + ending

    @property
    def is_folder(self) -> bool:
        """Whether everything below is meant."""
        return self.type is EntryType.FOLDER


def objects(s3: S3, layout: Layout, item: Item, job: Job) -> Iterator[Object]:
    """The objects of an item: itself, or all below it. Raises NotFound if there are none, PreconditionFailed, Cancelled."""
    key = layout.key(item.path)
    if not item.is_folder:
        try:
            found = head(s3, key)
        except NotFound as error:
            raise NotFound(
                f"There is no file {item.path}.",
                path=item.path,
                hint="It may have been moved or deleted; the path of a folder ends with a slash.",
            ) from error
        if item.etag is not None and found.etag != item.etag:
            raise PreconditionFailed(
                f"{item.path} is not the version that was named.", path=item.path
            )
        yield Object(key, found.size, found.last_modified, found.etag)
        return
    empty = True
    for each in walk(s3, key):
        job.check()
        empty = False
        yield each
    if empty:
        raise NotFound(f"There is no folder {item.path}.", path=item.path)


def count(s3: S3, layout: Layout, items: Sequence[Item], job: Job) -> None:
    """Tell a job how much its items hold, before it begins with them; the size of single files they tell themselves.

    A folder that cannot be counted is left to the work, which fails on it with the same words.
    """
    for item in items:
        if not item.is_folder:
            job.expect(1, 0)
            continue
        with suppress(StorageError):
            for each in walk(s3, layout.key(item.path)):
                job.check()
                job.expect(1, each.size)
    job.all_counted()
