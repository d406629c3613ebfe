"""`Storage`: the managed storage of one user, as one object."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..layout import Layout
from ..threads import DaemonExecutor
from .archive import archive
from .copying import Copier
from .deleting import plan_delete
from .entries import Entry, EntryType
from .exchange import Exchange
from .home import Home
from .items import Item
from .jobs import Job, Jobs
from .listing import DEFAULT_LIMIT, Listing, list_folder
from .naming import Conflict
from .options import Options
from .reading import Detail, Measure, measure, read, stat
from .records import Records
from .search import Step, search
from .uploads import Uploads
from .writing import Target, create_folder, put_file, target

if TYPE_CHECKING:
    from ..s3.client import S3
    from ..s3.objects import Body

log = logging.getLogger(__name__)

SWEEP_INTERVAL = 3600.0
"""Seconds between two looks for forgotten uploads."""

THREADS = 16
"""Requests to S3 at once, over all jobs and archives."""


class Storage:
    """The storage that a layout shows. Every method blocks and is thread-safe.

    ``layout`` is asked at every call, since finding it out may need S3; ``home`` is the directory for copies
    from and to home.
    """

    def __init__(
        self,
        s3: S3,
        layout: Callable[[], Layout],
        *,
        home: Path,
        state: Path,
        options: Options | None = None,
    ) -> None:
        self.s3 = s3
        self.layout = layout
        self.home = home
        self.options = options or Options()
        # Some stores put a file together, or copy it, before they answer with the first byte; rclone lets a
        # part wait until others are through.
        limits = replace(s3.timeouts, read=max(s3.timeouts.read, s3.timeouts.put))
        self._patient = s3.sibling(timeouts=limits)
        self.uploads = Uploads(s3, self._patient, layout, Records(state / "uploads"), self.options)
        self.jobs = Jobs(layout)
        self._executor = DaemonExecutor(THREADS, "wherobots-storage")
        self._closed = threading.Event()

    def start(self) -> None:
        """Begin to abort forgotten uploads, now and every hour. Not needed for anything else."""
        threading.Thread(target=self._sweep, name="wherobots-janitor", daemon=True).start()

    def _sweep(self) -> None:
        while True:
            try:
                self.uploads.sweep()
            except Exception:  # the rim of a thread: the next hour is another chance
                log.exception("Forgotten uploads could not be aborted")
            if self._closed.wait(SWEEP_INTERVAL):
                return

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

    def target(
        self,
        path: str,
        conflict: Conflict = Conflict.FAIL,
        *,
        etag: str | None = None,
        confirm: bool = False,
    ) -> Target:
        """Decide about a file that is to be written: `writing.target`."""
        return target(self.s3, self.layout(), path, conflict, etag=etag, confirm=confirm)

    def put_file(self, where: Target, body: bytes | bytearray) -> Entry:
        """Write a file in one request: `writing.put_file`."""
        return put_file(self.s3, self.layout(), where, body)

    def create_folder(self, path: str, confirm: bool = False) -> Entry:
        """Make an empty folder: `writing.create_folder`."""
        return create_folder(self.s3, self.layout(), path, confirm)

    def archive(
        self, paths: Sequence[str], missing: MutableSequence[str] | None = None
    ) -> Iterator[bytes]:
        """Files and folders as one zip: `archive.archive`."""
        errors = [] if missing is None else missing
        return archive(self.s3, self.layout(), paths, self._executor, errors)

    # -- jobs ---------------------------------------------------------------------------------------

    def copy(
        self,
        items: Sequence[Item],
        destination: str,
        conflict: Conflict = Conflict.FAIL,
        *,
        move: bool = False,
        confirm: bool = False,
    ) -> Job:
        """Begin to copy or move into a folder: `copying.Copier.plan`."""
        return self.jobs.start(self._copier(conflict, confirm).plan(items, destination, move=move))

    def rename(
        self, item: Item, name: str, conflict: Conflict = Conflict.FAIL, *, confirm: bool = False
    ) -> Job:
        """Begin to rename: `copying.Copier.plan_rename`."""
        return self.jobs.start(self._copier(conflict, confirm).plan_rename(item, name))

    def delete(self, items: Sequence[Item], *, confirm: bool = False) -> Job:
        """Begin to delete: `deleting.plan_delete`."""
        return self.jobs.start(
            plan_delete(self.s3, self.layout(), items, self._executor, confirm=confirm)
        )

    def home_to_storage(
        self,
        paths: Sequence[str],
        destination: str,
        conflict: Conflict = Conflict.FAIL,
        *,
        confirm: bool = False,
    ) -> Job:
        """Begin to copy from home: `exchange.Exchange.plan_to_storage`."""
        return self.jobs.start(
            self._exchange(conflict, confirm).plan_to_storage(paths, destination)
        )

    def storage_to_home(
        self, items: Sequence[Item], destination: str, conflict: Conflict = Conflict.FAIL
    ) -> Job:
        """Begin to copy to home: `exchange.Exchange.plan_to_home`."""
        return self.jobs.start(self._exchange(conflict, False).plan_to_home(items, destination))

    def _copier(self, conflict: Conflict, confirm: bool) -> Copier:
        layout, limit = self.layout(), self.options.copy_limit
        return Copier(
            self.s3, self._patient, layout, self._executor, self.uploads, conflict, confirm, limit
        )

    def _exchange(self, conflict: Conflict, confirm: bool) -> Exchange:
        layout, home = self.layout(), Home(self.home)
        return Exchange(
            self.s3, self._patient, layout, home, self._executor, self.uploads, conflict, confirm
        )

    def close(self) -> None:
        """End what runs in the background."""
        self._closed.set()
        self.jobs.close()
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._patient.close()
