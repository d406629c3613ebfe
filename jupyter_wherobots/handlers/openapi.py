"""``GET /wherobots/openapi.json``: the document."""

from __future__ import annotations

from jupyter_server.auth.decorator import authorized
from tornado import web

from .base import WherobotsHandler
from .document import document


class OpenAPIHandler(WherobotsHandler):
    """The OpenAPI document."""

    route = "/wherobots/openapi.json"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with the document."""
        content = await self.services.run(lambda: document().json)
        self.finish(content)


handlers = [OpenAPIHandler]
