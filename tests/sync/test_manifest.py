"""What S3 has no object for makes the round trip too, and a bad manifest harms nothing."""

from __future__ import annotations

import gzip
import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from jupyter_wherobots.sync import manifest
from jupyter_wherobots.sync.clock import Deadline
from jupyter_wherobots.sync.manifest import Late, Manifest
from jupyter_wherobots.sync.names import Names
from jupyter_wherobots.sync.passes import Kind, Order
from jupyter_wherobots.sync.status import PassReport
from tests.sync.conftest import PREFIX, Place
from tests.sync.test_evidence import as_anybody
from tests.sync.test_hints import Hand
from tests.sync.test_restore import elsewhere


def test_empty_folders_and_modes_come_back(place: Place, tmp_path: Path) -> None:
    (place.home / "empty/inner").mkdir(parents=True)
    place.write("secret/key")
    (place.home / "secret").chmod(0o700)
    os.utime(place.home / "secret", ns=(7, 7))
    with place.engine() as sync:
        assert sync.run_pass().complete
    sync, home = elsewhere(place, tmp_path)
    assert sync.restore().complete
    assert (home / "empty/inner").is_dir()
    info = (home / "secret").stat()
    assert stat.S_IMODE(info.st_mode) == 0o700
    assert info.st_mtime_ns == 7


def test_a_folder_that_only_its_owner_may_not_write_is_filled(place: Place, tmp_path: Path) -> None:
    place.write("ro/file")
    (place.home / "ro").chmod(0o555)
    with place.engine() as sync:
        assert sync.run_pass().complete
    sync, home = elsewhere(place, tmp_path)
    assert sync.restore().complete
    assert (home / "ro/file").read_bytes() == b"text"
    assert stat.S_IMODE((home / "ro").stat().st_mode) == 0o555


def test_a_late_chmod_and_touch_come_back_without_an_upload(place: Place, tmp_path: Path) -> None:
    file = place.write("run.sh", b"#!/bin/sh")
    with place.engine() as sync:
        sync.run_pass()
        file.chmod(0o755)
        os.utime(file, ns=(99, 99))
        assert sync.run_pass().uploaded == 0
    sync, home = elsewhere(place, tmp_path)
    assert sync.restore().complete
    info = (home / "run.sh").stat()
    assert (stat.S_IMODE(info.st_mode), info.st_mtime_ns) == (0o755, 99)
    assert sync.run_pass().uploaded == 0


def test_a_late_mode_is_not_given_to_a_newer_version(place: Place, tmp_path: Path) -> None:
    file = place.write("a")
    with place.engine() as sync:
        sync.run_pass()
        file.chmod(0o600)
        sync.run_pass()
    place.s3.put(place.key("a"), b"theirs")
    sync, home = elsewhere(place, tmp_path)
    assert sync.restore().complete
    assert stat.S_IMODE((home / "a").stat().st_mode) == 0o644


def test_folders_and_modes_are_saved_as_soon_as_files_are(place: Place, tmp_path: Path) -> None:
    clock = Hand()
    file = place.write("run.sh", b"#!/bin/sh")
    with place.engine(clock=clock, lease=False) as sync:
        sync.run_pass()

        def hinted() -> PassReport:
            with sync._session.passing:
                return sync._session.make_pass(Order(Kind.HINTED), Deadline(clock, None))

        clock.at += 10
        # Git takes a repository for none without its folder of branches, empty though it is once they are packed.
        (place.home / "project/.git/refs/heads").mkdir(parents=True)
        file.chmod(0o755)
        assert hinted().complete
        there, home = elsewhere(place, tmp_path)
        assert there.restore().complete
        assert (home / "project/.git/refs/heads").is_dir()
        assert stat.S_IMODE((home / "run.sh").stat().st_mode) == 0o755


@pytest.mark.parametrize("restart", ["", "restored", "passes alone"])
def test_what_cannot_be_read_now_is_not_forgotten(
    place: Place, tmp_path: Path, restart: str
) -> None:
    """A manifest that is made meanwhile says of it what the one before said: an error is no absence."""
    place.write("locked/in/script", b"#!/bin/sh")
    os.link(place.write("locked/one", b"shared"), place.home / "locked/two")
    for name in ("locked/empty", "locked/in/empty", "gone"):
        (place.home / name).mkdir()
    (place.home / "locked/in").chmod(0o750)
    with as_anybody():
        sync = place.engine()
        assert sync.run_pass().complete
        (place.home / "locked").chmod(0)
        if restart:
            sync.stop()
            sync = place.engine()
        if restart == "restored":
            assert sync.restore().complete
        (place.home / "gone").rmdir()
        (place.home / "new/empty").mkdir(parents=True)
        for _ in range(3):
            report = sync.run_pass()
            assert report.error is None
            assert [each.path for each in report.not_durable] == ["locked/"]
        sync.stop()
    there, home = elsewhere(place, tmp_path)
    assert there.restore().complete
    found = {str(each.relative_to(home)) for each in home.rglob("*") if each.is_dir()}
    assert found == {"locked", "locked/empty", "locked/in", "locked/in/empty", "new", "new/empty"}
    assert stat.S_IMODE((home / "locked/in").stat().st_mode) == 0o750
    assert (home / "locked/one").stat().st_ino == (home / "locked/two").stat().st_ino


