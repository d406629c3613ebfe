"""What every handler has: who may call it, what it is given, how it says that something went wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import responses
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

from jupyter_server.base.handlers import APIHandler
from tornado import web

from ..errors import WherobotsError
from ..storage.failures import named
from .document import Operation, document

if TYPE_CHECKING:
    from ..services import Services

AUTH_RESOURCE = "wherobots"

_QUICK = 32 * 1024
"""Bytes of a body that is judged at once; ten thousand items take too long to let everybody else wait."""

# Answers of tornado and of Jupyter Server themselves, by the name that our own errors would have.
_CODES = {
    400: "InvalidRequest",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    413: "TooLarge",
}
_HINTS = {
    403: "Sign in again (reload the page), or send the server's token in the Authorization header.",
}


class WherobotsHandler(APIHandler):
    """The base of all handlers. ``route`` is the path template in the OpenAPI document."""

    auth_resource = AUTH_RESOURCE
    route: ClassVar[str]

    @property
    def services(self) -> Services:
        """Everything this server has."""
        services: Services = self.settings["wherobots"]
        return services

    async def operation(self) -> Operation:
        """The document's description of this request."""
        if not document.cache_info().currsize:
            await self.services.run(document)
        method = (self.request.method or "").lower()
        return document().operations[self.route, method]

    async def arguments(self) -> dict[str, Any]:
        """The parameters of this request, checked against the document. Raises InvalidRequest, InvalidPath."""
        operation = await self.operation()
        return operation.arguments(
            self.request.query_arguments, self.path_kwargs, self.request.headers
        )

    async def body(self) -> dict[str, Any]:
        """The JSON body of this request, checked against the document. Raises InvalidRequest, InvalidPath."""
        operation, content = await self.operation(), self.request.body
        if len(content) < _QUICK:
            return operation.body(content)
        return await self.services.run(operation.body, content)

    def reply(self, value: Mapping[str, Any] | bytes, status: int = 200) -> None:
        """Answer with JSON, written out here or already."""
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        self.finish(value if isinstance(value, bytes) else json.dumps(value))

    def compute_etag(self) -> None:
        """No ETag for JSON: tornado would hash every answer for a 304 that no client asks for."""

    # -- errors

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """One line for what we raise on purpose; a traceback that names the request for everything else."""
        if isinstance(value, WherobotsError):
            self.log.info(
                "%s %s: %s: %s", self.request.method, self.request.path, value.code, value
            )
        elif isinstance(value, web.HTTPError):
            super().log_exception(typ, value, tb)
        elif typ is not None and value is not None:
            self.log.error(
                "%s %s failed", self.request.method, self.request.path, exc_info=(typ, value, tb)
            )

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Answer with the status that an error of ours stands for."""
        error = kwargs.get("exc_info", (None, None))[1]
        if isinstance(error, WherobotsError):
            status_code = error.status
        super().send_error(status_code, **kwargs)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with the error in its one shape."""
        error = kwargs.get("exc_info", (None, None))[1]
        self.set_header("Cache-Control", "no-store")
        APIHandler.finish(self, json.dumps(self.described(error, status_code)))

    def described(self, error: BaseException | None, status_code: int = 500) -> dict[str, Any]:
        """The one shape of every error: ``{code, message, path, hint}``."""
        if isinstance(error, WherobotsError):
            return named(error, self.services.place).to_json()
        phrase = responses.get(status_code, "Error")
        message = phrase
        if isinstance(error, web.HTTPError) and error.log_message:
            message = error.log_message % error.args
        code = _CODES.get(status_code, phrase.replace(" ", ""))
        hint = _HINTS.get(status_code, "")
        if status_code >= 500:
            message = "Something failed that this server did not foresee."
            hint = "The server's log names it; please report it."
        return {"code": code, "message": message, "path": None, "hint": hint}


class NoSuchRoute(WherobotsHandler):
    """Everything below ``/wherobots/`` that is not a route: the same shape of error, instead of a page."""

    route = "/wherobots/.*"

    async def prepare(self) -> None:  # type: ignore[override]  # tornado awaits it
        """Authenticate first, so that a stranger learns nothing."""
        await super().prepare()
        if self.current_user is None:
            raise web.HTTPError(403)
        raise web.HTTPError(404, f"There is no {self.request.path} in this API.")
