"""Large files through a running server, on ``rclone serve s3`` on disk: whole bytes, flat memory, a server that stays awake."""

from __future__ import annotations

import hashlib
import http.client
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
import pytest

from tests.conftest import ACCESS_KEY, REGION, SECRET_KEY, S3Environment, Server
from tests.jupyter_process import TOKEN, JupyterProcess, jupyter

pytestmark = pytest.mark.process

MIB = 1024 * 1024
GIB = 1024 * MIB
OWN = "/data/customer-abc/"
AWKWARD = "a b+%#?:&'\" ü 名.bin"
MEMORY = 200 * MIB
ENOUGH = 200


class Api:
    """The API of one server, with raw bodies, one connection a thread."""

    def __init__(self, server: JupyterProcess) -> None:
        found = urlsplit(server.url)
        assert found.hostname is not None
        self._host, self._port, self._base = found.hostname, found.port, found.path
        self._local = threading.local()
        self._all: list[http.client.HTTPConnection] = []

    def close(self) -> None:
        for each in self._all:
            each.close()

    def connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._local, "connection"):
            self._local.connection = http.client.HTTPConnection(self._host, self._port, timeout=120)
            self._all.append(self._local.connection)
        connection: http.client.HTTPConnection = self._local.connection
        return connection

    def send(self, method: str, route: str, body: bytes | None = None) -> http.client.HTTPResponse:
        connection = self.connection()
        headers = {"Authorization": f"token {TOKEN}"}
        connection.request(method, f"{self._base}{route}", body, headers)
        return connection.getresponse()

    def json(self, method: str, route: str, body: Any = None) -> tuple[int, Any]:
        raw = (
            body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        )
        response = self.send(method, route, raw)
        text = response.read()
        return response.status, json.loads(text) if text else None


