"""`Storage`: the managed storage of one user, as one object."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..layout import Layout
from ..threads import DaemonExecutor
from .archive import archive
from .entries import EntryType
from .listing import DEFAULT_LIMIT, Listing, list_folder
from .reading import Detail, Measure, measure, read, stat
from .search import Step, search

if TYPE_CHECKING:
    from ..s3.client import S3
    from ..s3.objects import Body

THREADS = 16
"""Requests to S3 at once, over all jobs and archives."""


class Storage:
    """The storage that a layout shows. Every method blocks and is thread-safe.

    ``layout`` is asked at every call, since finding it out may need S3; ``home`` is the directory for copies
    from and to home.
    """

    def __init__(self, s3: S3, layout: Callable[[], Layout], *, home: Path) -> None:
        self.s3 = s3
        self.layout = layout
        self.home = home
        self._executor = DaemonExecutor(THREADS, "wherobots-storage")

    def list(self, path: str, limit: int = DEFAULT_LIMIT, cursor: str | None = None) -> Listing:
        """One page of a folder: `listing.list_folder`."""
        return list_folder(self.s3, self.layout(), path, limit, cursor)

    def stat(self, path: str, kind: EntryType | None = None) -> Detail:
        """One file or folder: `reading.stat`."""
        return stat(self.s3, self.layout(), path, kind)

    def measure(self, paths: Sequence[str], limit: int) -> Measure:
        """Objects and bytes at some paths: `reading.measure`."""
        return measure(self.s3, self.layout(), paths, limit)

    def search(
        self, path: str, name: str, limit: int, stop: threading.Event | None = None
    ) -> Iterator[Step]:
        """Search by name below a folder: `search.search`."""
        return search(self.s3, self.layout(), path, name, limit, stop)

    def read(self, path: str, byte_range: tuple[int, int | None] | None = None) -> Body:
        """Begin to read a file: `reading.read`."""
        return read(self.s3, self.layout(), path, byte_range)

    def archive(self, paths: Sequence[str]) -> Iterator[bytes]:
        """Files and folders as one zip: `archive.archive`."""
        return archive(self.s3, self.layout(), paths, self._executor)

    def close(self) -> None:
        """End what runs in the background."""
        self._executor.shutdown(wait=False, cancel_futures=True)
