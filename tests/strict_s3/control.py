"""The server's controls for other processes: POST /-/control with JSON, and the client of it.

    {"do": "fail", "with": {"operation": "PutObject", "code": "SlowDown", "times": 2}}

answers `{"result": …}`, or 400 with `{"error": …, "kind": …}`. Each action is the method of
StrictS3 of that name; bytes travel as base64, a gate is known by its number since the last
`heal`. Control requests are not counted.
"""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from tests.strict_s3.calls import Operation
from tests.strict_s3.conditions import Access, Quirk
from tests.strict_s3.faults import Fault, When
from tests.strict_s3.http import Response
from tests.strict_s3.journal import CONTROL_PATH
from tests.strict_s3.store import Version

if TYPE_CHECKING:
    from tests.strict_s3.server import StrictS3


def _fail(server: StrictS3, fault: str = "error", **arguments: Any) -> None:
    server.fail(fault=Fault(fault), **arguments)


def _gate(server: StrictS3, when: str = "before", **arguments: Any) -> int:
    server.gate(when=When(when), **arguments)
    return len(server.gates) - 1


def _arrivals(server: StrictS3, gate: int, count: int = 1, timeout: float = 10.0) -> list[str]:
    return server.gates[gate].wait_for_arrivals(count, timeout)


def _release(server: StrictS3, gate: int) -> None:
    server.gates[gate].release()


def _quirks(server: StrictS3, names: list[str]) -> None:
    quirks = {Quirk(name) for name in names}
    server.quirks.clear()
    server.quirks.update(quirks)


def _deny(server: StrictS3, prefix: str = "", access: list[str] | None = None) -> None:
    if access is None:
        server.deny(prefix)
    else:
        server.deny(prefix, [Access[name] for name in access])


def _signatures(server: StrictS3, **values: Any) -> None:
    _set(server.signatures, values)


def _limits(server: StrictS3, **values: int) -> None:
    _set(server.limits, values)


def _set(target: Any, values: Mapping[str, Any]) -> None:
    unknown = values.keys() - {each.name for each in fields(target)}
    if unknown:
        raise ValueError(f"unknown: {sorted(unknown)}")
    vars(target).update(values)


def _latency(server: StrictS3, seconds: float) -> None:
    server.latency = seconds


def _stats(server: StrictS3) -> dict[str, Any]:
    journal = server.journal
    return {
        "counts": server.counts,
        "bytes_in": journal.bytes_in,
        "bytes_out": journal.bytes_out,
        "in_flight": journal.in_flight,
        "peak": journal.peak,
    }


def _put(server: StrictS3, key: str, body: str = "", **options: Any) -> str:
    return server.put(key, base64.b64decode(body), **options)


def _object(server: StrictS3, key: str) -> dict[str, Any] | None:
    version = server.object(key)
    return None if version is None else _described(version)


def _described(version: Version) -> dict[str, Any]:
    return {
        "etag": f'"{version.etag}"',
        "last_modified": version.last_modified,
        "metadata": dict(version.metadata),
        "size": len(version.body),
        "body": base64.b64encode(version.body[:]).decode(),
    }


def _uploads(server: StrictS3) -> list[dict[str, Any]]:
    return [
        {"key": upload.key, "upload_id": upload.upload_id, "parts": sorted(upload.parts)}
        for upload in server.uploads()
    ]


ACTIONS: dict[str, Callable[..., Any]] = {
    "fail": _fail,
    "gate": _gate,
    "wait_for_arrivals": _arrivals,
    "release": _release,
    "heal": lambda server: server.heal(),
    "drop_connections": lambda server: server.drop_connections(),
    "quirks": _quirks,
    "set_versioning": lambda server, status: server.set_versioning(status),
    "deny": _deny,
    "allow_all": lambda server: server.allow_all(),
    "signatures": _signatures,
    "limits": _limits,
    "latency": _latency,
    "advance": lambda server, seconds: server.clock.advance(seconds),
    "freeze": lambda server, at=None: server.clock.freeze(at),
    "run": lambda server: server.clock.run(),
    "stats": _stats,
    "requests": lambda server: [asdict(record) for record in server.requests],
    "wait_for": lambda server, **arguments: server.wait_for(**arguments),
    "put": _put,
    "put_synthetic": lambda server, key, size: server.put_synthetic(key, size),
    "generate": lambda server, **arguments: server.generate(**arguments),
    "delete": lambda server, key: server.delete(key),
    "keys": lambda server, prefix="": server.keys(prefix),
    "object": _object,
    "uploads": _uploads,
    "reset": lambda server: server.reset(),
}


def answer(server: StrictS3, body: bytes) -> Response:
    """The answer to a control request; may block, as the waiting actions do."""
    status = 200
    result: dict[str, Any]
    try:
        request = json.loads(body)
        result = {"result": ACTIONS[request["do"]](server, **request.get("with", {}))}
    except (ValueError, LookupError, TypeError, TimeoutError) as error:
        status, result = 400, {"error": str(error), "kind": type(error).__name__}
    content = json.dumps(result, default=_plain).encode()
    return Response(status, [("Content-Type", "application/json")], content)


def _plain(value: object) -> str:
    assert isinstance(value, Operation)
    return value.value


class Remote:
    """The controls of a strict S3 in another process: `remote("fail", operation="PutObject")`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, do: str, **arguments: Any) -> Any:
        """The result of one action. Raises TimeoutError as the server did, ValueError else."""
        body = json.dumps({"do": do, "with": arguments}).encode()
        request = urllib.request.Request(self.url + CONTROL_PATH, data=body)
        try:
            with urllib.request.urlopen(request) as response:
                return json.load(response)["result"]
        except urllib.error.HTTPError as error:
            with error:
                refusal = json.load(error)
        kind = TimeoutError if refusal["kind"] == "TimeoutError" else ValueError
        raise kind(refusal["error"])
