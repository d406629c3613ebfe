"""Bytes up: sessions of parts."""

from __future__ import annotations

import threading

from jupyter_server.auth.decorator import authorized
from tornado import web

from ..storage.naming import Conflict
from ..storage.uploads import expected_size, part_json
from .base import WherobotsHandler
from .receiving import ReceivingHandler


class UploadsHandler(WherobotsHandler):
    """The sessions."""

    route = "/wherobots/storage/uploads"
    _track_activity = False

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with those that are not finished."""
        uploads = self.services.require_storage().uploads
        found = await self.services.run(uploads.list)
        self.reply({"uploads": [upload.to_json() for upload in found]})

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Begin one."""
        given = await self.body()
        uploads = self.services.require_storage().uploads
        upload = await self.services.run(
            lambda: uploads.create(
                given["path"],
                given["size"],
                Conflict(given["conflict"]),
                etag=given.get("etag"),
                confirm=given["confirm"],
                label=given.get("label"),
            )
        )
        self.reply(upload.to_json(), 201)


class UploadHandler(WherobotsHandler):
    """One session."""

    route = "/wherobots/storage/uploads/{id}"

    @web.authenticated
    @authorized
    async def get(self, **_: str) -> None:
        """Answer with it and with the parts that S3 holds."""
        given = await self.arguments()
        uploads = self.services.require_storage().uploads
        self.reply((await self.services.run(uploads.get, given["id"])).to_json())

    @web.authenticated
    @authorized
    async def delete(self, **_: str) -> None:
        """Abort it."""
        given = await self.arguments()
        await self.services.run(self.services.require_storage().uploads.abort, given["id"])
        self.set_status(204)
        self.finish()


@web.stream_request_body
class PartHandler(ReceivingHandler):
    """One part."""

    route = "/wherobots/storage/uploads/{id}/parts/{number}"

    def initialize(self) -> None:
        """Called by tornado for each request."""
        super().initialize()
        self.left = threading.Event()

    def on_connection_close(self) -> None:
        """The client is gone: what is on its way to S3 stops too."""
        self.left.set()
        super().on_connection_close()

    async def expect(self) -> int:
        """The size that this part has to have."""
        given = await self.arguments()
        uploads = self.services.require_storage().uploads
        record = await self.services.run(uploads.record, given["id"])
        return expected_size(record, given["number"])

    @web.authenticated
    @authorized
    async def put(self, **_: str) -> None:
        """Pass the part on to S3."""
        given = await self.arguments()
        content = self.received()
        await self.check_sha256(given["X-Content-SHA256"])
        uploads = self.services.require_storage().uploads
        part = await self.services.run(
            uploads.put_part, given["id"], given["number"], content, self.left
        )
        self.reply(part_json(part))


class CompleteHandler(WherobotsHandler):
    """The end of a session."""

    route = "/wherobots/storage/uploads/{id}/complete"

    @web.authenticated
    @authorized
    async def post(self, **_: str) -> None:
        """Make the file of the parts."""
        given = await self.arguments()
        rule = await self.body()
        uploads = self.services.require_storage().uploads
        conflict = Conflict(rule["conflict"]) if "conflict" in rule else None
        if "etag" in rule and conflict is None:
            conflict = Conflict.REPLACE
        entry = await self.services.run(uploads.complete, given["id"], conflict, rule.get("etag"))
        self.reply(entry.to_json(), 201)


handlers = [UploadsHandler, UploadHandler, PartHandler, CompleteHandler]
