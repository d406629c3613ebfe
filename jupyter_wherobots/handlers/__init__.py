"""The REST API. HTTP only: parse, authorise, call `storage` or `sync`, shape the answer.

The routes are the path templates of ``openapi.yaml``; a test compares the two in both directions.
"""

from __future__ import annotations

import re

from . import download, file, jobs, openapi, status, storage, sync, upload
from .base import NoSuchRoute, WherobotsHandler

__all__ = ["default_handlers", "handler_classes"]

handler_classes: tuple[type[WherobotsHandler], ...] = (
    *openapi.handlers,
    *status.handlers,
    *storage.handlers,
    *file.handlers,
    *download.handlers,
    *upload.handlers,
    *jobs.handlers,
    *sync.handlers,
)
"""Everything that the document describes."""


def _pattern(route: str) -> str:
    """A route of the document as tornado wants it: ``{id}`` becomes a named group."""
    return re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(route))


default_handlers: list[tuple[str, type[WherobotsHandler]]] = [
    *((_pattern(handler.route), handler) for handler in handler_classes),
    (NoSuchRoute.route, NoSuchRoute),
]
