"""The storage on each of the test servers, and the place that its commands run in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.commanded import World, pointing
from tests.conftest import Endpoint, S3Environment
from tests.stored import Stored
from tests.strict_s3 import RCLONE, StrictS3

MakeWorld = Callable[[Endpoint], World]


@pytest.fixture
def make_world(s3_env: S3Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MakeWorld:
    """The place ``org``/``u`` on a server, nothing of the developer's own, and an empty folder to work in."""
    point = pointing(s3_env, monkeypatch, tmp_path)

    def make(server: Endpoint) -> World:
        point(server)
        return World(server, Path.cwd())

    return make


@pytest.fixture
def world(make_world: MakeWorld, strict_s3: StrictS3) -> World:
    return make_world(strict_s3)


@pytest.fixture(params=["strict_s3", "moto_server"])
def any_world(make_world: MakeWorld, request: pytest.FixtureRequest) -> World:
    return make_world(request.getfixturevalue(request.param))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of the server that has the storage."""
    return tmp_path


def storage(server: Endpoint, s3_env: S3Environment, home: Path) -> Iterator[Stored]:
    s3_env(server)
    place = Stored(server, home)
    yield place
    place.close()


@pytest.fixture
def strict(strict_s3: StrictS3, s3_env: S3Environment, home: Path) -> Iterator[Stored]:
    yield from storage(strict_s3, s3_env, home)


@pytest.fixture(params=["strict_s3", "moto_server"])
def stored(request: pytest.FixtureRequest, s3_env: S3Environment, home: Path) -> Iterator[Stored]:
    yield from storage(request.getfixturevalue(request.param), s3_env, home)


@pytest.fixture(params=["strict_s3", "moto_server", "without conditions"])
def any_stored(
    request: pytest.FixtureRequest, s3_env: S3Environment, home: Path
) -> Iterator[Stored]:
    """Also on a store that ignores conditions."""
    careless = request.param == "without conditions"
    server: Endpoint = request.getfixturevalue("strict_s3" if careless else request.param)
    if careless:
        assert isinstance(server, StrictS3)
        server.quirks.update(RCLONE)
    yield from storage(server, s3_env, home)
