"""Downloads as a browser sees them: bytes, ranges, names, and an origin that runs nothing of what was stored."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from typing import Any
from urllib.parse import unquote, urlencode

import pytest

from jupyter_wherobots.downloads import REMEMBERED, Downloads
from jupyter_wherobots.handlers.ranges import ByteRange, parse_range
from jupyter_wherobots.handlers.streams import content_disposition
from tests.server.conftest import AWKWARD, OWN, Fetch
from tests.strict_s3 import Access, Call, Fault, StrictS3

MIB = 1024 * 1024


def key(name: str) -> str:
    return "org" + OWN + name


async def test_the_bytes_are_the_same(strict_s3: StrictS3, fetch: Fetch) -> None:
    for size in (0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 7):
        body = (bytes(i * 31 % 251 for i in range(1000)) * (size // 1000 + 1))[:size]
        etag = strict_s3.put(key("x.bin"), body)
        answer = await fetch("GET", "storage/file", path=OWN + "x.bin")
        assert answer.status == 200
        assert hashlib.sha256(answer.body).digest() == hashlib.sha256(body).digest()
        assert answer.headers["Content-Length"] == str(size)
        assert answer.headers["ETag"] == etag
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        head = await fetch("HEAD", "storage/file", path=OWN + "x.bin")
        for name in ("Content-Length", "ETag", "Last-Modified", "Content-Disposition"):
            assert head.headers[name] == answer.headers[name]


async def test_awkward_names_come_down_under_their_name(strict_s3: StrictS3, fetch: Fetch) -> None:
    for name in AWKWARD:
        strict_s3.put(key(name), name.encode())
        answer = await fetch("GET", "storage/file", path=OWN + name)
        assert (answer.status, answer.body) == (200, name.encode())
        kind, _, encoded = answer.headers["Content-Disposition"].partition("; filename*=UTF-8''")
        assert kind.startswith('attachment; filename="')
        assert unquote(encoded) == name.rpartition("/")[2]


async def test_a_key_with_a_slash_at_its_end_comes_down(strict_s3: StrictS3, fetch: Fetch) -> None:
    strict_s3.put(key("body/"), b"123")
    answer = await fetch("GET", "storage/file", path=OWN + "body/")
    assert answer.body == b"123"
    assert 'filename="body"' in answer.headers["Content-Disposition"]


def test_a_disposition_cannot_be_broken_out_of() -> None:
    header = content_disposition("attachment", 'a"; filename=evil\r\nX: y\x7f\ud800%41')
    assert "\r" not in header
    assert "\n" not in header
    assert header.isascii()
    plain, _, encoded = header.partition("; filename*=UTF-8''")
    assert plain == 'attachment; filename="a_; filename=evil__X: y___41"'
    assert unquote(encoded) == 'a"; filename=evil\r\nX: y\x7f?%41'


@pytest.mark.parametrize(
    ("header", "size", "result"),
    [
        (None, 10, None),
        ("bytes=0-4", 10, (0, 5)),
        ("bytes=5-", 10, (5, 10)),
        ("bytes=-3", 10, (7, 10)),
        ("bytes=-30", 10, (0, 10)),
        ("bytes=9-100", 10, (9, 10)),
        ("BYTES = 1-1", 10, (1, 2)),
        ("bytes=4-2", 10, None),
        ("bytes=0-1,3-4", 10, None),
        ("bytes=-", 10, None),
        ("lines=0-4", 10, None),
        ("bytes=a-b", 10, None),
        ("bytes=-0", 10, "refused"),
        ("bytes=10-", 10, "refused"),
        ("bytes=0-", 0, "refused"),
    ],
)
def test_ranges(header: str | None, size: int, result: Any) -> None:
    if result == "refused":
        with pytest.raises(Exception, match="range begins behind"):
            parse_range(header, size)
    else:
        assert parse_range(header, size) == (result and ByteRange(*result))


async def test_a_range_is_fetched_alone(strict_s3: StrictS3, fetch: Fetch) -> None:
    etag = strict_s3.put(key("x"), b"0123456789" * 1_000_000)
    strict_s3.journal.clear()
    answer = await fetch("GET", "storage/file", path=OWN + "x", headers={"Range": "bytes=-12"})
    assert (answer.status, answer.body) == (206, b"890123456789")
    assert answer.headers["Content-Range"] == "bytes 9999988-9999999/10000000"
    assert strict_s3.journal.bytes_out < 10_000
    answer = await fetch(
        "GET", "storage/file", path=OWN + "x", headers={"Range": "bytes=0-0", "If-Range": etag}
    )
    assert (answer.status, answer.body) == (206, b"0")
    answer = await fetch(
        "GET", "storage/file", path=OWN + "x", headers={"Range": "bytes=0-0", "If-Range": '"old"'}
    )
    assert (answer.status, len(answer.body)) == (200, 10_000_000)
    answer = await fetch(
        "GET", "storage/file", path=OWN + "x", headers={"Range": "bytes=10000000-"}
    )
    assert (answer.status, answer.json["code"]) == (416, "RangeNotSatisfiable")
    assert answer.headers["Content-Range"] == "bytes */10000000"


async def test_conditions(strict_s3: StrictS3, fetch: Fetch) -> None:
    etag = strict_s3.put(key("x"), b"1")
    file = ("GET", "storage/file")
    answer = await fetch(*file, path=OWN + "x", headers={"If-None-Match": f'"a", {etag}'})
    assert (answer.status, answer.body) == (304, b"")
    answer = await fetch(*file, path=OWN + "x", headers={"If-None-Match": '"other"'})
    assert answer.status == 200
    answer = await fetch(*file, path=OWN + "x", headers={"If-Match": '"other"'})
    assert (answer.status, answer.json["code"]) == (412, "PreconditionFailed")
    answer = await fetch(*file, path=OWN + "x", headers={"If-Match": etag})
    assert answer.status == 200


async def test_only_what_no_browser_runs_is_shown_inline(strict_s3: StrictS3, fetch: Fetch) -> None:
    for name in ("a.png", "a.csv", "a.html", "a.svg", "a.xml", "a.js", "a"):
        strict_s3.put(key(name), b"<script>")
        answer = await fetch("GET", "storage/file", path=OWN + name, disposition="inline")
        kind = answer.headers["Content-Disposition"].partition(";")[0]
        assert (kind == "inline") == (name in ("a.png", "a.csv")), name


async def test_what_is_not_there_or_not_ones_own(fetch: Fetch) -> None:
    answer = await fetch("GET", "storage/file", path=OWN + "nothing")
    assert (answer.status, answer.json["code"]) == (404, "NotFound")
    assert answer.json["path"] == OWN + "nothing"
    answer = await fetch("GET", "storage/file", path="/data/customer-abcd/x")
    assert (answer.status, answer.json["code"]) == (403, "NotPermitted")
    answer = await fetch("GET", "storage/file", path=OWN)
    assert (answer.status, answer.json["code"]) == (404, "NotFound")


async def test_a_break_on_the_way_is_not_taken_for_the_end(
    strict_s3: StrictS3, fetch: Fetch
) -> None:
    strict_s3.put(key("x"), b"x" * 5 * MIB)
    strict_s3.fail("GetObject", Fault.SHORT_BODY, times=None)
    with pytest.raises(Exception, match="closed"):
        await fetch("GET", "storage/file", path=OWN + "x")


async def test_a_folder_comes_down_as_a_zip(strict_s3: StrictS3, fetch: Fetch) -> None:
    strict_s3.put_many({key("f/a"): b"1", key("f/g/b"): b"2" * 3 * MIB, key("c"): b"3"})
    answer = await fetch("GET", "storage/zip", path=[OWN + "f/", OWN + "c"])
    assert answer.headers["Content-Type"] == "application/zip"
    assert 'filename="files.zip"' in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.body)) as packed:
        assert packed.testzip() is None
        assert packed.namelist() == ["f/a", "f/g/b", "c"]
    answer = await fetch("GET", "storage/zip", path=OWN + "f/")
    assert 'filename="f.zip"' in answer.headers["Content-Disposition"]
    answer = await fetch("GET", "storage/zip", path=OWN + "nothing/")
    assert (answer.status, answer.json["code"]) == (404, "NotFound")
    assert answer.headers["Content-Type"].startswith("application/json")


async def test_hundreds_of_paths_come_down_as_a_zip(strict_s3: StrictS3, fetch: Fetch) -> None:
    names = [f"{n} {'long' * 20}\n.csv" for n in range(300)]
    strict_s3.put_many({key(name): b"1" for name in names})
    body = {"path": [OWN + name for name in names], "name": "all"}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    sent = urlencode({"json": json.dumps(body)}).encode()
    for answer in (
        await fetch("POST", "storage/zip", body=body),
        await fetch("POST", "storage/zip", body=sent, headers=form),
    ):
        assert 'filename="all.zip"' in answer.headers["Content-Disposition"]
        with zipfile.ZipFile(io.BytesIO(answer.body)) as packed:
            assert len(packed.namelist()) == len(names)
    answer = await fetch("POST", "storage/zip", body=b"path=/data/", headers=form)
    assert (answer.status, answer.json["code"]) == (400, "InvalidRequest")


async def test_stat_and_measure(strict_s3: StrictS3, fetch: Fetch) -> None:
    strict_s3.put_many({key("f/a"): b"1", key("f/g/b"): b"22"})
    answer = (await fetch("GET", "storage/stat", path=OWN + "f/a")).json
    assert (answer["type"], answer["size"], answer["metadata"]) == ("FILE", 1, {})
    answer = await fetch("GET", "storage/stat", path=OWN + "f/a", type="FOLDER")
    assert answer.status == 404
    answer = await fetch("GET", "storage/stat", path=OWN + "f/a", type="file")
    assert (answer.status, answer.json["code"]) == (400, "InvalidRequest")
    answer = await fetch("GET", "storage/measure", path=[OWN + "f/", OWN + "f/a"])
    assert answer.json == {"objects": 3, "bytes": 4, "complete": True}


async def test_search_sends_a_line_for_each_thing(strict_s3: StrictS3, fetch: Fetch) -> None:
    strict_s3.put_many({key(f"f/{i}.csv"): b"" for i in range(1500)})
    answer = await fetch("GET", "storage/search", path=OWN, name="1499")
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert lines[-1] == {"kind": "end", "scanned": 1500, "found": 1, "complete": True}
    (entry,) = [line["entry"] for line in lines if line["kind"] == "entry"]
    assert entry["path"] == OWN + "f/1499.csv"


async def test_search_tells_of_a_failure_on_the_way(strict_s3: StrictS3, fetch: Fetch) -> None:
    strict_s3.put_many({key(f"f/{i}.csv"): b"" for i in range(1500)})

    def from_now_on(_: Call) -> None:
        strict_s3.fail("ListObjectsV2", code="AccessDenied", times=None)

    strict_s3.on("ListObjectsV2", from_now_on, times=1)
    answer = await fetch("GET", "storage/search", path=OWN, name="x")
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert lines[-1]["kind"] == "error"
    assert lines[-1]["error"]["code"] == "AccessDenied"
    assert lines[-1]["error"]["path"] == OWN
    answer = await fetch("GET", "storage/search", path=OWN, name="x")
    assert (answer.status, answer.json["code"]) == (403, "AccessDenied")


async def test_what_became_of_a_download_is_told(strict_s3: StrictS3, fetch: Fetch) -> None:
    strict_s3.put_many({key("f/small"): b"1", key("f/other"): b"2", key("large"): b"x" * 5 * MIB})

    async def outcome(name: str) -> Any:
        """The client sees the end of the bytes a moment before the server is done with them."""
        while (told := (await fetch("GET", f"storage/downloads/{name * 32}")).json)[
            "state"
        ] == "sending":
            pass
        return told

    assert await outcome("0") == {"state": "waiting", "missing": 0, "error": None}
    await fetch("GET", "storage/zip", path=OWN + "f/", download="1" * 32)
    assert await outcome("1") == {"state": "done", "missing": 0, "error": None}
    await fetch("POST", "storage/zip", body={"path": [OWN + "gone"], "download": "2" * 32})
    failed = await outcome("2")
    assert (failed["state"], failed["error"]["code"]) == ("failed", "NotFound")
    assert failed["error"]["path"] == OWN + "gone"
    strict_s3.deny(key("f/other"), Access)
    await fetch("GET", "storage/zip", path=OWN + "f/", download="3" * 32)
    assert await outcome("3") == {"state": "done", "missing": 1, "error": None}
    strict_s3.fail("GetObject", Fault.SHORT_BODY, times=None)
    for name, route in (("4", "storage/zip"), ("5", "storage/file")):
        with pytest.raises(Exception, match="closed"):
            await fetch("GET", route, path=OWN + "large", download=name * 32)
        failed = await outcome(name)
        assert (failed["state"], failed["error"]["code"]) == ("failed", "Unreachable")


def test_only_the_last_downloads_are_remembered() -> None:
    downloads = Downloads()
    first = downloads.named("first")
    assert downloads.named("first") is first
    for number in range(REMEMBERED):
        downloads.named(str(number))
    assert downloads.named("first") is not first
