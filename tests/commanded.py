"""The place that storage commands run in, for their tests: a store, and a folder of this machine."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.conftest import Endpoint, S3Environment
from tests.strict_s3 import StrictS3

OWN = "/data/customer-u/"
SHARED = "/data/shared/"


Point = Callable[[Endpoint], None]


def pointing(s3_env: S3Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Point:
    """Go into an empty folder, with nothing of the developer's own.

    What is given back points every command to the organization ``org`` and the user ``u`` on a server.
    """
    for name in list(os.environ):
        if name.startswith(("WHEROBOTS_", "USER_S3_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def point(server: Endpoint) -> None:
        s3_env(server)
        place = {"BUCKET": server.bucket, "ORGANIZATION": "org", "USER": "u", "LAYOUT": "current"}
        for name, value in place.items():
            monkeypatch.setenv(f"WHEROBOTS_{name}", value)

    return point


class World:
    """The store of one test, and the folder that commands run in."""

    def __init__(self, server: Endpoint, folder: Path) -> None:
        self.server = server
        self.folder = folder

    @cached_property
    def boto(self) -> Any:
        return boto3.client("s3")

    def put(self, path: str, body: bytes = b"body") -> None:
        if isinstance(self.server, StrictS3):  # without a request, which is quicker
            self.server.put(f"org{path}", body)
        else:
            self.boto.put_object(Bucket=self.server.bucket, Key=f"org{path}", Body=body)

    def remote(self, path: str = "/") -> dict[str, bytes]:
        """Everything below a folder, by its path there."""
        prefix, bucket = f"org{path}", self.server.bucket
        if isinstance(self.server, StrictS3):
            found = self.server.contents(prefix)
        else:
            pages = self.boto.get_paginator("list_objects_v2").paginate(
                Bucket=bucket, Prefix=prefix
            )
            keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
            found = {
                key: self.boto.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys
            }
        return {key[len(prefix) :]: body for key, body in found.items()}

    def local(self, name: str = ".") -> dict[str, bytes]:
        """All files below a folder of this machine."""
        top = self.folder / name
        return {
            str(path.relative_to(top)): path.read_bytes()
            for path in top.rglob("*")
            if path.is_file()
        }

    def write(self, name: str, body: bytes = b"body") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        return path


def noise(size: int) -> bytes:
    """So many bytes, the same ones each time."""
    return random.Random(size).randbytes(size)


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
