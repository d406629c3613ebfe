"""The storage of one user on one of the test servers, for the tests of `jupyter_wherobots.storage`."""

from __future__ import annotations

from pathlib import Path

import boto3

from jupyter_wherobots.layout import Layout, LayoutName, Place
from jupyter_wherobots.s3.client import S3
from jupyter_wherobots.storage import Storage
from jupyter_wherobots.storage.entries import Entry
from jupyter_wherobots.storage.options import Options
from tests.conftest import Endpoint

OWN = "/data/customer-abc/"


class Stored:
    """A storage on one of the test servers, and boto3 beside it. Its state lies beside home."""

    def __init__(
        self,
        server: Endpoint,
        home: Path,
        name: LayoutName = LayoutName.CURRENT,
        *,
        user: str = "abc",
        options: Options | None = None,
    ) -> None:
        layout = Layout(Place(server.bucket, "org", user), name)
        self.bucket = server.bucket
        self.s3 = S3(server.bucket)
        self.storage = Storage(
            self.s3,
            lambda: layout,
            home=home,
            state=home.parent / f"{home.name}-state",
            options=options,
        )
        self.boto = boto3.client("s3")

    @property
    def url(self) -> str:
        """Where the server is; with `bucket` this makes it an endpoint itself."""
        return self.s3.endpoint_url

    def put(self, path: str, body: bytes = b"body") -> None:
        self.boto.put_object(Bucket=self.bucket, Key="org" + path, Body=body)

    def everything(self, path: str, limit: int = 1000) -> list[Entry]:
        found: list[Entry] = []
        cursor = None
        while True:
            page = self.storage.list(path, limit, cursor)
            assert len(page.entries) <= limit
            found += page.entries
            cursor = page.cursor
            if cursor is None:
                return found

    def close(self) -> None:
        self.storage.close()
        self.s3.close()
        self.boto.close()
