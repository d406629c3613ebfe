"""``/wherobots/storage/…``: looking at the managed storage."""

from __future__ import annotations

from jupyter_server.auth.decorator import authorized
from tornado import web

from .base import WherobotsHandler


class ListHandler(WherobotsHandler):
    """One page of a folder."""

    route = "/wherobots/storage/list"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with the page."""
        given = await self.arguments()
        storage = self.services.require_storage()
        listing = await self.services.run(
            storage.list, given["path"], given["limit"], given["cursor"]
        )
        self.reply(listing.to_json())


handlers = [ListHandler]
