"""Answers that are sent piece by piece: back-pressure, a client that leaves, a source that breaks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator, Iterator
from urllib.parse import quote

from tornado.iostream import StreamClosedError

from .base import WherobotsHandler

_NO_FALLBACK = frozenset('"%\\/')


class StreamingHandler(WherobotsHandler):
    """A handler whose answer comes from an iterator that blocks.

    ``left`` is set when the client is gone or the answer is over: sources that can take long watch it.
    ``gone`` says that it was the client, ``broken`` what cut the answer in its middle.
    """

    gone = False
    broken: Exception | None = None

    def initialize(self) -> None:
        """Called by tornado for each request."""
        super().initialize()
        self.left = threading.Event()

    def on_connection_close(self) -> None:
        """The client is gone."""
        self.gone = True
        self.left.set()
        super().on_connection_close()

    async def send(self, pieces: Iterator[bytes], content_type: str) -> None:
        """Send all pieces, the next one being fetched while one is sent; never more than two in memory.

        What goes wrong before the first piece is an answer like any other. Afterwards the connection is cut,
        so that nobody takes the rest for the whole.
        """
        fetch = asyncio.ensure_future(self.services.run(next, pieces, None))
        sent = False
        try:
            while (piece := await fetch) is not None and not self.left.is_set():
                fetch = asyncio.ensure_future(self.services.run(next, pieces, None))
                if not sent:
                    self.set_header("Content-Type", content_type)
                    sent = True
                self.write(piece)
                await self.flush()
            if not self.left.is_set():
                await self.finish(set_content_type=content_type)
        except StreamClosedError:
            self.gone = True
        except Exception as error:
            if not sent:
                raise
            self.log_exception(type(error), error, error.__traceback__)
            self.broken = error
            self.detach().close()
        finally:
            self.left.set()
            if not fetch.done():
                await asyncio.wait({fetch})
            if not fetch.cancelled():
                fetch.exception()  # it has been told, or nobody is there to hear it
            if isinstance(pieces, Generator):  # here, and not on the loop when it is collected
                await self.services.run(pieces.close)


def content_disposition(kind: str, name: str) -> str:
    """``attachment`` or ``inline`` with the file's name (RFC 6266), whatever characters it has.

    Old clients take the plain name, in which everything that some of them read differently is ``_``.
    """
    plain = "".join(
        char if " " <= char <= "~" and char not in _NO_FALLBACK else "_" for char in name
    )
    encoded = quote(name.replace("/", "_"), safe="!#$&+-.^_`|~", errors="replace")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
