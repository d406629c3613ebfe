"""What one server has: the place, the storage, the home mirror, and the threads they run in.

`app.WherobotsApp` makes it, the handlers read it from ``settings["wherobots"]``.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from .downloads import Downloads
from .errors import NotConfigured, Unreachable
from .home import Persistence
from .layout import Layout, LayoutName, Place
from .settings import Configuration
from .threads import DaemonExecutor

if TYPE_CHECKING:
    from .s3.client import S3
    from .storage import Storage
    from .sync.service import HomeSync

T = TypeVar("T")

THREADS = 16
"""Threads for the requests of the page. Home has its own; a folder that hangs never stops saving."""


class Services:
    """Everything the handlers call.

    ``storage`` and ``s3`` are None while bucket, organization or user is missing; ``sync`` is None unless home is mirrored.
    """

    def __init__(self, configuration: Configuration, persistence: Persistence) -> None:
        self.configuration = configuration
        self.persistence = persistence
        self.s3: S3 | None = None
        self.storage: Storage | None = None
        self.sync: HomeSync | None = None
        self.downloads = Downloads()
        self._look: asyncio.Future[Layout] | None = None
        self._executor = DaemonExecutor(THREADS, "wherobots")

    @property
    def place(self) -> Place | None:
        """Whose storage this is, or None while that is not configured."""
        return self.configuration.place

    def require_storage(self) -> Storage:
        """The storage. Raises NotConfigured with exactly what is missing."""
        if self.storage is None:
            raise NotConfigured(self.configuration.message or "Managed storage is not configured.")
        return self.storage

    async def look_at_layout(self, seconds: float) -> Layout | None:
        """The layout, or None if nothing is configured. Raises StorageError, also when S3 has not answered in time.

        All who ask while S3 does not answer wait for one look: however often they ask, it holds up one thread.
        """
        if self.storage is None:
            return None
        if self._look is None or self._look.done():
            self._look = asyncio.ensure_future(self.run(self.storage.layout))
            # Nobody may be there any more when it fails.
            self._look.add_done_callback(lambda look: look.cancelled() or look.exception())
        look = self._look
        if not (await asyncio.wait({look}, timeout=seconds))[0]:
            raise Unreachable(f"S3 has not answered for {seconds:g} s.")
        return look.result()

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """Run a blocking function in a thread of ours."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *args)

    def close(self) -> None:
        """Let go of threads and connections; work that has not begun is dropped."""
        if self.storage is not None:
            self.storage.close()
        self._executor.shutdown(wait=False, cancel_futures=True)
        if self.s3 is not None:
            self.s3.close()


class LayoutResolver:
    """The layout to show. ``auto`` asks S3 once whether anything lies under ``/notebooks/``, and remembers the answer.

    Thread-safe and blocking. Raises the `StorageError` of a failed look, and looks again at the next call.
    """

    def __init__(self, place: Place, name: LayoutName | None, s3: S3) -> None:
        self._place = place
        self._s3 = s3
        self._lock = threading.Lock()
        self._layout = None if name is None else Layout(place, name)

    def __call__(self) -> Layout:
        """The layout. Raises StorageError."""
        with self._lock:
            if self._layout is None:
                from .s3.listing import page

                found = page(
                    self._s3, f"{self._place.organization}/notebooks/", delimiter="", limit=1
                )
                name = LayoutName.V2024 if found.objects else LayoutName.CURRENT
                self._layout = Layout(self._place, name)
            return self._layout
