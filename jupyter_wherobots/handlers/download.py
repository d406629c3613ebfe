"""Bytes down: one file (or a range of it), several as a zip."""

from __future__ import annotations

from datetime import timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from ..errors import PreconditionFailed, RangeNotSatisfiable
from ..storage.entries import EntryType
from ..storage.reading import content_type
from .ranges import ByteRange, names, parse_range
from .streams import StreamingHandler, content_disposition

if TYPE_CHECKING:
    from ..storage.reading import Detail

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

    def set_download_headers(self, kind: str, name: str) -> None:
        """The headers that every download has."""
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Disposition", content_disposition(kind, name))
        self.set_header("Cache-Control", "private, no-cache")


class FileHandler(BytesHandler):
    """One file."""

    route = "/wherobots/storage/file"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Send the file, or the range that was asked for."""
        given = await self.arguments()
        storage = self.services.require_storage()
        path: str = given["path"]
        detail = await self.services.run(storage.stat, path, EntryType.FILE)
        asked = self._begin(given, detail)
        if self.get_status() == 304:
            await self.finish()
            return
        start, end = asked.start, asked.end
        self.set_header("Content-Length", str(end - start))
        media = content_type(path, detail.content_type)
        if start == end:
            await self.finish(set_content_type=media)
            return
        body = await self.services.run(storage.read, path, (start, end))
        try:
            if body.etag != detail.entry.etag:
                raise PreconditionFailed(f"{path} was replaced at this moment.", path=path)
            await self.send(body.chunks, media)
        finally:
            await self.services.run(body.close)

    @web.authenticated
    @authorized
    async def head(self) -> None:
        """Send the headers alone."""
        given = await self.arguments()
        storage = self.services.require_storage()
        detail = await self.services.run(storage.stat, given["path"], EntryType.FILE)
        asked = self._begin(given, detail)
        if self.get_status() != 304:
            self.set_header("Content-Length", str(asked.end - asked.start))
        await self.finish(set_content_type=content_type(given["path"], detail.content_type))

    def _begin(self, given: dict[str, Any], detail: Detail) -> ByteRange:
        """Set status and headers; gives the range that is to be sent."""
        entry = detail.entry
        etag, size, path = entry.etag or "", entry.size or 0, entry.path
        modified = (
            format_datetime(entry.last_modified.astimezone(timezone.utc), usegmt=True)
            if entry.last_modified
            else ""
        )
        if given["If-Match"] is not None and not names(given["If-Match"], etag, weak=False):
            raise PreconditionFailed(f"{path} is not the version that was named.", path=path)
        media = content_type(path, detail.content_type)
        inline = (
            given["disposition"] == "inline" and media.startswith(_INLINE) and "svg" not in media
        )
        self.set_download_headers(
            "inline" if inline else "attachment", path.rstrip("/").rpartition("/")[2] or "file"
        )
        self.set_header("ETag", etag)
        self.set_header("Last-Modified", modified)
        self.set_header("Accept-Ranges", "bytes")
        whole = ByteRange(0, size)
        if names(given["If-None-Match"], etag, weak=True):
            self.set_status(304)
            return whole
        if given["If-Range"] not in (None, etag, modified):
            return whole
        try:
            asked = parse_range(given["Range"], size)
        except RangeNotSatisfiable:
            self._range_of_error = f"bytes */{size}"
            raise
        if asked is None:
            return whole
        self.set_status(206)
        self.set_header("Content-Range", f"bytes {asked.start}-{asked.end - 1}/{size}")
        return asked

    _range_of_error: str | None = None

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """With the size of the file where the range was wrong."""
        if self._range_of_error is not None:
            self.set_header("Content-Range", self._range_of_error)
        super().write_error(status_code, **kwargs)


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


handlers = [FileHandler, ZipHandler]
