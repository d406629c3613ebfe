"""What became of downloads: a browser saves them by itself, and the page that asked for one cannot see how it ends.

The page names its download and asks by that name. Knows neither HTTP nor S3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

REMEMBERED = 200
"""Downloads of which the outcome is kept; those that nobody asked about for longest are forgotten."""


class DownloadState(str, Enum):
    """How far a download is."""

    WAITING = "waiting"
    """Nobody has asked for it yet under this name."""
    SENDING = "sending"
    DONE = "done"
    CANCELLED = "cancelled"
    """Whoever fetched it left before the end."""
    FAILED = "failed"


@dataclass
class Download:
    """One download. ``missing`` are the objects that were left out, in words; ``error`` is in the shape of the API."""

    state: DownloadState = DownloadState.WAITING
    missing: list[str] = field(default_factory=list)
    error: Mapping[str, Any] | None = None

    def begin(self) -> None:
        """It is being fetched (perhaps again, by a browser that tries once more)."""
        self.state = DownloadState.SENDING
        self.missing.clear()
        self.error = None

    def end(self, state: DownloadState, error: Mapping[str, Any] | None = None) -> None:
        """It is over."""
        self.state = state
        self.error = error

    def to_json(self) -> dict[str, Any]:
        """As the API tells it."""
        return {"state": self.state.value, "missing": len(self.missing), "error": self.error}


class Downloads:
    """The last downloads, by the names that pages gave them. Belongs to one event loop."""

    def __init__(self) -> None:
        self._known: dict[str, Download] = {}

    def named(self, name: str) -> Download:
        """The download of this name, whoever speaks of it first: the page that asks, or the browser that fetches it."""
        # Put last again: one that somebody asks about is not forgotten.
        download = self._known.pop(name, None) or Download()
        self._known[name] = download
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        return download
