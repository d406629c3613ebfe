"""Uploads over HTTP: refused before a byte is read, passed on whole, ended with the client."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any
from urllib.parse import quote

import pytest

from jupyter_wherobots.handlers import receiving
from jupyter_wherobots.s3.crew import BUFFERS
from jupyter_wherobots.services import Services
from tests.server.conftest import AWKWARD, OWN, Fetch
from tests.strict_s3 import StrictS3

MIB = 1024 * 1024
ONE_SHOT = 16 * MIB


def key(name: str) -> str:
    return "org" + OWN + name


class Raw:
    """One HTTP request by hand: its head first, and its body only if we want to."""

    def __init__(self, jp_http_port: int, jp_base_url: str, header: dict[str, str]) -> None:
        self._port, self._base = jp_http_port, jp_base_url
        self._header = header

    async def put(self, route: str, length: int | None, **more: str) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        headers = {"Host": f"127.0.0.1:{self._port}", **self._header, **more}
        if length is not None:
            headers["Content-Length"] = str(length)
        lines = [f"PUT {self._base}wherobots/{route} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.writer.write("\r\n".join([*lines, "", ""]).encode())
        await self.writer.drain()

    async def answer(self) -> tuple[int, Any]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            int(line.partition(":")[2])
            for line in head.splitlines()
            if "content-length" in line.lower()
        )
        return int(head.split()[1]), json.loads(await self.reader.readexactly(length))

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


@pytest.fixture
def raw(
    server_url: str, jp_http_port: int, jp_base_url: str, jp_auth_header: dict[str, str]
) -> Raw:
    return Raw(jp_http_port, jp_base_url, jp_auth_header)


async def test_a_small_file_goes_up_in_one_request(strict_s3: StrictS3, fetch: Fetch) -> None:
    for size in (0, 1, 64 * 1024, 64 * 1024 + 1, MIB, 3 * MIB + 7):
        body = (bytes(range(251)) * (size // 251 + 1))[:size]
        digest = hashlib.sha256(body).hexdigest()
        answer = await fetch(
            "PUT",
            "storage/file",
            path=OWN + f"{size}.csv",
            body=body,
            headers={"X-Content-SHA256": digest.upper()},
        )
        assert answer.status == 201
        assert (answer.json["path"], answer.json["size"]) == (OWN + f"{size}.csv", size)
        assert strict_s3.body(key(f"{size}.csv")) == body
        stored = strict_s3.object(key(f"{size}.csv"))
        assert stored is not None
        assert stored.headers["content-type"] == "text/csv"
        assert answer.json["etag"] == f'"{stored.etag}"'
    assert BUFFERS.free == BUFFERS.size


async def test_awkward_names_go_up_and_come_down(strict_s3: StrictS3, fetch: Fetch) -> None:
    for name in AWKWARD:
        answer = await fetch("PUT", "storage/file", path=OWN + name, body=name.encode())
        assert (answer.status, answer.json["path"]) == (201, OWN + name)
        assert strict_s3.body(key(name)) == name.encode()
        answer = await fetch("GET", "storage/file", path=OWN + name)
        assert answer.body == name.encode()


async def test_the_rule_for_names_that_are_taken(strict_s3: StrictS3, fetch: Fetch) -> None:
    put = ("PUT", "storage/file")
    etag = strict_s3.put(key("a.csv"), b"old")
    answer = await fetch(*put, path=OWN + "a.csv", body=b"1")
    assert (answer.status, answer.json["code"]) == (409, "AlreadyExists")
    answer = await fetch(*put, path=OWN + "a.csv", body=b"1", conflict="keep-both")
    assert (answer.status, answer.json["name"]) == (201, "a (1).csv")
    answer = await fetch(*put, path=OWN + "a.csv", body=b"2", headers={"If-Match": '"other"'})
    assert (answer.status, answer.json["code"]) == (412, "PreconditionFailed")
    answer = await fetch(*put, path=OWN + "a.csv", body=b"2", headers={"If-Match": etag})
    assert answer.status == 201
    answer = await fetch(*put, path=OWN + "a.csv", body=b"3", conflict="replace")
    assert answer.status == 201
    assert strict_s3.body(key("a.csv")) == b"3"
    answer = await fetch(*put, path=OWN + "a.csv", body=b"3", conflict="skip")
    assert (answer.status, answer.json["code"]) == (400, "InvalidRequest")


async def test_a_body_that_arrives_damaged_is_not_stored(strict_s3: StrictS3, fetch: Fetch) -> None:
    digest = hashlib.sha256(b"right").hexdigest()
    answer = await fetch(
        "PUT", "storage/file", path=OWN + "x", body=b"wrong", headers={"X-Content-SHA256": digest}
    )
    assert (answer.status, answer.json["code"]) == (400, "InvalidRequest")
    assert strict_s3.object(key("x")) is None


REFUSED = [
    ("storage/file?path=/data/x", 100, 403, "NotPermitted"),
    ("storage/file?path=/data/customer-abcd/x", 5 * 1024**3, 403, "NotPermitted"),
    ("storage/file?path=/data/shared", 100, 403, "NotPermitted"),
    ("storage/file?path=/spark-logs/x", 100, 409, "ConfirmationRequired"),
    ("storage/file?path=/data/customer-abc/taken", 100, 409, "AlreadyExists"),
    ("storage/file?path=/data/customer-abc/../x", 100, 400, "InvalidPath"),
    ("storage/file?path=/data/customer-abc/x", ONE_SHOT + 1, 413, "TooLarge"),
    ("storage/file?path=/data/customer-abc/x", 5 * 1024**3, 413, "TooLarge"),
    ("storage/file", 100, 400, "InvalidRequest"),
    (f"storage/uploads/{'0' * 32}/parts/1", 100, 404, "NotFound"),
    ("storage/uploads/nonsense/parts/1", 100, 400, "InvalidRequest"),
    (f"storage/uploads/{'0' * 32}/parts/0", 100, 400, "InvalidRequest"),
]


async def test_a_refusal_comes_before_a_byte_of_the_body(strict_s3: StrictS3, raw: Raw) -> None:
    strict_s3.put(key("taken"))
    for route, length, status, code in REFUSED:
        await raw.put(route, length)
        answer, error = await raw.answer()
        assert (answer, error["code"]) == (status, code), route
        assert error["message"]
        await raw.close()
    await raw.put("storage/file?path=/data/shared/x", 100, Authorization="token wrong")
    assert (await raw.answer())[0] == 403
    await raw.close()
    assert strict_s3.count("PutObject") == 0


async def test_s3_denials_are_said_in_words(strict_s3: StrictS3, fetch: Fetch) -> None:
    strict_s3.deny()
    answer = await fetch("PUT", "storage/file", path=OWN + "x", body=b"1")
    assert (answer.status, answer.json["code"]) == (403, "AccessDenied")
    assert "may list but not write" in answer.json["message"]
    assert answer.json["path"] == OWN + "x"


async def test_a_session_from_beginning_to_end(strict_s3: StrictS3, fetch: Fetch) -> None:
    size = 2 * 8 * MIB + 5
    body = (bytes(range(251)) * (size // 251 + 1))[:size]
    answer = await fetch(
        "POST", "storage/uploads", body={"path": OWN + "big.bin", "size": size, "label": "b"}
    )
    assert answer.status == 201
    session = answer.json
    assert (session["partSize"], session["partCount"], session["parts"]) == (8 * MIB, 3, [])
    base = f"storage/uploads/{session['id']}"

    async def put(number: int) -> None:
        piece = body[(number - 1) * 8 * MIB : number * 8 * MIB]
        digest = hashlib.sha256(piece).hexdigest()
        part = await fetch(
            "PUT", f"{base}/parts/{number}", body=piece, headers={"X-Content-SHA256": digest}
        )
        assert (part.status, part.json["size"]) == (200, len(piece))

    await asyncio.gather(put(3), put(1))
    answer = await fetch("POST", f"{base}/complete")
    assert (answer.status, answer.json["code"]) == (400, "InvalidRequest")
    found = (await fetch("GET", base)).json
    assert [part["number"] for part in found["parts"]] == [1, 3]
    assert found["received"] == 8 * MIB + 5
    assert [each["label"] for each in (await fetch("GET", "storage/uploads")).json["uploads"]] == [
        "b"
    ]
    await put(2)
    answer = await fetch("POST", f"{base}/complete", body={})
    assert (answer.status, answer.json["size"]) == (201, size)
    assert strict_s3.body(key("big.bin")) == body
    assert (await fetch("GET", "storage/uploads")).json == {"uploads": []}
    assert (await fetch("GET", base)).status == 404
    assert BUFFERS.free == BUFFERS.size


async def test_a_session_can_be_aborted(strict_s3: StrictS3, fetch: Fetch) -> None:
    session = (await fetch("POST", "storage/uploads", body={"path": OWN + "x", "size": 5})).json[
        "id"
    ]
    answer = await fetch("PUT", f"storage/uploads/{session}/parts/1", body=b"1234")
    assert (answer.status, answer.json["code"]) == (400, "InvalidRequest")
    assert "4 bytes instead of 5" in answer.json["message"]
    assert (await fetch("DELETE", f"storage/uploads/{session}")).status == 204
    assert strict_s3.uploads() == []
    assert (await fetch("DELETE", f"storage/uploads/{session}")).status == 404


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"path": OWN + "x"}, 400, "InvalidRequest"),
        ({"path": OWN + "x", "size": -1}, 400, "InvalidRequest"),
        ({"path": OWN + "x", "size": 1, "more": 1}, 400, "InvalidRequest"),
        (
            {"path": OWN + "x", "size": 1, "conflict": "keep-both", "etag": '"e"'},
            400,
            "InvalidRequest",
        ),
        ({"path": OWN + "x", "size": 1, "etag": '"e"'}, 412, "PreconditionFailed"),
        ({"path": OWN + "x", "size": 10**13}, 413, "TooLarge"),
        ({"path": "/data/x", "size": 1}, 403, "NotPermitted"),
        ({"path": "/spark-logs/x", "size": 1}, 409, "ConfirmationRequired"),
        ({"path": OWN, "size": 1}, 403, "NotPermitted"),
        ({"path": OWN + "x\ud800", "size": 1}, 400, "InvalidPath"),
        ([], 400, "InvalidRequest"),
        (b"{", 400, "InvalidRequest"),
        (b"\xff", 400, "InvalidRequest"),
        (b"", 400, "InvalidRequest"),
    ],
)
async def test_sessions_that_are_refused(body: Any, status: int, code: str, fetch: Fetch) -> None:
    answer = await fetch("POST", "storage/uploads", body=body)
    assert (answer.status, answer.json["code"]) == (status, code)


async def test_a_client_that_leaves_gives_everything_back(
    strict_s3: StrictS3, fetch: Fetch, raw: Raw, services: Services
) -> None:
    size = 8 * MIB
    session = (await fetch("POST", "storage/uploads", body={"path": OWN + "x", "size": size})).json
    for _ in range(receiving.SLOTS + 1):
        await raw.put(f"storage/uploads/{session['id']}/parts/1", size)
        raw.writer.write(b"x" * MIB)
        await raw.close()
    # With a slot that is never given back, this one would wait for ever.
    answer = await fetch("PUT", f"storage/uploads/{session['id']}/parts/1", body=b"y" * size)
    assert answer.status == 200
    assert BUFFERS.free == BUFFERS.size
    assert strict_s3.count("UploadPart") == 1


async def test_a_client_that_stops_sending_is_given_up(
    raw: Raw, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "_PATIENCE", 0.1)
    await raw.put(f"storage/file?path={quote(OWN)}x", 100)
    assert await raw.reader.read() == b""  # the connection ends, and is no answer
    await raw.close()
    assert BUFFERS.free == BUFFERS.size


async def test_a_body_without_a_length_is_counted(
    strict_s3: StrictS3, raw: Raw, services: Services
) -> None:
    chunk = b"100000\r\n" + b"z" * MIB + b"\r\n"
    await raw.put(f"storage/file?path={quote(OWN)}x", None, **{"Transfer-Encoding": "chunked"})
    raw.writer.write(chunk * 2 + b"0\r\n\r\n")
    assert (await raw.answer())[0] == 201
    assert strict_s3.body(key("x")) == b"z" * 2 * MIB
    await raw.close()


async def test_folders_are_made(strict_s3: StrictS3, fetch: Fetch) -> None:
    answer = await fetch("POST", "storage/folder", body={"path": OWN + "new"})
    assert (answer.status, answer.json["path"], answer.json["type"]) == (
        201,
        OWN + "new/",
        "FOLDER",
    )
    answer = await fetch("POST", "storage/folder", body={"path": OWN + "new/"})
    assert (answer.status, answer.json["code"]) == (409, "AlreadyExists")
    answer = await fetch("POST", "storage/folder", body={"path": "/data/new/"})
    assert (answer.status, answer.json["code"]) == (403, "NotPermitted")
    assert "read-only" in answer.json["message"]
    answer = await fetch("POST", "storage/folder", body={"path": "/spark-logs/new/"})
    assert (answer.status, answer.json["code"]) == (409, "ConfirmationRequired")
    answer = await fetch(
        "POST", "storage/folder", body={"path": "/spark-logs/new/", "confirm": True}
    )
    assert answer.status == 201
