"""HTTP/1.1 as an S3 endpoint speaks it, on asyncio streams of bytes; knows nothing of S3.

Written by hand because the tests need what a library hides: a reset instead of an answer, a body
that stops half way, keys whose path must arrive exactly as it was sent.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Coroutine
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol

from tests.strict_s3.bodies import Body

PIECE = 256 * 1024
MAX_HEAD = 64 * 1024


@dataclass
class HttpRequest:
    """One request; the path and the query are as sent, header names are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class Response:
    """One answer, and what goes wrong with it on its way."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: Body = b""
    # An answer to HEAD announces a length and sends no body.
    announced: int | None = None
    reset: bool = False
    # Stop after so many bytes of the body: then go on after some seconds, or drop the connection.
    cut_at: int | None = None
    resume_after: float | None = None


class Application(Protocol):
    """What answers the requests. All calls come from the event loop."""

    def serve(self, request: HttpRequest) -> Response | Coroutine[Any, Any, Response]:
        """The answer, at once or later."""

    def abandoned(self, request: HttpRequest) -> None:
        """The client went away in the middle of the body of this request."""


class Meter(Protocol):
    """What counts the traffic. All calls come from the event loop."""

    def received(self, count: int) -> None:
        """`count` bytes came in."""

    def sent(self, count: int) -> None:
        """`count` bytes were handed to the socket."""

    def began(self, request: HttpRequest) -> None:
        """The head of a request is complete."""

    def ended(self, request: HttpRequest) -> None:
        """Its answer is written, or it will never have one."""


class _Chunked:
    """Decodes `Transfer-Encoding: chunked` as it arrives."""

    def __init__(self) -> None:
        self.body = bytearray()
        self._left = 0
        self._trailer = False

    def feed(self, buffer: bytearray) -> bool:
        """Take what is usable from the buffer; true when the body is complete."""
        while True:
            if self._left > 2:
                piece = buffer[: self._left - 2]
                self.body += piece
                del buffer[: len(piece)]
                self._left -= len(piece)
                if self._left > 2:
                    return False
            if self._left:
                if len(buffer) < self._left:
                    return False
                del buffer[: self._left]
                self._left = 0
            end = buffer.find(b"\r\n")
            if end < 0:
                return False
            line = bytes(buffer[:end])
            del buffer[: end + 2]
            if self._trailer:
                if not line:
                    return True
            elif size := int(line.split(b";")[0], 16):
                self._left = size + 2
            else:
                self._trailer = True


def _report(task: asyncio.Task[None]) -> None:
    """Tell the loop's exception handler what a task raised."""
    if not task.cancelled() and (error := task.exception()) is not None:
        task.get_loop().call_exception_handler({"message": "no answer", "exception": error})


class Connection(asyncio.Protocol):
    """One client's connection: requests one after the other, kept alive."""

    def __init__(self, app: Application, meter: Meter, connections: set[Connection]) -> None:
        self._app, self._meter, self._connections = app, meter, connections
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._request: HttpRequest | None = None
        self._chunked: _Chunked | None = None
        self._length = 0
        self._busy = False
        self._task: asyncio.Task[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost.set()
        if self._task is None or self._task.done():
            self._connections.discard(self)
        else:
            self._task.add_done_callback(lambda _: self._connections.discard(self))
        self.resume_writing()
        if self._request is not None and not self._busy:
            self._app.abandoned(self._request)
            self._meter.ended(self._request)
        # A request that was complete goes on without its client, as it does in S3: that is how
        # a PUT takes effect after the client has given up waiting.

    async def end(self) -> None:
        """Wait until the client is gone and what it had asked for is done."""
        await self._lost.wait()
        if self._task is not None:
            await asyncio.wait({self._task})

    def abort(self) -> None:
        """Drop the connection so that the client sees a reset, not an orderly end."""
        sock = self._transport.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._meter.received(len(data))
        self._buffer += data
        self._advance()

    def pause_writing(self) -> None:
        self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def _advance(self) -> None:
        while not self._busy and not self._transport.is_closing():
            if self._request is None and not self._read_head():
                return
            assert self._request is not None
            if self._chunked is not None:
                if not self._chunked.feed(self._buffer):
                    return
                self._request.body = bytes(self._chunked.body)
            else:
                if len(self._buffer) < self._length:
                    return
                if self._length:
                    self._request.body = bytes(memoryview(self._buffer)[: self._length])
                    del self._buffer[: self._length]
            self._busy = True
            answer = self._app.serve(self._request)
            if isinstance(answer, Response) and self._fits_at_once(answer):
                self._write_head(answer, bytes(answer.body[:]))
                self._finished()
            else:
                self._task = asyncio.get_running_loop().create_task(self._answer_later(answer))
                self._task.add_done_callback(_report)

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD:
                self.abort()
            return False
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        method, target, _version = lines[0].split(" ", 2)
        path, _, query = target.partition("?")
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip()
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        self._request = HttpRequest(method, path, query, headers)
        chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        self._chunked = _Chunked() if chunked else None
        self._length = int(headers.get("content-length", 0))
        self._meter.began(self._request)
        if headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    @staticmethod
    def _fits_at_once(answer: Response) -> bool:
        return not answer.reset and answer.cut_at is None and len(answer.body) <= PIECE

    async def _answer_later(self, answer: Response | Coroutine[Any, Any, Response]) -> None:
        answered = False
        try:
            response = answer if isinstance(answer, Response) else await answer
            if response.reset:
                self.abort()
            elif not self._transport.is_closing():
                await self._write(response)
            answered = True
        finally:
            if not answered:
                self.abort()
            self._finished()

    async def _write(self, response: Response) -> None:
        cut = len(response.body) if response.cut_at is None else response.cut_at
        self._write_head(response, b"")
        await self._write_pieces(response.body, 0, cut)
        if response.cut_at is None:
            return
        if response.resume_after is None:
            # An orderly end with bytes missing: what a broken proxy leaves behind.
            self._transport.close()
            return
        await asyncio.sleep(response.resume_after)
        await self._write_pieces(response.body, cut, len(response.body))

    async def _write_pieces(self, body: Body, start: int, stop: int) -> None:
        while start < stop and not self._transport.is_closing():
            piece = body[start : min(start + PIECE, stop)]
            self._transport.write(piece)
            self._meter.sent(len(piece))
            start += len(piece)
            if self._drained is not None:
                await self._drained

    def _write_head(self, response: Response, body: bytes) -> None:
        if self._transport.is_closing():
            return
        length = len(response.body) if response.announced is None else response.announced
        lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in response.headers]
        if response.status not in (204, 304):
            lines.append(f"Content-Length: {length}")
        data = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body
        self._transport.write(data)
        self._meter.sent(len(data))

    def _finished(self) -> None:
        request, self._request, self._busy, self._task = self._request, None, False, None
        assert request is not None
        self._meter.ended(request)
        if request.headers.get("connection", "").lower() == "close":
            self._transport.close()
        elif self._buffer:
            self._advance()
