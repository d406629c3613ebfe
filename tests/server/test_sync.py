"""The mirror of home over HTTP, with a real engine on the strict S3."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from jupyter_wherobots.handlers.document import document
from jupyter_wherobots.services import Services
from jupyter_wherobots.sync.service import HomeSync
from jupyter_wherobots.sync.status import ConflictKind, Phase, SkipReason, Why
from tests.server.conftest import Fetch
from tests.strict_s3 import StrictS3

PREFIX = "org/notebooks/customer-abc/"


@pytest.mark.parametrize(
    ("schema", "member", "kind"),
    [
        ("Sync", "phase", Phase),
        ("NotDurable", "why", Why),
        ("Skipped", "reason", SkipReason),
        ("SyncConflict", "kind", ConflictKind),
    ],
)
def test_the_document_knows_every_word_of_the_mirror(
    schema: str, member: str, kind: type[Enum]
) -> None:
    described = document().content["components"]["schemas"][schema]["properties"][member]["enum"]
    assert set(described) == {each.value for each in kind}


async def test_without_a_mirror_the_reason_is_told(fetch: Fetch) -> None:
    for method, route in (
        ("GET", "sync"),
        ("POST", "sync/flush"),
        ("GET", "sync/conflicts"),
        ("GET", "sync/remote"),
        ("GET", "sync/deletes"),
        ("POST", "sync/deletes"),
        ("POST", "sync/save-again"),
        ("POST", "sync/lease"),
    ):
        answer = await fetch(method, route, body=None if method == "GET" else b"")
        assert (answer.status, answer.json["code"]) == (404, "NotFound"), route
        assert "home_persistence is off" in answer.json["message"]


class TestWithAMirror:
    @pytest.fixture
    def configuration(
        self, strict_s3: StrictS3, tmp_path: Path, jp_root_dir: Path
    ) -> dict[str, Any]:
        return {
            "bucket": strict_s3.bucket,
            "organization": "org",
            "user": "abc",
            "layout": "2024",
            "home": str(jp_root_dir),
            "home_persistence": "sync",
            "state": str(tmp_path / "state"),
        }

    @pytest.fixture
    def sync(self, services: Services) -> Iterator[HomeSync]:
        assert services.sync is not None
        assert services.sync.wait_restored(30)
        yield services.sync
        services.sync.stop()

    async def test_the_state_and_a_flush(
        self, strict_s3: StrictS3, fetch: Fetch, sync: HomeSync, jp_root_dir: Path
    ) -> None:
        (jp_root_dir / "a.txt").write_text("a")
        answer = await fetch("POST", "sync/flush", body={"timeout": 20})
        assert answer.status == 200
        assert answer.json["complete"]
        assert strict_s3.body(PREFIX + "a.txt") == b"a"
        state = (await fetch("GET", "sync")).json
        assert state["savedAt"].endswith("Z")
        assert state["pendingFiles"] == 0
        assert (await fetch("GET", "status")).json["sync"]["restored"]
        assert (await fetch("POST", "sync/flush")).json["complete"]
        assert (await fetch("POST", "sync/lease")).json["lease"]["held"]
        answer = await fetch("POST", "sync/flush", body={"timeout": 0})
        assert (answer.status, answer.json["code"]) == (400, "InvalidRequest")

    async def test_what_changed_in_s3(
        self, strict_s3: StrictS3, fetch: Fetch, sync: HomeSync, jp_root_dir: Path
    ) -> None:
        (jp_root_dir / "a.txt").write_text("a")
        await fetch("POST", "sync/flush")
        strict_s3.delete(PREFIX + "a.txt")
        found = (await fetch("GET", "sync/remote")).json["conflicts"]
        assert ("a.txt", "deleted-remotely") in [(each["path"], each["kind"]) for each in found]
        answer = await fetch("POST", "sync/save-again", body={"paths": ["a.txt"]})
        assert answer.json == {"count": 1}
        await fetch("POST", "sync/flush")
        assert strict_s3.body(PREFIX + "a.txt") == b"a"
        assert (await fetch("GET", "sync/conflicts")).status == 200
        assert (await fetch("DELETE", "sync/conflicts")).status == 204
        assert (await fetch("GET", "sync/conflicts")).json == {"conflicts": []}
        assert (await fetch("GET", "sync/deletes")).json["count"] == 0
        assert (await fetch("POST", "sync/deletes")).json == {"count": 0}
