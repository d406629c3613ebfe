"""``/wherobots/storage/file``: one file, down (a range of it) and, if it is small, up."""

from __future__ import annotations

from datetime import timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from ..errors import InvalidRequest, PreconditionFailed, RangeNotSatisfiable
from ..storage.entries import EntryType
from ..storage.naming import Conflict
from ..storage.reading import content_type
from .download import BytesHandler
from .ranges import ByteRange, names, parse_range
from .receiving import ReceivingHandler

if TYPE_CHECKING:
    from ..storage.reading import Detail
    from ..storage.writing import Target

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


@web.stream_request_body
class FileHandler(BytesHandler, ReceivingHandler):
    """One file."""

    route = "/wherobots/storage/file"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Send the file, or the range that was asked for."""
        given = await self.arguments()
        with self.told(given["download"]):
            await self._send_file(given)

    async def _send_file(self, given: dict[str, Any]) -> None:
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

    # -- up -------------------------------------------------------------------------------------

    _target: Target

    async def expect(self) -> int:
        """Decide about the file before a byte of it is read."""
        given = await self.arguments()
        storage = self.services.require_storage()
        etag: str | None = given["If-Match"]
        if etag is not None and not etag.startswith(('"', 'W/"')):
            raise InvalidRequest("If-Match is not one ETag with its quotes.")
        conflict = Conflict(given["conflict"])
        self._target = await self.services.run(
            lambda: storage.target(given["path"], conflict, etag=etag, confirm=given["confirm"])
        )
        return storage.options.one_shot

    @web.authenticated
    @authorized
    async def put(self) -> None:
        """Write the file."""
        given = await self.arguments()
        content = self.received()
        await self.check_sha256(given["X-Content-SHA256"])
        storage = self.services.require_storage()
        entry = await self.services.run(storage.put_file, self._target, content)
        self.reply(entry.to_json(), 201)


handlers = [FileHandler]
