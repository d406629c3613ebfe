"""Bytes down: one file (or a range of it), several as a zip; and what became of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from jupyter_server.auth.decorator import authorized
from tornado import web

from ..downloads import Download, DownloadState
from .base import WherobotsHandler
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

    @contextmanager
    def told(self, name: str | None) -> Iterator[Download]:
        """Remember what becomes of this answer, for the page that gave the download a name."""
        download = self.services.downloads.named(name) if name else Download()
        download.begin()
        try:
            yield download
        except BaseException as error:
            download.end(DownloadState.FAILED, self.described(error))
            raise
        if self.broken is not None:
            download.end(DownloadState.FAILED, self.described(self.broken))
        else:
            download.end(DownloadState.CANCELLED if self.gone else DownloadState.DONE)


class ZipHandler(BytesHandler):
    """Several files and folders as one zip."""

    route = "/wherobots/storage/zip"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Send the archive."""
        given = await self.arguments()
        await self._archive(given["path"], given["name"], given["download"])

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Send the archive of paths that come in the body: JSON, or a form with that JSON in a field."""
        if fields := self.request.body_arguments.get("json"):
            self.request.body = fields[-1]
        given = await self.body()
        await self._archive(given["path"], given.get("name"), given.get("download"))

    async def _archive(self, paths: Sequence[str], name: str | None, told_as: str | None) -> None:
        with self.told(told_as) as download:
            storage = self.services.require_storage()
            pieces = await self.services.run(storage.archive, paths, download.missing)
            name = name or (paths[0].rstrip("/").rpartition("/")[2] if len(paths) == 1 else "")
            self.set_download_headers("attachment", f"{(name or 'files').removesuffix('.zip')}.zip")
            await self.send(pieces, "application/zip")


class DownloadHandler(WherobotsHandler):
    """What became of one download."""

    route = "/wherobots/storage/downloads/{id}"
    _track_activity = False

    @web.authenticated
    @authorized
    async def get(self, **_: str) -> None:
        """Answer with it."""
        given = await self.arguments()
        self.reply(self.services.downloads.named(given["id"]).to_json())


handlers = [ZipHandler, DownloadHandler]
