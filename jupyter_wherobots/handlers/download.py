"""Bytes down: one file (or a range of it), several as a zip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_server.auth.decorator import authorized
from tornado import web

from .streams import StreamingHandler, content_disposition

if TYPE_CHECKING:
    pass

# What a browser shows without running any of it; everything else is an attachment, whatever was asked for.
_INLINE = (
    "image/",
    "audio/",
    "video/",
    "text/plain",
    "text/csv",
    "text/markdown",
    "application/json",
    "application/geo+json",
    "application/x-ndjson",
    "application/x-ipynb+json",
    "application/pdf",
)


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
        storage = self.services.require_storage()
        paths: list[str] = given["path"]
        pieces = await self.services.run(storage.archive, paths)
        name = given["name"] or (paths[0].rstrip("/").rpartition("/")[2] if len(paths) == 1 else "")
        self.set_download_headers("attachment", f"{(name or 'files').removesuffix('.zip')}.zip")
        await self.send(pieces, "application/zip")


handlers = [ZipHandler]