@pytest.mark.parametrize("restart", [False, True])
def test_a_manifest_that_somebody_deleted_is_put_anew(
    place: Place, tmp_path: Path, restart: bool
) -> None:
    place.write("a")
    (place.home / "empty").mkdir()
    with place.engine() as sync:
        assert sync.run_pass().complete
        place.s3.delete(place.key("a"))
        place.s3.delete(PREFIX + manifest.NAME)
        if not restart:
            sync.check_remote()
            assert sync.save_again() == 1
            assert sync.run_pass().complete
    if restart:
        with place.engine() as sync:
            sync.restore()
            assert sync.save_again() == 1
            assert sync.run_pass().complete
    there, home = elsewhere(place, tmp_path)
    assert there.restore().complete
    assert place.local(home) == {"a": b"text"}
    assert (home / "empty").is_dir()


def test_it_is_not_called_saved_while_the_manifest_waits(place: Place) -> None:
    clock = Hand()
    with place.engine(clock=clock, lease=False) as sync:
        place.write("a")
        (place.home / "first").mkdir()
        assert sync.run_pass().complete
        saved_at = sync.status().saved_at
        (place.home / "second").mkdir()
        puts = place.s3.count("PutObject")
        with sync._session.passing:
            report = sync._session.make_pass(Order(Kind.HINTED), Deadline(clock, None))
        assert (report.complete, report.error, report.not_durable) == (False, None, ())
        assert place.s3.count("PutObject") == puts
        assert sync.status().saved_at == saved_at
        assert sync.run_pass().complete  # somebody asks: it waits no longer
        assert place.s3.count("PutObject") == puts + 1
        assert sync.status().saved_at != saved_at


def test_hard_links_come_back_as_one_file(place: Place, tmp_path: Path) -> None:
    first = place.write("a/one", b"shared")
    for name in ("a/two", "three"):
        os.link(first, place.home / name)
    with place.engine() as sync:
        assert sync.run_pass().complete
    assert place.remote() == dict.fromkeys(("a/one", "a/two", "three"), b"shared")
    sync, home = elsewhere(place, tmp_path)
    assert sync.restore().complete
    inodes = {(home / name).stat().st_ino for name in ("a/one", "a/two", "three")}
    assert len(inodes) == 1
    assert place.asked("GetObject") == 1
    assert sync.run_pass().uploaded == 0
    (home / "three").write_bytes(b"edited")
    assert sync.run_pass().complete
    assert set(place.remote().values()) == {b"edited"}


def test_a_link_whose_bytes_were_changed_remotely_is_a_file_of_its_own(
    place: Place, tmp_path: Path
) -> None:
    os.link(place.write("one", b"shared"), place.home / "two")
    with place.engine() as sync:
        assert sync.run_pass().complete
    place.s3.put(place.key("two"), b"theirs")
    sync, home = elsewhere(place, tmp_path)
    assert sync.restore().complete
    assert place.local(home) == {"one": b"shared", "two": b"theirs"}


def test_an_unchanged_home_writes_no_manifest_twice(place: Place) -> None:
    place.write("d/a")
    with place.engine() as sync:
        sync.run_pass()
    before = place.s3.object(PREFIX + manifest.NAME)
    with place.engine() as sync:
        place.write("d/b")
        sync.run_pass()
    assert place.s3.object(PREFIX + manifest.NAME) is before


