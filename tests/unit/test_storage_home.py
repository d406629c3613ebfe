"""Copies between home and storage: whole bytes, the rule for taken names, and never a step outside home."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_wherobots.errors import (
    AlreadyExists,
    InvalidPath,
    InvalidRequest,
    NotFound,
    NotPermitted,
    WherobotsError,
)
from jupyter_wherobots.s3.crew import BUFFERS
from jupyter_wherobots.storage.entries import EntryType
from jupyter_wherobots.storage.home import Home, HomeFile
from jupyter_wherobots.storage.items import Item
from jupyter_wherobots.storage.jobs import Job, JobState
from jupyter_wherobots.storage.naming import Conflict
from tests.stored import OWN, Stored
from tests.strict_s3 import Call, StrictS3

SHARED = "/data/shared/"
MIB = 1024 * 1024


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with something beside it that nobody may reach."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("secret")
    directory = tmp_path / "home"
    directory.mkdir()
    return directory


def of(*paths: str) -> list[Item]:
    return [Item.of(path) for path in paths]


def ended(job: Job) -> Job:
    assert job.over.wait(30)
    return job


def in_home(home: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(home)): path.read_bytes()
        for path in sorted(home.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def in_s3(stored: Stored, prefix: str) -> dict[str, bytes]:
    found = stored.boto.list_objects_v2(Bucket=stored.bucket, Prefix="org" + prefix)
    return {
        each["Key"][3 + len(prefix) :]: stored.boto.get_object(
            Bucket=stored.bucket, Key=each["Key"]
        )["Body"].read()
        for each in found.get("Contents", [])
    }


# -- home to storage ------------------------------------------------------------------------------


def test_sharing_a_notebook_is_one_call(stored: Stored, home: Path) -> None:
    (home / "a b.ipynb").write_bytes(b"{}")
    job = ended(stored.storage.home_to_storage(["a b.ipynb"], SHARED))
    assert (job.state, job.objects, job.bytes) == (JobState.DONE, 1, 2)
    assert job.results == [SHARED + "a b.ipynb"]
    assert in_s3(stored, SHARED) == {"a b.ipynb": b"{}"}
    assert stored.storage.stat(SHARED + "a b.ipynb").content_type == "application/x-ipynb+json"


def test_a_folder_goes_with_everything_in_it(stored: Stored, home: Path) -> None:
    large = bytes(range(256)) * 4096 * 17  # 17 MiB: by parts
    (home / "f" / "g").mkdir(parents=True)
    (home / "f" / "empty").mkdir()
    (home / "f" / ".hidden").write_bytes(b"h")
    (home / "f" / "g" / "ü").write_bytes(b"")
    (home / "f" / "large").write_bytes(large)
    job = ended(stored.storage.home_to_storage(["f"], OWN + "new/"))
    assert (job.state, job.objects, job.total_objects) == (JobState.DONE, 4, 4)
    assert job.bytes == job.total_bytes == len(large) + 1
    assert in_s3(stored, OWN + "new/f/") == {
        ".hidden": b"h",
        "g/ü": b"",
        "large": large,
        "empty/": b"",
    }
    assert BUFFERS.free == BUFFERS.size
    state = home.parent / "home-state" / "uploads"
    assert list(state.glob("*.json")) == []  # nothing for the janitor


def test_the_rule_towards_storage(stored: Stored, home: Path) -> None:
    (home / "x").write_bytes(b"new")
    (home / "f").mkdir()
    (home / "f" / "a").write_bytes(b"new")
    (home / "f" / "b").write_bytes(b"new")
    for path in ("x", "f/a"):
        stored.put(SHARED + path, b"old")
    job = ended(stored.storage.home_to_storage(["x", "f"], SHARED))
    assert [error.code for error in job.errors] == ["AlreadyExists", "AlreadyExists"]
    assert in_s3(stored, SHARED) == {"x": b"old", "f/a": b"old"}
    job = ended(stored.storage.home_to_storage(["x", "f"], SHARED, Conflict.SKIP))
    assert (job.state, job.skipped) == (JobState.DONE, 2)
    assert in_s3(stored, SHARED) == {"x": b"old", "f/a": b"old", "f/b": b"new"}
    job = ended(stored.storage.home_to_storage(["x", "f"], SHARED, Conflict.KEEP_BOTH))
    assert sorted(job.results) == [SHARED + "f (1)/", SHARED + "x (1)"]
    job = ended(stored.storage.home_to_storage(["x", "f"], SHARED, Conflict.REPLACE))
    assert in_s3(stored, SHARED) == {
        **dict.fromkeys(("x", "f/a", "f/b", "x (1)", "f (1)/a", "f (1)/b"), b"new")
    }


def test_links_and_special_files_stay_where_they_are(strict: Stored, home: Path) -> None:
    (home / "f").mkdir()
    (home / "f" / "good").write_bytes(b"1")
    (home / "f" / "link").symlink_to("../../secret/key")
    (home / "f" / "folder").symlink_to("../../secret")
    (home / "f" / "dangling").symlink_to("nowhere")
    os.mkfifo(home / "f" / "pipe")
    (home / os.fsdecode(b"f/\xff")).write_bytes(b"2")
    job = ended(strict.storage.home_to_storage(["f"], SHARED))
    assert (job.state, job.objects) == (JobState.FAILED, 1)
    assert {error.path for error in job.errors} == {
        *(f"f/{name}" for name in ("link", "folder", "dangling", "pipe")),
        "f/\\udcff",
    }
    assert in_s3(strict, SHARED) == {"f/good": b"1"}
    (home / "out").symlink_to("../secret")
    for path in ("out", "out/key"):
        with pytest.raises(NotPermitted):
            strict.storage.home_to_storage([path], SHARED)


NOT_IN_HOME = ["", "/", "/etc/passwd", "..", "../secret/key", "f/../../secret/key", ".", "a//b"]
NOT_IN_HOME += ["a/", "a\0b", "x" * 256, "\ud800"]


@pytest.mark.parametrize("path", NOT_IN_HOME)
def test_paths_that_are_not_in_home(path: str, strict: Stored, strict_s3: StrictS3) -> None:
    with pytest.raises(InvalidPath):
        strict.storage.home_to_storage([path], SHARED)
    if path not in ("", "a/"):
        with pytest.raises(InvalidPath):
            strict.storage.storage_to_home(of(SHARED + "x"), path)
    assert strict_s3.count() == 0


def test_what_is_not_in_home_or_meant_twice(strict: Stored, home: Path) -> None:
    with pytest.raises(NotFound):
        strict.storage.home_to_storage(["nothing"], SHARED)
    for name in ("a", "b"):
        (home / name).mkdir()
        (home / name / "x").write_bytes(name.encode())
    with pytest.raises(InvalidRequest):
        strict.storage.home_to_storage(["a/x", "b/x"], SHARED)
    job = ended(strict.storage.home_to_storage(["a/x", "b/x"], SHARED, Conflict.KEEP_BOTH))
    assert in_s3(strict, SHARED) == {"x": b"a", "x (1)": b"b"}
    assert job.state is JobState.DONE


@pytest.mark.parametrize("size", [1000, 17 * MIB])
def test_a_file_that_is_written_to_meanwhile_is_not_torn(
    size: int, strict: Stored, strict_s3: StrictS3, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home / "x"
    file.write_bytes(b"1" * size)
    if size < MIB:
        # Between the read and the second look.
        real = os.fstat
        looks: list[int] = []

        def grown(handle: int) -> os.stat_result:
            result = real(handle)
            if stat.S_ISREG(result.st_mode) and result.st_size >= size:
                looks.append(handle)
                if len(looks) == 2:
                    file.write_bytes(b"2" * (size + 1))
            return result

        monkeypatch.setattr(os, "fstat", grown)
    else:

        def rewrite(_: Call) -> None:
            file.write_bytes(b"2" * size)

        strict_s3.on("UploadPart", rewrite, times=1)
    job = ended(strict.storage.home_to_storage(["x"], SHARED))
    assert [error.code for error in job.errors] == ["Conflicted"]
    assert in_s3(strict, SHARED) == {}
    strict_s3.wait_until(lambda: strict_s3.uploads() == [])


# -- storage to home ------------------------------------------------------------------------------


def test_taking_a_notebook_is_one_call(stored: Stored, home: Path) -> None:
    stored.put(SHARED + "n.ipynb", b"{}")
    job = ended(stored.storage.storage_to_home(of(SHARED + "n.ipynb"), ""))
    assert (job.state, job.objects, job.bytes, job.results) == (JobState.DONE, 1, 2, ["n.ipynb"])
    assert in_home(home) == {"n.ipynb": b"{}"}
    assert stat.S_IMODE((home / "n.ipynb").stat().st_mode) & 0o111 == 0


def test_a_folder_comes_with_everything_that_a_file_system_can_hold(
    stored: Stored, home: Path
) -> None:
    large = bytes(range(256)) * 4096 * 3
    for path, body in {
        "f/": b"",
        "f/a b": b"1",
        "f/g/large": large,
        "f/empty/": b"",
        "f/both": b"file",
        "f/both/x": b"in a folder of its name",
        "f//nameless": b"",
        "f/body/": b"a body",
        "f/../up": b"up",
    }.items():
        stored.put(SHARED + path, body)
    job = ended(stored.storage.storage_to_home(of(SHARED + "f/"), "taken"))
    assert job.state is JobState.FAILED
    found = in_home(home)
    one_of = {"taken/f/both": b"file", "taken/f/both/x": b"in a folder of its name"}
    assert [found.pop(path, None) for path in one_of].count(None) == 1  # no room for both
    assert found == {"taken/f/a b": b"1", "taken/f/g/large": large}
    assert (home / "taken" / "f" / "empty").is_dir()
    assert job.error_count == 4
    assert not [path for path in home.rglob("*") if ".~" in path.name]


def test_the_rule_towards_home(stored: Stored, home: Path) -> None:
    for path in ("x", "f/a", "f/b"):
        stored.put(SHARED + path, b"new")
    (home / "f").mkdir()
    for path in ("x", "f/a"):
        (home / path).write_bytes(b"old")
    both = of(SHARED + "x", SHARED + "f/")
    job = ended(stored.storage.storage_to_home(both, ""))
    assert [error.code for error in job.errors] == ["AlreadyExists", "AlreadyExists"]
    assert in_home(home) == {"x": b"old", "f/a": b"old"}
    job = ended(stored.storage.storage_to_home(both, "", Conflict.SKIP))
    assert (job.state, job.skipped) == (JobState.DONE, 2)
    assert in_home(home) == {"x": b"old", "f/a": b"old", "f/b": b"new"}
    job = ended(stored.storage.storage_to_home(both, "", Conflict.KEEP_BOTH))
    assert job.results == ["x (1)", "f (1)"]
    job = ended(stored.storage.storage_to_home(both, "", Conflict.REPLACE))
    assert job.state is JobState.DONE
    names = ("x", "f/a", "f/b", "x (1)", "f (1)/a", "f (1)/b")
    assert in_home(home) == dict.fromkeys(names, b"new")


def test_a_link_in_home_is_not_followed_when_something_comes(
    strict: Stored, strict_s3: StrictS3, home: Path
) -> None:
    strict_s3.put("org" + SHARED + "key", b"evil")
    strict_s3.put("org" + SHARED + "out/key", b"evil")
    (home / "out").symlink_to("../secret")
    (home / "key").symlink_to("../secret/key")
    for conflict in (Conflict.FAIL, Conflict.REPLACE):
        ended(strict.storage.storage_to_home(of(SHARED + "out/"), "", conflict))
        ended(strict.storage.storage_to_home(of(SHARED + "key"), "out", conflict))
        ended(strict.storage.storage_to_home(of(SHARED + "key"), "", conflict))
    assert (home.parent / "secret" / "key").read_text() == "secret"
    assert sorted(os.listdir(home.parent / "secret")) == ["key"]
    # Replacing a link replaces the link.
    assert not (home / "key").is_symlink()
    assert (home / "key").read_bytes() == b"evil"


def test_no_room_in_home(
    strict: Stored, strict_s3: StrictS3, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict_s3.put_synthetic("org" + SHARED + "f/x", 10**15)
    job = ended(strict.storage.storage_to_home(of(SHARED + "f/"), ""))
    assert [error.code for error in job.errors] == ["TooLarge"]
    assert strict_s3.count("GetObject") == 0
    assert in_home(home) == {}


def test_cancel_leaves_no_half_of_a_file(strict: Stored, strict_s3: StrictS3, home: Path) -> None:
    strict_s3.put_many({f"org{SHARED}f/{i:03d}": b"x" * 100 for i in range(100)})
    with strict_s3.gate("GetObject") as gate:
        job = strict.storage.storage_to_home(of(SHARED + "f/"), "")
        gate.wait_for_arrivals()
        strict.storage.jobs.cancel(job.id)
    ended(job)
    assert job.state is JobState.CANCELLED
    found = in_home(home)
    assert len(found) < 100
    assert set(found.values()) <= {b"x" * 100}


# -- home itself ----------------------------------------------------------------------------------


def test_a_folder_swapped_for_a_link_leads_nowhere(home: Path) -> None:
    """A thread swaps a folder and a link to a place outside while files are read and written through it."""
    (home / "d").mkdir()
    (home / "d" / "key").write_text("mine")
    (home / "link").symlink_to("../secret")
    done = threading.Event()

    def put(name: str) -> None:
        """Under the name d, which a writer may have made anew meanwhile."""
        while True:
            try:
                return os.rename(home / name, home / "d")
            except OSError:
                shutil.rmtree(home / "d", ignore_errors=True)

    def swap() -> None:
        while not done.is_set():
            os.rename(home / "d", home / "e")
            put("link")
            os.rename(home / "d", home / "link")
            put("e")

    thread = threading.Thread(target=swap)
    thread.start()
    room = Home(home)
    seen: set[str] = set()
    for number in range(100_000):
        if number >= 400 and {"mine", "NotPermitted"} <= seen:  # both have been met
            break
        try:
            with room.open("d/key") as handle:
                seen.add(os.read(handle, 10).decode())
            with room.create(f"d/new{number}", replace=True) as handle:
                os.write(handle, b"new")
        except WherobotsError as error:
            seen.add(error.code)
        for found in room.walk("d"):
            assert not isinstance(found, HomeFile) or found.path != "d/secret"
    done.set()
    thread.join()
    assert "mine" in seen
    assert "secret" not in seen
    assert sorted(os.listdir(home.parent / "secret")) == ["key"]


def test_the_name_is_given_last_and_once(home: Path) -> None:
    room = Home(home)

    def late() -> None:
        with room.create("x", replace=False) as handle:
            os.write(handle, b"ours")
            (home / "x").write_bytes(b"theirs")

    def broken() -> None:
        with room.create("y", replace=False):
            raise NotFound("the source")

    with pytest.raises(AlreadyExists):
        late()
    with pytest.raises(NotFound):
        broken()
    assert (home / "x").read_bytes() == b"theirs"
    assert sorted(os.listdir(home)) == ["x"]


def test_a_file_system_without_hard_links(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    room = Home(home)

    def write(text: bytes) -> None:
        with room.create("x", replace=False) as handle:
            os.write(handle, text)

    write(b"1")
    with pytest.raises(AlreadyExists):
        write(b"2")
    assert (home / "x").read_bytes() == b"1"
    assert sorted(os.listdir(home)) == ["x"]


_NAMES = st.sampled_from(["..", ".", "", "secret", "key", "d", "link", "home", "\0", "~", "%2e%2e"])


@given(st.lists(_NAMES, max_size=6))
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_path_of_home_reads_what_lies_beside_it(home: Path, segments: list[str]) -> None:
    if not (home / "link").is_symlink():
        (home / "d").mkdir()
        (home / "link").symlink_to("..")
    room = Home(home)
    path = "/".join(segments)
    attempts: list[Callable[[], object]] = [
        lambda: room.is_folder(path),
        lambda: room.exists(path),
        lambda: room.make_folder(path),
    ]
    for attempt in attempts:
        with suppress(WherobotsError):
            attempt()
    with suppress(WherobotsError), room.open(path) as handle:
        assert os.read(handle, 10) != b"secret"
    assert sorted(os.listdir(home.parent)) == ["home", "secret"]
    assert sorted(os.listdir(home.parent / "secret")) == ["key"]


def test_a_body_at_a_folders_key_is_a_file_alone_when_asked_for(
    strict: Stored, strict_s3: StrictS3, home: Path
) -> None:
    strict_s3.put("org" + SHARED + "body/", b"1")
    item = Item.of(SHARED + "body/", EntryType.FILE)
    job = ended(strict.storage.storage_to_home([item], ""))
    assert job.state is JobState.DONE
    assert in_home(home) == {"body": b"1"}
