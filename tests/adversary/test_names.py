"""Every name and kind that a Linux file system allows comes back as it was: bytes, mode, time to the nanosecond."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.adversary.conftest import Restored, described
from tests.sync.conftest import Place

EVERY_BYTE = [bytes([byte]) for byte in range(1, 256) if byte not in b"/."]


def make(home: Path, name: bytes, body: bytes) -> None:
    """A file at a path of any length, one folder after the other."""
    here = os.open(home, os.O_RDONLY)
    *folders, last = name.split(b"/")
    for folder in folders:
        if folder not in map(os.fsencode, os.listdir(here)):
            os.mkdir(folder, dir_fd=here)
        below = os.open(folder, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    file = os.open(last, os.O_WRONLY | os.O_CREAT, 0o640, dir_fd=here)
    os.write(file, body)
    os.utime(file, ns=(1, 1_500_000_000_123_456_789 + len(body)))
    os.close(file)
    os.close(here)


def check(place: Place, restored: Restored) -> None:
    with place.engine() as sync:
        report = sync.run_pass()
        assert report.complete, report
        assert sync.run_pass().uploaded == 0
    assert described(restored()) == described(place.home)


def test_every_byte_alone_within_and_as_a_folder(place: Place, restored: Restored) -> None:
    for byte in EVERY_BYTE:
        make(place.home, byte, b"alone " + byte)
        make(place.home, b"in" + byte + b"side.txt", b"inside " + byte)
        make(place.home, b"folder" + byte + b"/file" + byte, b"folder " + byte)
    check(place, restored)


@pytest.mark.parametrize(
    "name",
    [
        b"n" * 255,
        b"\xff" * 255,
        "\u00fc".encode() * 127,
        b"/".join([b"deep" * 60] * 6),
        b"/".join([b"d"] * 700),
        b"/".join([b"\xfe" * 200] * 7),
        "caf\u00e9".encode(),
        "cafe\u0301".encode(),
        b"new\nline\n",
        b"\n",
        b" ",
        b" leading and trailing ",
        b"...",
        b"..hidden",
        b"a\\b",
        b"%2F",
        b"%2E%2E",
        b"a (S3 object)",
        b"a (from S3).txt",
        b".wherobots/lease.json",
        b".wherobots/names/" + b"0" * 64,
        b".wherobots/manifest.json.gz",
        b"wherobots-staged",
        "\u2028\u202e\ufeff".encode(),
        "\ufffe\uffff".encode(),
        "\U0001f600\U0010ffff".encode(),
        b"\xed\xa0\x80",
        b"null\x00".rstrip(b"\0") + b"\x01\x7f",
    ],
    ids=lambda name: repr(name[:30]),
)
def test_a_name(place: Place, restored: Restored, name: bytes) -> None:
    make(place.home, name, b"the file of this name")
    make(place.home, b"other", b"another file")
    check(place, restored)


def test_both_normal_forms_are_two_files(place: Place, restored: Restored) -> None:
    make(place.home, "caf\u00e9".encode(), b"composed")
    make(place.home, "cafe\u0301".encode(), b"decomposed")
    make(place.home, "CAF\u00c9".encode(), b"capital")
    check(place, restored)


def test_kinds_modes_and_times(place: Place, restored: Restored) -> None:
    for mode in (0o400, 0o600, 0o644, 0o755, 0o777, 0o4755, 0o1644):
        make(place.home, b"mode-%o" % mode, b"%o" % mode)
        (place.home / f"mode-{mode:o}").chmod(mode)
    for when in (0, 1, 10**18 + 1, 4_000_000_000_999_999_999, -(10**18) - 1):
        make(place.home, b"time-%d" % when, b"time")
        os.utime(place.home / f"time-{when}", ns=(when, when))
    make(place.home, b"empty-file", b"")
    make(place.home, b"twins/one", b"one file with three names")
    os.link(place.home / "twins/one", place.home / "twins/two")
    os.link(place.home / "twins/one", place.home / "three")
    for name, target in {
        b"to-file": b"empty-file",
        b"to-folder": b"twins",
        b"dangling": b"/nowhere/at/all",
        b"outside": b"/etc/passwd",
        b"itself": b"itself",
        b"up": b"../../..",
        b"odd": b"\xff\n\x01",
        b"l" * 255: b"x" * 4000,
    }.items():
        os.symlink(target, os.fsencode(place.home) + b"/" + name)
        os.utime(os.fsencode(place.home) + b"/" + name, ns=(1, 10**18 + 7), follow_symlinks=False)
    (place.home / "empty/nested").mkdir(parents=True)
    (place.home / "closed").mkdir(mode=0o700)
    (place.home / "sticky").mkdir()
    (place.home / "sticky").chmod(0o1777)
    check(place, restored)


def test_a_mode_and_a_time_that_changed_later(place: Place, restored: Restored) -> None:
    make(place.home, b"script", b"#!/bin/sh")
    make(place.home, b"\xffodd", b"odd")
    (place.home / "folder").mkdir()
    with place.engine() as sync:
        assert sync.run_pass().complete
    for name in (b"script", b"\xffodd"):
        path = os.fsencode(place.home) + b"/" + name
        os.chmod(path, 0o755)
        os.utime(path, ns=(3, 10**18 + 3))
    (place.home / "folder").chmod(0o700)
    check(place, restored)
