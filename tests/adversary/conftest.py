"""A home, a strict S3, and engines between them; what is looked at is the home that comes back."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.sync.conftest import Place, place

__all__ = ["place"]

Restored = Callable[[], Path]


@pytest.fixture
def restored(place: Place, tmp_path: Path) -> Restored:
    """A function that makes a new instance of what S3 holds at this moment; gives its home."""
    count = 0

    def restore() -> Path:
        nonlocal count
        count += 1
        home = tmp_path / f"restored-{count}"
        sync = place.engine(home=home, state=tmp_path / f"restored-{count}-state")
        report = sync.restore()
        sync.stop()
        assert report.complete, report
        return home

    return restore


@contextmanager
def at_work(name: str, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """A program of this folder works on home as long as the block lasts; it says when it begins, and ends with its stdin."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.adversary.{name}", *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        yield process
        assert process.poll() is None, "it failed"
    finally:
        process.communicate()
    assert process.returncode == 0


def described(root: Path) -> dict[bytes, tuple[object, ...]]:
    """Everything below a folder: kind, mode, time in ns, bytes or target, and which names are one file."""
    found: dict[bytes, tuple[object, ...]] = {}
    top = os.fsencode(root)
    first: dict[int, bytes] = {}
    for folder, folders, names in os.walk(top):
        for name in sorted(folders + names):
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, top)
            info = os.lstat(path)
            mode = stat.S_IMODE(info.st_mode)
            if stat.S_ISLNK(info.st_mode):
                found[relative] = ("link", os.readlink(path), info.st_mtime_ns)
            elif stat.S_ISDIR(info.st_mode):
                found[relative] = ("folder", mode)
            else:
                with open(path, "rb") as file:
                    body = file.read()
                twin = first.setdefault(info.st_ino, relative)
                found[relative] = ("file", mode, info.st_mtime_ns, body, twin)
    return found
