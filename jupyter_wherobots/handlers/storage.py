"""``/wherobots/storage/…``: looking at the managed storage."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from ..errors import WherobotsError
from ..layout import Place
from ..storage.entries import EntryType
from ..storage.failures import named
from ..storage.search import Step
from .base import WherobotsHandler
from .streams import StreamingHandler


class ListHandler(WherobotsHandler):
    """One page of a folder."""

    route = "/wherobots/storage/list"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with the page."""
        given = await self.arguments()
        storage = self.services.require_storage()

        def page() -> bytes:
            listing = storage.list(given["path"], given["limit"], given["cursor"])
            # A thousand entries take 20 ms to write out.
            return json.dumps(listing.to_json()).encode()

        self.reply(await self.services.run(page))


class StatHandler(WherobotsHandler):
    """One file or folder."""

    route = "/wherobots/storage/stat"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with the entry."""
        given = await self.arguments()
        storage = self.services.require_storage()
        kind = EntryType(given["type"]) if given["type"] else None
        detail = await self.services.run(storage.stat, given["path"], kind)
        self.reply(detail.to_json())


class MeasureHandler(WherobotsHandler):
    """Objects and bytes at some paths."""

    route = "/wherobots/storage/measure"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with the count."""
        given = await self.arguments()
        storage = self.services.require_storage()
        found = await self.services.run(storage.measure, given["path"], given["limit"])
        self.reply(found.to_json())


class SearchHandler(StreamingHandler):
    """Search by name, as NDJSON."""

    route = "/wherobots/storage/search"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Send the lines."""
        given = await self.arguments()
        storage = self.services.require_storage()
        steps = await self.services.run(
            storage.search, given["path"], given["name"], given["limit"], self.left
        )
        self.set_header("Cache-Control", "no-store")
        await self.send(_lines(steps, self.services.place), "application/x-ndjson")


class FolderHandler(WherobotsHandler):
    """Empty folders."""

    route = "/wherobots/storage/folder"

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Make one."""
        given = await self.body()
        storage = self.services.require_storage()
        entry = await self.services.run(storage.create_folder, given["path"], given["confirm"])
        self.reply(entry.to_json(), 201)


def _lines(steps: Iterator[Step], place: Place | None) -> Iterator[bytes]:
    """The lines of each step at once. What fails after the first is a line too."""
    begun = False
    try:
        for step in steps:
            yield _encoded(_of_step(step))
            begun = True
    except WherobotsError as error:
        if not begun:
            raise
        yield _encoded([{"kind": "error", "error": named(error, place).to_json()}])


def _of_step(step: Step) -> Iterator[dict[str, Any]]:
    for entry in step.entries:
        yield {"kind": "entry", "entry": entry.to_json()}
    counts = {"scanned": step.scanned, "found": step.found}
    if step.complete is None:
        yield {"kind": "progress", **counts}
    else:
        yield {"kind": "end", **counts, "complete": step.complete}


def _encoded(lines: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


handlers = [ListHandler, StatHandler, MeasureHandler, SearchHandler, FolderHandler]
