"""Bodies that are received piece by piece, after it is clear that they are wanted.

The order is the point: who, may they, is it wanted, is there room, and only then the first byte of the body.
A refusal is answered while the client still waits to send.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from jupyter_core.utils import ensure_async
from tornado import web
from tornado.ioloop import IOLoop

from ..errors import InvalidRequest, TooLarge
from ..s3.crew import BUFFERS
from .base import WherobotsHandler

SLOTS = 6
"""Bodies received at once: six of 16 MiB leave room in the budget that all buffers of the process share."""

_DRAIN = 32 * 1024 * 1024
"""Bytes of a refused body that are read and thrown away, so that the client gets to read the answer. With more to come
the connection is closed."""

_SLACK = 64 * 1024
"""Of a body without a length: what may come before we notice that it is too long."""

_PATIENCE = 60.0
"""Seconds without a byte after which a client is given up: its slot is wanted by others."""


class ReceivingHandler(WherobotsHandler):
    """The base of handlers that take raw bytes by PUT. They are decorated with ``@web.stream_request_body``."""

    def initialize(self) -> None:
        """Called by tornado for each request."""
        super().initialize()
        self.content = bytearray()
        self._limit = self._reserved = 0
        self._held = False
        self._patience: object | None = None
        self._over = self._working = False

    async def expect(self) -> int:
        """How many bytes may come at most. Raises everything that can be refused beforehand."""
        raise NotImplementedError

    async def prepare(self) -> None:  # type: ignore[override]  # tornado awaits it
        """Everything that comes before the first byte of the body."""
        try:
            await super().prepare()
            if self.request.method == "PUT":
                await self._admit()
        except BaseException:
            self.request.connection.set_max_body_size(_DRAIN)  # type: ignore[union-attr]  # HTTP/1 has one
            raise

    async def _admit(self) -> None:
        user = self.current_user
        allowed = user is not None and await ensure_async(
            self.authorizer.is_authorized(self, user, "write", self.auth_resource)
        )
        if not allowed:
            raise web.HTTPError(403)
        self._limit = await self.expect()
        announced = self.request.headers.get("Content-Length", str(self._limit))
        if not announced.isdecimal():
            raise InvalidRequest(f"Content-Length is {announced!r}.")
        length = int(announced)
        if length > self._limit:
            raise TooLarge(f"The body has {length} bytes; at most {self._limit} are taken.")
        slots: asyncio.Semaphore = self.settings.setdefault(
            "wherobots_slots", asyncio.Semaphore(SLOTS)
        )
        await slots.acquire()
        try:
            await self.services.run(BUFFERS.take, length)
        except BaseException:
            slots.release()
            raise
        self._held, self._reserved = True, length
        if self._over:  # the client left while it waited for its turn
            self.release()
            return
        self.request.connection.set_max_body_size(self._limit + _SLACK)  # type: ignore[union-attr]  # HTTP/1 has one
        self._wait()

    def data_received(self, chunk: bytes) -> None:
        """A piece of the body. What is too much is thrown away; `received` tells."""
        self._wait()
        if len(self.content) <= self._limit:
            self.content += chunk

    def received(self) -> bytearray:
        """The whole body. Raises TooLarge, and InvalidRequest if it is not the one that the client announced."""
        self._stop_waiting()
        self._working = True
        if len(self.content) > self._limit:
            raise TooLarge(f"The body is longer than {self._limit} bytes.")
        return self.content

    async def check_sha256(self, announced: str | None) -> None:
        """Raise InvalidRequest unless the body is the one whose SHA-256 the client announced, if it did."""
        if announced is None:
            return
        found = await self.services.run(lambda: hashlib.sha256(self.content).hexdigest())
        if found != announced.lower():
            raise InvalidRequest(
                "The body did not arrive as it was sent: its SHA-256 is another.",
                hint="Send it again.",
            )

    def release(self) -> None:
        """Let the next one in. Safe to call twice."""
        self._stop_waiting()
        if self._held:
            self._held = False
            self.content = bytearray()
            BUFFERS.give(self._reserved)
            self.settings["wherobots_slots"].release()

    def on_finish(self) -> None:
        """The answer is on its way."""
        self._over = True
        self.release()
        super().on_finish()

    def on_connection_close(self) -> None:
        """The client is gone."""
        self._over = True
        if not self._working:  # else the place is taken until what goes on in its thread has ended
            self.release()
        super().on_connection_close()

    def _wait(self) -> None:
        self._stop_waiting()
        self._patience = IOLoop.current().call_later(_PATIENCE, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            IOLoop.current().remove_timeout(self._patience)
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        self.log.warning("%s: no byte came for %g s", self.request.path, _PATIENCE)
        connection: Any = self.request.connection
        connection.stream.close()
