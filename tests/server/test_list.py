"""``GET storage/list`` and ``GET status`` as a client sees them, on the strict S3."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.conftest import OWN, Fetch
from tests.strict_s3 import StrictS3


async def test_a_folder_is_listed(strict_s3: StrictS3, fetch: Fetch) -> None:
    etag = strict_s3.put("org/data/customer-abc/a b.csv", b"123")
    strict_s3.put("org/data/customer-abc/sub/c")
    answer = (await fetch("GET", "storage/list", path=OWN)).json
    assert answer["entries"][0] == {
        "name": "a b.csv",
        "path": "/data/customer-abc/a b.csv",
        "uri": f"s3://{strict_s3.bucket}/org/data/customer-abc/a b.csv",
        "type": "FILE",
        "size": 3,
        "lastModified": answer["entries"][0]["lastModified"],
        "etag": etag,
        "mutateProtected": False,
        "uploadProtected": False,
        "reason": None,
    }
    assert answer["entries"][1]["path"] == "/data/customer-abc/sub/"
    assert answer["entries"][1]["uri"].endswith("/org/data/customer-abc/sub/")
    assert answer["entries"][1]["type"] == "FOLDER"
    assert answer["uri"] == f"s3://{strict_s3.bucket}/org/data/customer-abc/"
    assert (answer["cursor"], answer["complete"]) == (None, True)
    assert answer["counts"] == {"files": 1, "folders": 1}
    assert not answer["uploadProtected"]
    assert answer["mutateProtected"]


async def test_the_fixed_folders_need_no_s3(strict_s3: StrictS3, fetch: Fetch) -> None:
    answer = (await fetch("GET", "storage/list", path="/")).json
    assert [entry["name"] for entry in answer["entries"]] == ["data", "spark-logs"]
    assert answer["uploadProtected"]
    assert answer["reason"]
    answer = (await fetch("GET", "storage/list", path="/data/")).json
    assert [entry["name"] for entry in answer["entries"]] == ["customer-abc", "shared"]
    answer = (await fetch("GET", "storage/list", path="/data/", limit=1)).json
    rest = (await fetch("GET", "storage/list", path="/data/", cursor=answer["cursor"])).json
    assert [entry["name"] for entry in rest["entries"]] == ["shared"]
    assert strict_s3.count() == 0


async def test_a_page_is_one_request_whatever_the_folder(strict_s3: StrictS3, fetch: Fetch) -> None:
    strict_s3.generate("org/data/customer-abc/", 1_000_000)
    answer = (await fetch("GET", "storage/list", path=OWN)).json
    assert [entry["name"] for entry in answer["entries"]] == [f"{i:08d}.bin" for i in range(200)]
    answer = (
        await fetch("GET", "storage/list", path=OWN, limit=1000, cursor=answer["cursor"])
    ).json
    assert answer["entries"][0]["name"] == "00000200.bin"
    assert answer["entries"][-1]["name"] == "00001199.bin"
    assert strict_s3.counts == {"ListObjectsV2": 2}


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "InvalidRequest"),
    ({"path": ""}, "InvalidPath"),
    ({"path": "data/"}, "InvalidPath"),
    ({"path": b"/data/\xff"}, "InvalidRequest"),
    ({"path": OWN, "limit": 0}, "InvalidRequest"),
    ({"path": OWN, "limit": 1001}, "InvalidRequest"),
    ({"path": OWN, "limit": "many"}, "InvalidRequest"),
    ({"path": OWN, "limit": "²"}, "InvalidRequest"),
    ({"path": OWN, "cursor": "nonsense"}, "InvalidRequest"),
    ({"path": OWN, "cursor": "é"}, "InvalidRequest"),
    ({"path": [OWN, "/data/shared/"]}, "InvalidRequest"),
    ({"path": "/data/customer-abc/../customer-x/"}, "InvalidPath"),
    ({"path": OWN + "x" * 1100}, "InvalidPath"),
]


async def test_bad_input_is_400(fetch: Fetch) -> None:
    for query, code in BAD:
        answer = await fetch("GET", "storage/list", **query)
        assert (answer.status, answer.json["code"]) == (400, code), query
        assert answer.json["message"]


async def test_a_cursor_is_good_for_its_folder_alone(strict_s3: StrictS3, fetch: Fetch) -> None:
    strict_s3.put_many({f"org/data/customer-abc/{name}": b"" for name in "ab"})
    cursor = (await fetch("GET", "storage/list", path=OWN, limit=1)).json["cursor"]
    answer = await fetch("GET", "storage/list", path="/data/shared/", cursor=cursor)
    assert (answer.status, answer.json["code"]) == (400, "InvalidRequest")


async def test_a_folder_that_is_gone_is_told_from_an_empty_one(
    strict_s3: StrictS3, fetch: Fetch
) -> None:
    strict_s3.put("org/data/customer-abc/made/")
    strict_s3.put("org/data/customer-abc/full/x")
    for path, exists in (("made/", True), ("full/", True), ("gone/", False), ("", True)):
        answer = (await fetch("GET", "storage/list", path=OWN + path)).json
        assert (path, answer["exists"]) == (path, exists)
    assert (await fetch("GET", "storage/list", path="/data/")).json["exists"]


async def test_spaces_and_control_characters_reach_s3_as_they_are(
    strict_s3: StrictS3, fetch: Fetch
) -> None:
    strict_s3.put("org/data/customer-abc/ odd \x01\t /x", b"1")
    answer = (await fetch("GET", "storage/list", path=OWN)).json
    assert answer["entries"][0]["name"] == " odd \x01\t "
    answer = (await fetch("GET", "storage/list", path=answer["entries"][0]["path"])).json
    assert answer["entries"][0]["name"] == "x"


NOT_OURS = [
    ("/data/customer-other/", 403, "NotPermitted"),
    ("/data/customer-abcd/", 403, "NotPermitted"),
    ("/data/nothing/", 404, "NotFound"),
    ("/etc/", 404, "NotFound"),
    ("/notebooks/customer-abc/", 404, "NotFound"),
]


async def test_what_is_not_this_users_is_not_listed(strict_s3: StrictS3, fetch: Fetch) -> None:
    for path, status, code in NOT_OURS:
        answer = await fetch("GET", "storage/list", path=path)
        assert (answer.status, answer.json["code"], answer.json["path"]) == (status, code, path)
    assert strict_s3.count() == 0


S3_ERRORS = [
    ("AccessDenied", 403, "AccessDenied"),
    ("ExpiredToken", 403, "CredentialsExpired"),
    ("NoSuchBucket", 404, "BucketNotFound"),
    ("SlowDown", 429, "Throttled"),
    ("InternalError", 503, "Unreachable"),
]


async def test_the_errors_of_s3_are_documented_ones(strict_s3: StrictS3, fetch: Fetch) -> None:
    for s3_code, status, code in S3_ERRORS:
        strict_s3.fail("ListObjectsV2", code=s3_code, times=None)
        answer = await fetch("GET", "storage/list", path=OWN)
        assert (answer.status, answer.json["code"]) == (status, code)
        assert answer.json["path"] == OWN
        assert answer.json["hint"]
        strict_s3.heal()


async def test_the_status_says_who_and_where(strict_s3: StrictS3, fetch: Fetch) -> None:
    answer = (await fetch("GET", "status")).json
    assert answer["configured"]
    assert (answer["organization"], answer["user"], answer["layout"]) == ("org", "abc", "current")
    assert (
        answer["environment"]["USER_S3_PATH"] == f"s3://{strict_s3.bucket}/org/data/customer-abc/"
    )
    assert [root["kind"] for root in answer["roots"]] == ["private", "shared", "logs"]
    assert answer["homePersistence"]["mode"] == "off"
    assert answer["sync"] is None
    assert answer["message"] is None
    assert strict_s3.count() == 0


class TestWithoutConfiguration:
    @pytest.fixture
    def configuration(self) -> dict[str, Any]:
        return {"bucket": "b-1"}

    async def test_the_status_says_what_is_missing(self, fetch: Fetch) -> None:
        answer = (await fetch("GET", "status")).json
        assert not answer["configured"]
        assert [problem["setting"] for problem in answer["problems"]] == ["organization", "user"]
        assert "WHEROBOTS_USER" in answer["message"]
        assert answer["roots"] == []
        assert answer["environment"] == {}

    async def test_the_storage_says_so_too(self, fetch: Fetch) -> None:
        answer = await fetch("GET", "storage/list", path="/")
        assert (answer.status, answer.json["code"]) == (503, "NotConfigured")
        assert "organization is not set" in answer.json["message"]


class TestWhenTheLayoutIsToBeFoundOut:
    @pytest.fixture
    def layout_name(self) -> str:
        return "auto"

    async def test_it_is_2024_where_anything_lies_in_notebooks(
        self, strict_s3: StrictS3, fetch: Fetch
    ) -> None:
        strict_s3.put("org/notebooks/shared/x")
        assert (await fetch("GET", "status")).json["layout"] == "2024"
        answer = (await fetch("GET", "storage/list", path="/")).json
        assert [entry["name"] for entry in answer["entries"]] == ["data", "notebooks", "spark-logs"]

    async def test_the_status_answers_without_s3(self, strict_s3: StrictS3, fetch: Fetch) -> None:
        strict_s3.fail("ListObjectsV2", code="AccessDenied", times=None)
        answer = (await fetch("GET", "status")).json
        assert answer["layout"] is None
        assert "may not list" in answer["message"]
        strict_s3.heal()
        assert (await fetch("GET", "status")).json["layout"] == "current"


async def test_the_doctor_looks_at_everything(fetch: Fetch) -> None:
    answer = (await fetch("POST", "doctor")).json
    assert answer["checks"]
    assert answer["ok"] == all(check["state"] != "failed" for check in answer["checks"])
