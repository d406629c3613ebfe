"""A Jupyter server in the process, with the extension on a strict S3."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from jupyter_server.serverapp import ServerApp
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse

from jupyter_wherobots.handlers.document import document
from jupyter_wherobots.services import Services
from tests.conftest import S3Environment
from tests.strict_s3 import StrictS3

ORGANIZATION = "org"
USER = "abc"
OWN = "/data/customer-abc/"
AWKWARD = [
    "a b",
    "+",
    "%",
    "%41",
    "#",
    "?",
    ":",
    "&",
    "'",
    '"',
    "ü",
    "名前",
    ".dot",
    "/x",
    "a//b",
    "\\",
    "e=f;g",
    " ",
]
"""Names that have a meaning of their own in a URL, a header or a path."""


@pytest.fixture
def layout_name() -> str:
    """Overridden by the tests that want the other one."""
    return "current"


@pytest.fixture
def configuration(
    strict_s3: StrictS3, layout_name: str, jp_root_dir: Path, tmp_path: Path
) -> dict[str, Any]:
    """The traits of the extension."""
    return {
        "bucket": strict_s3.bucket,
        "organization": ORGANIZATION,
        "user": USER,
        "layout": layout_name,
        "home": str(jp_root_dir),
        "home_persistence": "off",
        "state": str(tmp_path / "state"),
    }


@pytest.fixture
def jp_server_config(
    strict_s3: StrictS3, s3_env: S3Environment, configuration: dict[str, Any]
) -> dict[str, Any]:
    s3_env(strict_s3)
    return {
        "ServerApp": {
            "jpserver_extensions": {"jupyter_wherobots": True},
            "allow_unauthenticated_access": False,
        },
        "WherobotsApp": configuration,
    }


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes
    headers: Any

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def described(method: str, path: str, answer: Answer) -> None:
    """Every answer that a test gets has to be one of the document: its status, its type, its shape."""
    for route, verb in document().operations:
        if verb != method.lower() or not re.fullmatch(re.sub(r"{\w+}", "[^/]+", route), path):
            continue
        responses = document().content["paths"][route][verb]["responses"]
        assert str(answer.status) in responses, (method, path, answer)
        response = document().resolve(responses[str(answer.status)])
        content = response.get("content", {})
        media = answer.headers.get("Content-Type", "").partition(";")[0]
        if answer.body and "*/*" not in content:
            assert media in content, (method, path, answer)
        if answer.body and media == "application/json" and media in content:
            document().check("answer", answer.json, document().resolve(content[media]["schema"]))
        for name, header in response.get("headers", {}).items():
            assert name in answer.headers or not header.get("required"), name


Fetch = Callable[..., Awaitable[Answer]]


@pytest.fixture
def server_url(
    jp_serverapp: ServerApp, http_server: Any, jp_http_port: int, jp_base_url: str
) -> str:
    return f"http://127.0.0.1:{jp_http_port}{jp_base_url}"


@pytest.fixture
def fetch(server_url: str, jp_auth_header: dict[str, str], io_loop: Any) -> Iterator[Fetch]:
    """``await fetch("GET", "storage/list", path="/data/")``: any status is an answer; a dict travels as JSON.

    A route with a slash in front is one of the server itself.
    """
    client = AsyncHTTPClient(force_instance=True)

    async def request(
        method: str,
        route: str,
        *,
        body: Any = None,
        headers: dict[str, str] | None = None,
        auth: bool = True,
        **query: Any,
    ) -> Answer:
        below = route[1:] if route.startswith("/") else f"wherobots/{route}"
        url = server_url + quote(below)
        pairs = [
            (name, each)
            for name, value in query.items()
            for each in (value if isinstance(value, list) else [value])
        ]
        if pairs:
            url += "?" + urlencode(pairs)
        sent = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        response: HTTPResponse = await client.fetch(
            HTTPRequest(
                url,
                method,
                headers={**(jp_auth_header if auth else {}), **(headers or {})},
                body=sent,
                allow_nonstandard_methods=True,
                follow_redirects=False,
                decompress_response=False,
                request_timeout=30,
            ),
            raise_error=False,
        )
        answer = Answer(response.code, response.body or b"", response.headers)
        if not route.startswith("/"):
            described(method, "/" + below, answer)
        return answer

    yield request
    client.close()


@pytest.fixture
def services(jp_serverapp: ServerApp) -> Services:
    found: Services = jp_serverapp.web_app.settings["wherobots"]
    return found
