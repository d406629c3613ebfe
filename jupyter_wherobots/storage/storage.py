"""`Storage`: the managed storage of one user, as one object."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..layout import Layout
from .listing import DEFAULT_LIMIT, Listing, list_folder

if TYPE_CHECKING:
    from ..s3.client import S3


class Storage:
    """The storage that a layout shows. Every method blocks and is thread-safe.

    ``layout`` is asked at every call, since finding it out may need S3; ``home`` is the directory for copies from and to home.
    """

    def __init__(self, s3: S3, layout: Callable[[], Layout], *, home: Path) -> None:
        self.s3 = s3
        self.layout = layout
        self.home = home

    def list(self, path: str, limit: int = DEFAULT_LIMIT, cursor: str | None = None) -> Listing:
        """One page of a folder: `listing.list_folder`."""
        return list_folder(self.s3, self.layout(), path, limit, cursor)

    def close(self) -> None:
        """End what runs in the background."""