def block(number: int, size: int) -> bytes:
    """Bytes that tell where they belong."""
    seed = hashlib.sha256(str(number).encode()).digest()
    return (seed * (size // len(seed) + 1))[:size]


class Watch:
    """The memory of a process at its highest, and how long its small answers take, while something goes on."""

    def __init__(self, server: JupyterProcess, api: Api) -> None:
        self._pid = server.process.pid
        self._api = api
        self._over = threading.Event()
        self._enough = threading.Event()
        self.latencies: list[float] = []
        self.before = self._field("VmRSS")
        Path(f"/proc/{self._pid}/clear_refs").write_text("5")

    def _field(self, name: str) -> int:
        for line in Path(f"/proc/{self._pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
        raise KeyError(name)

    @property
    def grown(self) -> int:
        return self._field("VmHWM") - self.before

    def poll(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            assert self._api.json("GET", "api/status")[0] == 200
            self.latencies.append(time.monotonic() - began)
            if len(self.latencies) == ENOUGH:
                self._enough.set()
            self._over.wait(0.01)

    def enough(self) -> bool:
        """Wait for so many answers that the slowest per cent of them means something; whether they came."""
        return self._enough.wait(60)

    def slow(self, share: float = 0.99) -> float:
        """Seconds within which this share of the answers came."""
        return sorted(self.latencies)[int(len(self.latencies) * share)]

    @contextmanager
    def on(self) -> Iterator[None]:
        thread = threading.Thread(target=self.poll)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()


def idle_p99(server: JupyterProcess, api: Api) -> float:
    watch = Watch(server, api)
    with watch.on():
        assert watch.enough()
    return watch.slow()


@pytest.fixture
def server(
    rclone_server: Server, s3_env: S3Environment, tmp_path: Path
) -> Iterator[JupyterProcess]:
    s3_env(rclone_server)
    environment = {
        "AWS_ENDPOINT_URL_S3": rclone_server.url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": REGION,
        "WHEROBOTS_BUCKET": rclone_server.bucket,
        "WHEROBOTS_ORGANIZATION": "org",
        "WHEROBOTS_USER": "abc",
        "WHEROBOTS_HOME_PERSISTENCE": "off",
    }
    with jupyter(tmp_path, environment) as process:
        yield process


@pytest.fixture
def api(server: JupyterProcess) -> Iterator[Api]:
    found = Api(server)
    yield found
    found.close()


@pytest.mark.parametrize(
    "size",
    [300 * MIB + 1, pytest.param(5 * GIB + 1, marks=[pytest.mark.long, pytest.mark.timeout(1800)])],
)
def test_a_large_file_goes_up_and_comes_down(size: int, server: JupyterProcess, api: Api) -> None:
    idle = idle_p99(server, api)
    status, session = api.json(
        "POST", "wherobots/storage/uploads", {"path": OWN + AWKWARD, "size": size}
    )
    assert status == 201
    step = session["partSize"]

    def put(number: int) -> None:
        body = block(number, min(step, size - (number - 1) * step))
        route = f"wherobots/storage/uploads/{session['id']}/parts/{number}"
        status, part = api.json("PUT", route, body)
        assert (status, part["size"]) == (200, len(body))

    up = Watch(server, api)
    began = time.monotonic()
    with up.on(), ThreadPoolExecutor(4) as pool:
        list(pool.map(put, range(1, session["partCount"] + 1)))
        status, entry = api.json("POST", f"wherobots/storage/uploads/{session['id']}/complete")
    up_seconds = time.monotonic() - began
    assert status == 201, entry
    assert (entry["size"], entry["path"]) == (size, OWN + AWKWARD)

    down = Watch(server, api)
    began = time.monotonic()
    with down.on():
        response = api.send("GET", f"wherobots/storage/file?path={quote(OWN + AWKWARD)}")
        assert (response.status, int(response.headers["Content-Length"])) == (200, size)
        for number in range(1, session["partCount"] + 1):
            expected = block(number, min(step, size - (number - 1) * step))
            assert response.read(len(expected)) == expected
        assert response.read() == b""
    down_seconds = time.monotonic() - began
    print(
        f"{size / MIB:.0f} MiB: up {size / MIB / up_seconds:.0f} MiB/s, +{up.grown / MIB:.0f} MiB,"
        f" p99 {up.slow() * 1000:.0f} ms; down {size / MIB / down_seconds:.0f} MiB/s,"
        f" +{down.grown / MIB:.0f} MiB, p99 {down.slow() * 1000:.0f} ms; idle {idle * 1000:.1f} ms"
    )
    assert up.grown <= MEMORY
    assert down.grown <= MEMORY
    # Of the many answers during the long transfer the slowest per cent counts; of the few during the short one that would
    # be one answer, and a busy machine.
    share = 0.99 if size > GIB else 0.9
    assert up.slow(share) <= idle + 0.05
    assert down.slow(share) <= idle + 0.05


def test_a_cancelled_upload_leaves_nothing(
    server: JupyterProcess, api: Api, rclone_server: Server
) -> None:
    _, session = api.json(
        "POST", "wherobots/storage/uploads", {"path": OWN + "x", "size": 64 * MIB}
    )
    route = f"wherobots/storage/uploads/{session['id']}"
    assert api.json("PUT", f"{route}/parts/1", block(1, session["partSize"]))[0] == 200
    # A client that goes away in the middle of a part.
    connection = api.connection()
    connection.putrequest("PUT", f"/{route}/parts/2")
    connection.putheader("Authorization", f"token {TOKEN}")
    connection.putheader("Content-Length", str(session["partSize"]))
    connection.endheaders(block(2, MIB))
    connection.close()
    began = time.monotonic()
    assert api.send("DELETE", route).status == 204
    assert time.monotonic() - began < 1
    client = boto3.client("s3", endpoint_url=rclone_server.url)
    found = client.list_multipart_uploads(Bucket=rclone_server.bucket)
    client.close()
    assert found.get("Uploads", []) == []
