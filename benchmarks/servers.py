"""The S3 servers that everything is measured on, as processes of their own, and how clients find them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.strict_s3 import Remote

BUCKET = "bench"
ACCESS_KEY = "bench-access-key"
SECRET_KEY = "bench-secret-key"
REGION = "us-east-1"
TOP = Path(__file__).resolve().parents[1]
"""The project's directory."""


@dataclass
class Server:
    """A running S3 with one bucket. ``control`` is that of the strict S3, which counts requests; None elsewhere."""

    name: str
    url: str
    bucket: str
    control: Remote | None
    latency: float = 0.0

    def requests(self) -> Counter[str]:
        """Requests by operation since the last `forget`; empty where nobody counts."""
        return Counter() if self.control is None else Counter(self.control("stats")["counts"])

    def records(self, since: Counter[str]) -> list[dict[str, Any]]:
        """The requests after those that `requests` had counted, oldest first (of the last 100,000)."""
        assert self.control is not None
        found = self.control("requests")
        return list(found[len(found) - (self.requests() - since).total() :])

    def keys(self, prefix: str) -> list[str]:
        """The keys of the strict S3 below a prefix."""
        assert self.control is not None
        return list(self.control("keys", prefix=prefix))

    def delay(self, seconds: float) -> None:
        """Let every answer of the strict S3 take so much longer, as on a network."""
        assert self.control is not None, "only the strict S3 can be slow"
        self.latency = seconds
        self.control("latency", seconds=seconds)

    def forget(self) -> None:
        """Empty the strict S3, so that it is equally large for everybody; elsewhere prefixes keep the tools apart."""
        if self.control is not None:
            self.control("reset")
            self.control("latency", seconds=self.latency)

    def environment(self) -> dict[str, str]:
        """What a client finds this server by, and nothing of the machine's own AWS account."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "WHEROBOTS_", "JUPYTER", "XDG_", "USER_", "RCLONE_"))
        }
        return {
            **kept,
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1,localhost",
        }


@contextmanager
def strict_s3() -> Iterator[Server]:
    """The strict S3 of the tests: in memory, counts every request; one core of Python serves it."""
    command = [sys.executable, "-m", "tests.strict_s3", "--bucket", BUCKET, "--region", REGION]
    with subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        try:
            yield Server("strict S3", url, BUCKET, Remote(url))
        finally:
            process.terminate()


@contextmanager
def rclone_s3(rclone: Path, folder: Path) -> Iterator[Server]:
    """`rclone serve s3` on a folder: takes gigabytes, in Go, on disk; ignores conditions and counts nothing."""
    command = [
        *(str(rclone), "serve", "s3", str(folder), "--addr", "127.0.0.1:0"),
        *("--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--config", os.devnull),
    ]
    (folder / BUCKET).mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        url = ""
        for line in process.stderr:
            _, started, rest = line.partition("Starting s3 server on [")
            if started:
                url = rest.partition("]")[0].rstrip("/")
                break
        # Read on, or a full pipe would stop the server.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        try:
            yield Server("rclone serve s3", url, BUCKET, None)
        finally:
            process.terminate()
