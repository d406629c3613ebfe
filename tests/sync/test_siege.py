"""What would stall the mirror, starve some files of their turn, or let something grow without bound."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from jupyter_wherobots.sync import capture, passes, restore, schedule
from jupyter_wherobots.sync.filestat import pack
from tests.strict_s3 import When
from tests.sync.conftest import PREFIX, Place
from tests.sync.test_restore import elsewhere


def test_what_is_said_of_a_store_is_said_once(place: Place) -> None:
    place.write("a")
    place.s3.deny(PREFIX)
    with place.engine(capabilities=None) as sync:
        for _ in range(3):
            notes = sync.run_pass().notes
        assert len(notes) == 1


@pytest.mark.slow
def test_folders_deeper_than_pythons_stack(place: Place, tmp_path: Path) -> None:
    """As a copy of a folder into itself leaves them."""
    name = "/".join(["d"] * 1100)
    subprocess.run(["mkdir", "-p", name], cwd=place.home, check=True)
    place.home.joinpath(name, "file").write_bytes(b"deep")
    place.write("other")
    other, home = elsewhere(place, tmp_path)
    try:
        with place.engine() as sync:
            assert sync.run_pass().complete
        assert other.restore().complete
        assert home.joinpath(name, "file").read_bytes() == b"deep"
    finally:
        subprocess.run(["rm", "-r", place.home / "d", home / "d"], check=True)
    with place.engine() as sync:
        for _ in range(3):
            assert sync.run_pass().complete
    assert place.keys().keys() == {PREFIX + "other"}


def test_a_fault_of_the_mirror_itself_does_not_end_the_restore(
    place: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    place.s3.put(PREFIX + "a", b"text")
    struck = threading.Event()

    def strike(name: str) -> None:
        if name == "restore.before-commit" and not struck.is_set():
            struck.set()
            raise RuntimeError("a mistake")

    monkeypatch.setattr(restore, "failpoint", strike)
    sync, home = elsewhere(place, tmp_path)
    restored = threading.Event()
    sync.on_change = lambda status: restored.set() if status.restored else None
    sync.start()
    assert restored.wait(30)
    assert place.local(home) == {"a": b"text"}
    assert "a mistake" in caplog.text


def test_a_copy_of_a_file_that_never_rests_does_not_fill_the_disk(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fills it is what somebody's work then has no room for."""
    file = place.write("log", bytes(17 << 20))
    root = os.open(place.home, os.O_RDONLY)
    monkeypatch.setattr(capture, "_FICLONE", 0)  # nor can blocks be shared
    space = os.statvfs(place.home)
    room = (64 << 20) // space.f_frsize
    monkeypatch.setattr(
        os, "fstatvfs", lambda _: SimpleNamespace(f_bavail=room, f_frsize=space.f_frsize)
    )
    with pytest.raises(capture.NotNowError, match="no room"):
        capture.hot_copy(root, b"log", pack(file.stat()), tmp_path / "hot", threading.Event())
    os.close(root)


# -- what fails, and its turn ---------------------------------------------------------------------------


def puts(place: Place, since: int) -> list[str]:
    """The names that were to be put, in the order of the requests since so many, each once."""
    names = [
        record.key[len(PREFIX) :]
        for record in place.s3.requests[since:]
        if record.operation.value == "PutObject" and ".wherobots/" not in record.key
    ]
    return list(dict.fromkeys(names))


def notebooks(place: Place, name: str, count: int) -> None:
    for number in range(count):
        place.write(f"{name}{number:03}.ipynb", b'{"cells": [%d]}' % number)


