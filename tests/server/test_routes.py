"""The document and the routes are the same thing; nobody gets past the door without leave."""

from __future__ import annotations

import json
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

from jupyter_server.auth.authorizer import Authorizer
from jupyter_server.serverapp import ServerApp
from openapi_spec_validator import validate

from jupyter_wherobots.handlers import handler_classes
from jupyter_wherobots.handlers.document import METHODS, document
from tests.server.conftest import OWN, Answer, Fetch


def operations() -> set[tuple[str, str]]:
    """Route and verb of everything that is described."""
    return set(document().operations)


def filled(route: str) -> str:
    """A route without its base, with something in its placeholders."""
    return route.replace("{id}", "0" * 32).replace("{number}", "1").removeprefix("/wherobots/")


def test_every_route_is_described_and_everything_described_is_a_route() -> None:
    routes = {
        (handler.route, verb)
        for handler in handler_classes
        for verb in METHODS
        if any(verb in cls.__dict__ for cls in handler.__mro__ if "wherobots" in cls.__module__)
    }
    assert routes == operations()


def test_the_document_is_valid_openapi() -> None:
    validate(document().content)


async def test_the_document_is_served(fetch: Fetch) -> None:
    answer = await fetch("GET", "openapi.json")
    assert answer.json == json.loads(document().json)
    assert answer.json["openapi"].startswith("3.1")


def refused(answer: Answer) -> dict[str, Any]:
    """The error of an answer in the one shape there is."""
    assert set(answer.json) == {"code", "message", "path", "hint"}
    assert answer.headers["Content-Type"].startswith("application/json")
    return answer.json  # type: ignore[no-any-return]


async def test_no_token_no_answer(fetch: Fetch) -> None:
    for route, verb in sorted(operations()):
        answer = await fetch(verb.upper(), filled(route), auth=False, path="/data/")
        assert answer.status == 403, (route, verb)
        assert verb == "head" or refused(answer)["code"] == "Forbidden"


async def test_a_cookie_without_its_xsrf_token_changes_nothing(
    fetch: Fetch, server_url: str, jp_auth_header: dict[str, str]
) -> None:
    token = jp_auth_header["Authorization"].partition(" ")[2]
    login = await fetch("GET", "/login", auth=False)
    xsrf = SimpleCookie(login.headers["Set-Cookie"])["_xsrf"].value
    cookies = f"_xsrf={xsrf}"
    answer = await fetch(
        "POST",
        "/login",
        auth=False,
        body=urlencode({"password": token, "_xsrf": xsrf}).encode(),
        headers={"Cookie": cookies, "Content-Type": "application/x-www-form-urlencoded"},
    )
    for cookie in answer.headers.get_list("Set-Cookie"):
        cookies += "; " + cookie.partition(";")[0]
    for route in ("storage/file", "storage/zip"):  # included by a page of somebody else
        answer = await fetch(
            "GET", route, auth=False, headers={"Cookie": cookies}, path="/data/shared/x"
        )
        assert (answer.status, answer.json["code"]) == (403, "Forbidden")
    here = {"Cookie": cookies, "Referer": server_url}
    answer = await fetch("GET", "storage/file", auth=False, headers=here, path="/data/shared/x")
    assert (answer.status, answer.json["code"]) == (404, "NotFound")
    for route, verb in sorted(operations()):
        if verb not in ("get", "head"):
            answer = await fetch(verb.upper(), filled(route), auth=False, headers=here, body=b"")
            assert answer.status == 403, (route, verb)
            assert refused(answer)["code"] == "Forbidden"
    folder = {"path": OWN + "new/"}
    answer = await fetch(
        "POST", "storage/folder", auth=False, headers={**here, "X-XSRFToken": xsrf}, body=folder
    )
    assert answer.status == 201


class ReadersOnly(Authorizer):
    """Lets everybody read and nobody write."""

    asked: set[tuple[str, str]]

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        self.asked.add((action, resource))
        return action == "read"


async def test_the_authorizer_decides(fetch: Fetch, jp_serverapp: ServerApp) -> None:
    authorizer = ReadersOnly(parent=jp_serverapp)
    jp_serverapp.web_app.settings["authorizer"] = authorizer
    for route, verb in sorted(operations()):
        authorizer.asked = set()
        answer = await fetch(verb.upper(), filled(route), path="/data/")
        reads = verb in ("get", "head")
        assert authorizer.asked == {("read" if reads else "write", "wherobots")}, (route, verb)
        if not reads:
            assert answer.status == 403
            assert refused(answer)["code"] == "Forbidden"
        elif answer.status == 403:  # by the layout, for the path that was made up here
            assert verb == "head" or refused(answer)["code"] == "NotPermitted"


async def test_an_unknown_route_answers_in_the_same_shape(fetch: Fetch) -> None:
    answer = await fetch("GET", "storage/100%")
    assert answer.status == 404
    assert refused(answer)["code"] == "NotFound"
    assert refused(answer)["message"].endswith("storage/100%25 in this API.")
    assert (await fetch("GET", "storage/nothing", auth=False)).status == 403


async def test_a_wrong_verb_answers_in_the_same_shape(fetch: Fetch) -> None:
    answer = await fetch("DELETE", "storage/list", path="/data/")
    assert answer.status == 405
    assert refused(answer)["code"] == "MethodNotAllowed"
