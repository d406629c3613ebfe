"""A progress bar on a terminal; nothing at all elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .common import human_size

if TYPE_CHECKING:
    from ..sync.status import Progress

_INTERVAL = 0.2
"""Seconds between two looks."""

_WIDTH = 24


def bar(label: str, progress: Progress | None) -> str:
    """One line: ``Restoring [######------------------] 30 of 120 files, 2 MB of 8 MB``.

    None: nothing is counted yet.
    """
    if progress is None:
        return f"{label} …"
    total = progress.bytes_total or progress.files_total
    done = progress.bytes_done if progress.bytes_total else progress.files_done
    filled = min(_WIDTH, _WIDTH * done // total) if total else 0
    return (
        f"{label} [{'#' * filled}{'-' * (_WIDTH - filled)}] "
        f"{progress.files_done:,} of {progress.files_total:,} files, "
        f"{human_size(progress.bytes_done)} of {human_size(progress.bytes_total)}"
    )


@contextmanager
def shown(read: Callable[[], tuple[str, Progress | None] | None]) -> Iterator[None]:
    """While entered, show what ``read`` gives (a label and how far it is) on stderr, if that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    over = threading.Event()

    def show() -> None:
        while not over.wait(_INTERVAL):
            if (now := read()) is not None:
                print(f"\r\033[K{bar(*now)}", end="", file=sys.stderr, flush=True)

    thread = threading.Thread(target=show, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        print("\r\033[K", end="", file=sys.stderr, flush=True)