@pytest.mark.parametrize("count", [10, 30, 150])
def test_what_s3_never_takes_keeps_nothing_else_waiting(place: Place, count: int) -> None:
    """The newest and most valuable, and some more of them than it takes to think that S3 does not work at all."""
    for number in range(100):
        place.write(f"good{number}", b"%d" % number)
    notebooks(place, "bad", count)
    place.s3.fail("PutObject", code="InternalError", key=PREFIX + "bad*", times=None)
    with place.engine(concurrency=4) as sync:
        for _ in range(5 + count // 4):
            sync.run_pass()
        assert len(place.remote()) == 100
        place.write("new", b"new")
        sync.run_pass()
        assert place.remote()["new"] == b"new"
        place.write("last", b"last")
        asked = len(place.s3.requests)
        assert sync.final(30).not_durable_count == count
        assert puts(place, asked)[0] == "last"
        place.s3.heal()
        assert sync.run_pass().complete
    assert place.remote() == place.local()


@pytest.mark.parametrize("last", [False, True])
def test_an_outage_is_not_held_against_what_it_struck(place: Place, last: bool) -> None:
    with place.engine(concurrency=1, lease=False) as sync:
        sync.run_pass()
        notebooks(place, "valuable", 60)
        for number in range(200):
            place.write(f"other{number}", b"%d" % number)
        place.s3.fail("PutObject", code="InternalError", times=None)
        for _ in range(4):
            assert sync.run_pass().error is not None
        place.s3.heal()
        asked = len(place.s3.requests)
        report = sync.final(60) if last else sync.run_pass()
        assert report.complete
    order = puts(place, asked)
    valuable = sorted((name for name in order if name.startswith("valuable")), reverse=True)
    assert len(valuable) == 60
    if last:
        assert order[:60] == valuable
    else:
        assert {*order[:120]} >= {*valuable}  # some others find out first whether S3 works


def test_what_was_under_way_when_a_token_expired_is_not_sent_again(place: Place) -> None:
    with place.engine(concurrency=4, lease=False) as sync:
        sync.run_pass()
        for name in "abcd":
            place.write(name, name.encode())
        place.s3.fail("PutObject", code="ExpiredToken", key=PREFIX + "a", times=1)
        with place.s3.gate("PutObject", key=PREFIX + "[bcd]", when=When.AFTER) as gate:

            def release() -> None:
                gate.wait_for_arrivals(3)
                place.s3.wait_until(lambda: place.asked("PutObject", "a") == 1)
                gate.release()

            releasing = threading.Thread(target=release)
            releasing.start()
            report = sync.run_pass()
            releasing.join()
        assert [each.path for each in report.not_durable] == ["a"]
        assert sync.run_pass().complete
        assert [place.asked("PutObject", name) for name in "abcd"] == [2, 1, 1, 1]
    assert place.remote() == place.local()


# -- what takes long ------------------------------------------------------------------------------------


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes beside others come as soon as there is a hint."""
    monkeypatch.setattr(schedule, "_SOON", 0.05)
    monkeypatch.setattr(schedule, "_GAP", 0.05)


NOTEBOOK = b'{"cells": [%d]}'
ORDER = ("saved.ipynb", "under way", ".venv/queued")
"""Of their value, and so of their turns."""


def edit(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"2", b"333"))


def replace(path: Path) -> None:
    staged = path.with_name("staged")
    staged.write_bytes(path.read_bytes().replace(b"2", b"333"))
    staged.replace(path)


def rename(path: Path) -> None:
    path.rename(path.with_name(f"renamed {path.name}"))


def rotate(path: Path) -> None:
    """As logs are: the old one gets another name, and a new one its own."""
    path.rename(path.with_name(f"old {path.name}"))
    path.write_bytes(NOTEBOOK % 4)


def swap(path: Path) -> None:
    other = path.with_name(f"bystander {path.name}")
    path.rename(path.with_name("third"))
    other.rename(path)
    path.with_name("third").rename(other)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("deed", [edit, replace, rename, rotate, swap, Path.unlink])
def test_whatever_happens_to_files_while_a_pass_takes_long(
    place: Place, deed: Callable[[Path], None]
) -> None:
    """To one that it has saved, one that is under way, and one whose turn comes later."""
    paths = [place.home / name for name in ORDER]
    for number, name in enumerate(ORDER):
        place.write(name, NOTEBOOK % (10 + number))
        (place.home / name).with_name(f"bystander {Path(name).name}").write_bytes(
            NOTEBOOK % (100 + number)
        )
    sync = place.engine(hints=True, interval=0.1, concurrency=1)
    sync.start()
    place.s3.wait_until(lambda: place.remote() == place.local(), 30)
    with place.s3.gate("PutObject", key=place.key("under way")) as gate:
        with sync._session.passing:
            for number, path in enumerate(paths):
                path.write_bytes(NOTEBOOK % (20 + number))
        gate.wait_for_arrivals(1, 30)
        assert place.remote()["saved.ipynb"] == NOTEBOOK % 20
        for path in paths:
            deed(path)
        place.write("beside.ipynb", NOTEBOOK % 0)
        place.s3.wait_until(lambda: "beside.ipynb" in place.remote(), 30)
        assert place.remote()[".venv/queued"] == NOTEBOOK % 12
    place.s3.wait_until(lambda: place.remote() == place.local(), 30)
    assert sync.conflicts() == ()


@pytest.mark.usefixtures("soon")
def test_a_notebook_does_not_wait_for_many_files(place: Place) -> None:
    sync = place.engine(hints=True, interval=0.1, concurrency=2)
    sync.start()
    assert sync.wait_restored(30)
    with place.s3.gate("PutObject", key=place.key("many/*")) as gate:
        with sync._session.passing:
            for number in range(50):
                place.write(f"many/{number}", b"%d" % number)
        gate.wait_for_arrivals(2, 30)
        for number in range(3):
            place.write("a.ipynb", NOTEBOOK % number)
            place.s3.wait_until(lambda: place.remote().get("a.ipynb") == NOTEBOOK % number, 30)  # noqa: B023
        assert place.remote().keys() == {"a.ipynb"}
    place.s3.wait_until(lambda: place.remote() == place.local(), 30)


def test_a_notebook_does_not_wait_for_a_large_file(place: Place) -> None:
    sync = place.engine(hints=True, interval=0.1)
    place.write("a")
    sync.start()
    place.s3.wait_until(lambda: place.remote().keys() == {"a"}, 30)
    with place.s3.gate("UploadPart") as gate:
        place.write("large", os.urandom((16 << 20) + 1))
        gate.wait_for_arrivals(1, 30)
        place.write("new.ipynb", b'{"cells": []}')
        place.s3.wait_until(lambda: "new.ipynb" in place.remote(), 30)
        assert "large" not in place.remote()
    place.s3.wait_until(lambda: place.remote() == place.local(), 30)


@pytest.mark.usefixtures("soon")
def test_a_pass_goes_on_although_one_beside_it_fails(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = place.engine(hints=True, interval=0.1)
    place.write("a")
    sync.start()
    place.s3.wait_until(lambda: place.remote().keys() == {"a"}, 30)
    struck = threading.Event()

    def strike(name: str) -> None:
        if name == "pass.scanned" and not struck.is_set():
            struck.set()
            raise OSError(28, "No space left on device")

    with place.s3.gate("UploadPart") as gate:
        place.write("large", os.urandom((16 << 20) + 1))
        gate.wait_for_arrivals(1, 30)
        monkeypatch.setattr(passes, "failpoint", strike)
        place.write("new.ipynb", NOTEBOOK % 1)
        assert struck.wait(30)
    place.s3.wait_until(lambda: place.remote() == place.local(), 30)
    assert place.asked("CreateMultipartUpload") == 1


def test_what_changes_before_its_turn_is_sent_once(place: Place) -> None:
    """A pass made beside a long one leaves it what it has yet to send, or it would take the newer version for another's."""
    late = place.write(".venv/late.ipynb", b'{"cells": [1]}')
    sync = place.engine(hints=True, interval=0.1, concurrency=1)
    sync.start()
    place.s3.wait_until(lambda: place.remote() == place.local(), 30)
    with place.s3.gate("UploadPart") as gate:
        with sync._session.passing:
            late.write_bytes(b'{"cells": [2]}')
            place.write("large", os.urandom((16 << 20) + 1))
        gate.wait_for_arrivals(1, 30)
        late.write_bytes(b'{"cells": [3]}')
        place.write(".venv/new")
        place.s3.wait_until(lambda: ".venv/new" in place.remote(), 30)
        assert place.remote()[".venv/late.ipynb"] == b'{"cells": [1]}'
    place.s3.wait_until(lambda: place.remote() == place.local(), 30)
    place.write("end")  # after that pass
    place.s3.wait_until(lambda: "end" in place.remote(), 30)
    assert place.asked("PutObject", ".venv/late.ipynb") == 2
    assert sync.conflicts() == ()
