"""The S3 servers that tests run on, and the environment that points every client to one of them.

What each can do differs; a test states the stores it runs on by the fixtures that it takes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from tests.strict_s3 import StrictS3

ACCESS_KEY = "test-access-key"
SECRET_KEY = "test-secret-key"
REGION = "us-east-1"


def pytest_configure() -> None:
    # A shell that starts the tests in the background has them ignore it, and so all that they start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Endpoint(Protocol):
    """An S3 server with one bucket for the test."""

    @property
    def url(self) -> str: ...

    @property
    def bucket(self) -> str: ...


@dataclass(frozen=True)
class Server:
    """An S3 server that only has an address."""

    url: str
    bucket: str


S3Environment = Callable[[Endpoint], None]


@pytest.fixture
def strict_s3() -> Iterator[StrictS3]:
    """An empty strict S3; what a hook raised fails the test at its end."""
    with StrictS3(region=REGION) as server:
        yield server


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def moto_server(moto_url: str) -> Server:
    """moto, emptied, with one bucket. Lax where the strict S3 is not, and slow on large folders."""
    with urllib.request.urlopen(f"{moto_url}/moto-api/reset", data=b""):
        pass
    server = Server(moto_url, "moto-bucket")
    create = urllib.request.Request(
        f"{server.url}/{server.bucket}",
        method="PUT",
        # moto reads the region of the credential to know which S3 is meant.
        headers={
            "Authorization": f"AWS4-HMAC-SHA256 Credential=a/20250101/{REGION}/s3/aws4_request"
        },
    )
    with urllib.request.urlopen(create):
        pass
    return server


@pytest.fixture(scope="session")
def rclone_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rclone")


@pytest.fixture(scope="session")
def rclone_url(rclone_root: Path) -> Iterator[str]:
    command = [
        str(Path(sys.executable).with_name("rclone")),
        *("serve", "s3", str(rclone_root), "--addr", "127.0.0.1:0"),
        *("--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--config", os.devnull),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        log = []
        for line in process.stderr:
            log.append(line)
            _, started, rest = line.partition("Starting s3 server on [")
            if started:
                # Read on, or a full pipe would stop the server.
                threading.Thread(target=process.stderr.read, daemon=True).start()
                yield rest.partition("]")[0].rstrip("/")
                break
        else:
            raise RuntimeError("rclone did not start:\n" + "".join(log))
        process.terminate()


@pytest.fixture
def rclone_server(rclone_url: str) -> Server:
    """`rclone serve s3` on disk: takes gigabytes; no conditions, no versions, no odd keys."""
    import boto3

    server = Server(rclone_url, f"bucket-{uuid.uuid4().hex[:12]}")
    client = boto3.client(
        "s3",
        region_name=REGION,
        endpoint_url=server.url,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )
    # Not by a folder made behind its back: rclone remembers for minutes what its root holds.
    client.create_bucket(Bucket=server.bucket)
    client.close()
    return server


def aws_settings(server: Endpoint) -> dict[str, str]:
    """The environment of a process whose AWS clients are to use a server."""
    return {
        "AWS_ENDPOINT_URL_S3": server.url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        # Nothing of the developer's own account, and no look-up on the network.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
    }


@pytest.fixture
def s3_env(monkeypatch: pytest.MonkeyPatch) -> S3Environment:
    """A function that points every AWS client of this process, and its children, to a server."""

    def point(server: Endpoint) -> None:
        for name in list(os.environ):
            if name.startswith("AWS_"):
                monkeypatch.delenv(name)
        for name, value in aws_settings(server).items():
            monkeypatch.setenv(name, value)

    return point
