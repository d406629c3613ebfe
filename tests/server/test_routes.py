"""The document and the routes are the same thing; nobody gets past the door without leave."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jupyter_server.auth.authorizer import Authorizer
from jupyter_server.serverapp import ServerApp
from openapi_spec_validator import validate

from jupyter_wherobots.handlers import handler_classes
from jupyter_wherobots.handlers.document import METHODS, document
from tests.server.conftest import Answer, Fetch


def operations() -> set[tuple[str, str]]:
    """Route and verb of everything that is described as built."""
    return {
        (route, verb)
        for route, item in document().content["paths"].items()
        for verb in METHODS
        if verb in item and not item[verb].get("x-planned")
    }


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


@pytest.mark.parametrize(("route", "verb"), sorted(operations()))
async def test_no_token_no_answer(route: str, verb: str, fetch: Fetch) -> None:
    answer = await fetch(verb.upper(), filled(route), auth=False, path="/data/")
    assert answer.status == 403
    if verb != "head":
        assert refused(answer)["code"] == "Forbidden"


class ReadersOnly(Authorizer):
    """Lets everybody read and nobody write."""

    asked: list[tuple[str, str]]

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        self.asked.append((action, resource))
        return action == "read"


@pytest.mark.parametrize(("route", "verb"), sorted(operations()))
async def test_the_authorizer_decides(
    route: str, verb: str, fetch: Fetch, jp_serverapp: ServerApp
) -> None:
    authorizer = ReadersOnly(parent=jp_serverapp)
    authorizer.asked = []
    jp_serverapp.web_app.settings["authorizer"] = authorizer
    answer = await fetch(verb.upper(), filled(route), path="/data/")
    reads = verb in ("get", "head")
    assert authorizer.asked == [("read" if reads else "write", "wherobots")]
    if not reads:
        assert answer.status == 403
        assert refused(answer)["code"] == "Forbidden"
    elif answer.status == 403:  # by the layout, for the path that was made up here
        assert verb == "head" or refused(answer)["code"] == "NotPermitted"


async def test_an_unknown_route_answers_in_the_same_shape(fetch: Fetch) -> None:
    answer = await fetch("GET", "storage/nothing%41")
    assert answer.status == 404
    assert refused(answer)["code"] == "NotFound"
    assert (await fetch("GET", "storage/nothing", auth=False)).status == 403


async def test_a_wrong_verb_answers_in_the_same_shape(fetch: Fetch) -> None:
    answer = await fetch("DELETE", "storage/list", path="/data/")
    assert answer.status == 405
    assert refused(answer)["code"] == "MethodNotAllowed"
