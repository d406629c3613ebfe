"""A home, a strict S3, and engines between them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from jupyter_wherobots.s3.client import S3, Timeouts
from jupyter_wherobots.sync.clock import Clock
from jupyter_wherobots.sync.remote import FULL
from jupyter_wherobots.sync.service import HomeSync, SyncOptions
from tests.conftest import S3Environment
from tests.strict_s3 import StrictS3

PREFIX = "org/notebooks/customer-abc/"


class QuickClock(Clock):
    """Real time, but no pause between tries."""

    def random(self) -> float:
        return 0.0


@dataclass
class Place:
    """One home beside one strict S3. ``engine`` makes engines for it; the fixture stops them all."""

    s3: StrictS3
    home: Path
    state: Path
    engine: Callable[..., HomeSync]

    def write(self, name: str | bytes, body: bytes = b"text") -> Path:
        path = Path(os.fsdecode(os.path.join(os.fsencode(self.home), os.fsencode(name))))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        return path

    def remote(self) -> dict[str, bytes]:
        """The user's objects, by path."""
        found = self.s3.contents(PREFIX)
        own = PREFIX + ".wherobots/"
        return {key[len(PREFIX) :]: body for key, body in found.items() if not key.startswith(own)}

    def keys(self) -> dict[str, bytes]:
        """The user's objects, by key."""
        return {
            key: body
            for key, body in self.s3.contents(PREFIX).items()
            if not key.startswith((PREFIX + ".wherobots/lease", PREFIX + ".wherobots/manifest"))
        }

    def local(self, home: Path | None = None) -> dict[str, bytes]:
        """The files of home, by path; a link is what it says."""
        found = {}
        root = os.fsencode(home or self.home)
        for folder, _, names in os.walk(root):
            for name in names:
                path = os.path.join(folder, name)
                relative = os.path.relpath(path, root)
                if os.path.islink(path):
                    found[os.fsdecode(relative)] = os.readlink(path)
                else:
                    with open(path, "rb") as file:
                        found[os.fsdecode(relative)] = file.read()
        return found

    def key(self, path: str) -> str:
        return PREFIX + path

    def asked(self, operation: str, path: str | None = None) -> int:
        """How many requests of a kind there were about the user's files, or about one of them."""
        own = PREFIX + ".wherobots/"
        return sum(
            record.operation.value == operation
            and not record.key.startswith(own)
            and (path is None or record.key == PREFIX + path)
            for record in self.s3.requests
        )


@pytest.fixture
def place(strict_s3: StrictS3, s3_env: S3Environment, tmp_path: Path) -> Iterator[Place]:
    s3_env(strict_s3)
    s3 = S3(strict_s3.bucket, timeouts=Timeouts(2.0, 5.0, 5.0), attempts=1)
    engines: list[HomeSync] = []

    def engine(home: Path | None = None, state: Path | None = None, **options: object) -> HomeSync:
        options.setdefault("clock", QuickClock())
        options.setdefault("hints", False)
        options.setdefault("capabilities", FULL)
        made = HomeSync(
            s3,
            PREFIX,
            home or found.home,
            state or found.state,
            options=SyncOptions(**options),  # type: ignore[arg-type]
        )
        engines.append(made)
        return made

    found = Place(strict_s3, tmp_path / "home", tmp_path / "state", engine)
    found.home.mkdir()
    yield found
    for each in engines:
        each.stop()
    s3.close()