def zipped(text: bytes) -> bytes:
    """Without the time of day: parallel runs have to find tests of the same names."""
    return gzip.compress(text, mtime=0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no gzip",
        zipped(b"no json"),
        zipped(b"[]"),
        zipped(b'{"version": 1, "folders": 5, "late": [], "links": {"a": 1}}'),
        zipped(
            json.dumps(
                {
                    "version": 1,
                    "folders": {"../out": [448, 1], "/abs": [448, 1], "a/../../x": [448, 1]},
                    "late": {"a": ["x", "y", "z"], "b": [1, 2, 3], "c": ["e", 2**80, 1]},
                    "links": [["a"], {"../a": "e", "b": "f"}],
                }
            ).encode()
        ),
    ],
)
def test_a_manifest_that_anybody_wrote_harms_nothing(
    place: Place, tmp_path: Path, body: bytes
) -> None:
    place.s3.put(PREFIX + manifest.NAME, body)
    place.s3.put(PREFIX + "a", b"a")
    place.s3.put(PREFIX + "b", b"b")
    sync, home = elsewhere(place, tmp_path)
    assert sync.restore().complete
    assert place.local(home) == {"a": b"a", "b": b"b"}
    assert [each.name for each in home.parent.iterdir()] == ["other"]


SEGMENTS = some.binary(min_size=1, max_size=12).filter(
    lambda s: b"/" not in s and b"\0" not in s and s not in (b".", b"..")
)
PATHS = some.lists(SEGMENTS, min_size=1, max_size=3).map(b"/".join)
NUMBERS = some.integers(-(2**61), 2**61)


@given(
    some.dictionaries(PATHS, some.tuples(some.integers(0, 0o7777), NUMBERS), max_size=5),
    some.dictionaries(
        PATHS, some.builds(Late, some.text("abc"), some.integers(0, 0o7777), NUMBERS), max_size=5
    ),
    some.lists(some.dictionaries(PATHS, some.text("abc")), max_size=3).map(tuple),
)
@settings(max_examples=60, deadline=None)
def test_every_manifest_is_read_as_it_was_written(
    folders: dict[bytes, tuple[int, int]],
    late: dict[bytes, Late],
    links: tuple[dict[bytes, str], ...],
) -> None:
    made = Manifest(folders, late, links)
    assert manifest.parsed(manifest.packed(made)) == made


# -- names ------------------------------------------------------------------------------------------


@given(PATHS)
@settings(max_examples=300, deadline=None)
def test_every_name_has_a_key_and_the_key_leads_back(path: bytes) -> None:
    from jupyter_wherobots.sync.names import Landing, OddName

    names = Names(PREFIX)
    key = names.key(path)
    assert len(key.encode()) <= 1024
    assert not any(c < " " for c in key)
    landing = names.landing(key)
    if names.is_odd(path):
        assert isinstance(landing, OddName)
        assert names.odd_path(landing.digest, path) == path
        assert names.landing(names.name_key(path)) == OddName(landing.digest, True)
    else:
        assert landing == Landing(path)


def test_every_name_that_linux_allows_makes_the_round_trip(place: Place, tmp_path: Path) -> None:
    names = [bytes([value]) for value in range(1, 256) if value not in b"/."]
    names += [
        b"x" * 255,
        b"/".join([b"deep" * 60] * 6),
        "\u00e9".encode(),
        "e\u0301".encode(),
        b"new\nline",
        b".wherobots/mine",
        b"tail ",
        b" lead",
        b"%2F",
        b"a%00b",
        "\ufffe\uffff".encode(),
    ]
    for name in names:
        place.write(name, name)
    with place.engine() as sync:
        report = sync.run_pass()
        assert report.complete, report.not_durable
    sync, home = elsewhere(place, tmp_path)
    restored = sync.restore()
    assert restored.complete, restored.failed
    assert place.local(home) == place.local()
    assert sync.run_pass().uploaded == 0
    (home / "new\nline").unlink()
    sync.run_pass()
    assert sync.run_pass().deleted == 1
    assert not [key for key, body in place.keys().items() if body == b"new\nline"]


@pytest.mark.parametrize("body", [None, b"another name"])
def test_a_name_that_somebody_took_out_of_s3_costs_its_file_nothing(
    place: Place, tmp_path: Path, body: bytes | None
) -> None:
    """Its bytes must not come as another file, whose deletion would be theirs."""
    place.write("\udcff.txt", b"mine")
    place.write("other")
    with place.engine() as sync:
        assert sync.run_pass().complete
    (key,) = (key for key in place.s3.contents(PREFIX) if key.endswith(".name"))
    place.s3.delete(key)
    if body is not None:
        place.s3.put(key, body)
    with place.engine() as sync:
        report = sync.restore()
        assert report.complete
        assert report.already_there == 2
        assert sync.run_pass().complete
        assert sync.conflicts() == ()
    assert place.local() == {"\udcff.txt": b"mine", "other": b"text"}
    if body is None:
        with place.engine(home=tmp_path / "new", state=tmp_path / "new-state") as sync:
            assert sync.restore().complete
        assert place.local(tmp_path / "new") == place.local()
