"""The place that storage commands run in."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commanded import World
from tests.conftest import Endpoint, S3Environment
from tests.strict_s3 import StrictS3

MakeWorld = Callable[[Endpoint], World]


@pytest.fixture
def make_world(s3_env: S3Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MakeWorld:
    """The place ``org``/``u`` on a server, nothing of the developer's own, and an empty folder to work in."""
    for name in list(os.environ):
        if name.startswith(("WHEROBOTS_", "USER_S3_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def make(server: Endpoint) -> World:
        s3_env(server)
        settings = {
            "BUCKET": server.bucket,
            "ORGANIZATION": "org",
            "USER": "u",
            "LAYOUT": "current",
        }
        for name, value in settings.items():
            monkeypatch.setenv(f"WHEROBOTS_{name}", value)
        return World(server, folder)

    return make


@pytest.fixture
def world(make_world: MakeWorld, strict_s3: StrictS3) -> World:
    return make_world(strict_s3)


@pytest.fixture(params=["strict_s3", "moto_server"])
def any_world(make_world: MakeWorld, request: pytest.FixtureRequest) -> World:
    return make_world(request.getfixturevalue(request.param))
