"""Bytes down: one file (or a range of it), several as a zip."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_server.auth.decorator import authorized
from tornado import web

from .streams import StreamingHandler, content_disposition


class BytesHandler(StreamingHandler):
    """What all downloads share: the server's own origin must never run what somebody stored."""

    @property
    def content_security_policy(self) -> str:
        """Nothing in a stored file may run, load or submit anything."""
        return "sandbox; default-src 'none'; frame-ancestors 'self'"

    async def prepare(self) -> None:  # type: ignore[override]  # tornado awaits it
        """As Jupyter's own ``/files/``: a page of another origin must not include what is stored here."""
        await super().prepare()
        if self.request.method in ("GET", "HEAD"):
            self.check_xsrf_cookie()

    def set_download_headers(self, kind: str, name: str) -> None:
        """The headers that every download has."""
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Disposition", content_disposition(kind, name))
        self.set_header("Cache-Control", "private, no-cache")


class ZipHandler(BytesHandler):
    """Several files and folders as one zip."""

    route = "/wherobots/storage/zip"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Send the archive."""
        given = await self.arguments()
        await self._archive(given["path"], given["name"])

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Send the archive of paths that come in the body: JSON, or a form with that JSON in a field."""
        if fields := self.request.body_arguments.get("json"):
            self.request.body = fields[-1]
        given = await self.body()
        await self._archive(given["path"], given.get("name"))

    async def _archive(self, paths: Sequence[str], name: str | None) -> None:
        storage = self.services.require_storage()
        pieces = await self.services.run(storage.archive, paths)
        name = name or (paths[0].rstrip("/").rpartition("/")[2] if len(paths) == 1 else "")
        self.set_download_headers("attachment", f"{(name or 'files').removesuffix('.zip')}.zip")
        await self.send(pieces, "application/zip")


handlers = [ZipHandler]
