"""What is put equals the file at one instant, and a good notebook is never replaced by a bad moment of it."""

from __future__ import annotations

import json
import mmap
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jupyter_wherobots.sync import camera, capture, mappings, passes
from jupyter_wherobots.sync.capture import Quiet
from jupyter_wherobots.sync.clock import FileClock
from jupyter_wherobots.sync.filestat import pack
from jupyter_wherobots.sync.patience import Halt
from jupyter_wherobots.sync.service import HomeSync
from jupyter_wherobots.sync.status import ConflictKind, Why
from tests.strict_s3 import Call, Fault
from tests.sync.conftest import Place

GOOD = json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()
PAGE = 4096


# -- one instant -------------------------------------------------------------------------------------


def test_each_capture_is_the_file_at_one_instant(tmp_path: Path) -> None:
    """A writer replaces the content in place, page by page: of what it wrote last, a capture holds all up to some page."""
    file = tmp_path / "f"
    pages = 48
    file.write_bytes(bytes(pages * PAGE))
    root = os.open(tmp_path, os.O_RDONLY)
    done = threading.Event()

    def write() -> None:
        version = 0
        with file.open("r+b", buffering=0) as opened:
            while not done.is_set():
                version = (version + 1) % 256
                for page in range(pages):
                    os.pwrite(opened.fileno(), bytes([version]) * PAGE, page * PAGE)
                done.wait(0.012)

    writer = threading.Thread(target=write)
    writer.start()
    captured = 0
    try:
        clock = FileClock(tmp_path)
        quiet = Quiet(clock.stamp, threading.Event().wait)
        for _ in range(60):
            try:
                found = capture.whole(root, b"f", pack(file.stat()), quiet)
            except capture.NotNowError:
                continue
            captured += 1
            seen = [found.body[at * PAGE] for at in range(pages)]
            assert found.body == b"".join(bytes([version]) * PAGE for version in seen)
            newest = seen.count(seen[0])
            assert seen == [seen[0]] * newest + [(seen[0] - 1) % 256] * (pages - newest)
        clock.close()
    finally:
        done.set()
        writer.join()
        os.close(root)
    assert captured > 0


def test_a_write_that_its_stat_does_not_tell_of_is_saved_by_the_next_pass(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a write is that was held up after it had stamped the file, or one through a mapping that we cannot see."""
    monkeypatch.setattr(mappings, "writable", frozenset)
    monkeypatch.setattr(camera, "_SETTLING", 10**12)  # however slow this machine is
    with _silently_changed(place) as engine:
        assert engine.run_pass().uploaded == 1
        assert place.remote() == place.local()


def test_a_mapped_file_is_saved_as_it_was_when_it_was_unmapped(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera, "_SETTLING", -(10**18))  # as if it had been mapped long ago
    with _silently_changed(place) as engine:
        assert engine.run_pass().uploaded == 1
        assert place.remote() == place.local()


@pytest.mark.parametrize("last", [False, True])
def test_a_large_mapped_file_is_read_again_when_it_is_unmapped_or_all_ends(
    place: Place, monkeypatch: pytest.MonkeyPatch, last: bool
) -> None:
    monkeypatch.setattr(camera, "_SETTLING", -(10**18))
    monkeypatch.setattr(capture, "WHOLE", PAGE)
    with _silently_changed(place) as engine:
        assert engine.run_pass().uploaded == 0
        assert place.remote() != place.local()
        if last:
            assert engine.final(time.monotonic() + 60).uploaded == 1
            assert place.remote() == place.local()
    if not last:
        assert engine.run_pass().uploaded == 1
        assert place.remote() == place.local()


def test_a_doubt_brings_nothing_back_that_was_deleted_in_s3(place: Place) -> None:
    place.write("f")
    engine = place.engine()
    assert engine.run_pass().complete
    place.s3.delete(place.key("f"))
    engine.check_remote()
    assert engine.run_pass().complete
    assert place.remote() == {}
    assert [each.kind for each in engine.check_remote()] == [ConflictKind.DELETED_REMOTELY]


def test_what_is_only_read_again_is_not_called_unsaved(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write("f")
    engine = place.engine()
    assert engine.run_pass().complete
    place.write("new")
    now = time.monotonic()
    stop = threading.Event()

    def reached(name: str) -> None:
        if name == "pass.planned":
            stop.set()

    monkeypatch.setattr(passes, "failpoint", reached)
    monkeypatch.setattr(passes, "Halt", lambda _, deadline: Halt(stop, deadline))
    report = engine.run_pass(deadline=now + 60)
    assert [waiting.path for waiting in report.not_durable] == ["new"]


@contextmanager
def _silently_changed(place: Place) -> Iterator[HomeSync]:
    """A file that was saved, and changed since through a mapping without its stat telling; mapped while this lasts."""
    file = place.write("f", bytes(4 * PAGE))
    engine = place.engine()
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as mapped:
        mapped[0] = 1
        assert engine.run_pass().complete
        before = pack(file.stat())
        mapped[1] = 1
        assert pack(file.stat()) == before, "the store was not silent"
        yield engine


def test_a_log_that_never_rests_is_captured_as_it_was_once(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"")
    root = os.open(tmp_path, os.O_RDONLY)
    clock = FileClock(tmp_path)

    def append(_: float) -> None:
        with file.open("ab") as opened:
            opened.write(b"line %d\n" % file.stat().st_size)

    def stamp() -> int:
        append(0)
        return clock.stamp()

    append(0)
    # Whenever the capture looks at the clock or waits, the log has grown.
    quiet = Quiet(stamp, append)
    before = pack(file.stat())
    real = os.pread

    def pread(fd: int, size: int, at: int) -> bytes:
        body = real(fd, size, at)
        append(0)
        return body

    patch = pytest.MonkeyPatch()
    patch.setattr(os, "pread", pread)
    try:
        found = capture.whole(root, b"log", before, quiet)
    finally:
        patch.undo()
        os.close(root)
        clock.close()
    assert found.racy
    assert found.body.endswith(b"\n")
    assert file.read_bytes().startswith(found.body)


def test_a_time_to_come_does_not_keep_a_file_from_being_saved(place: Place) -> None:
    file = place.write("a")
    os.utime(file, ns=(4_000_000_000 * 10**9, 4_000_000_000 * 10**9))
    with place.engine() as sync:
        assert sync.run_pass().complete
        before = place.s3.counts
        sync.run_pass()
        assert place.s3.counts == before


def test_a_fifo_hangs_nothing(place: Place) -> None:
    os.mkfifo(place.home / "fifo")
    place.write("a")
    with place.engine() as sync:
        report = sync.run_pass()
    assert report.complete
    assert [each.path for each in report.skipped] == ["fifo"]
    assert place.remote() == {"a": b"text"}


def test_a_link_swapped_in_does_not_lead_out_of_home(place: Place, tmp_path: Path) -> None:
    secret = tmp_path / "outside"
    secret.mkdir()
    (secret / "x").write_bytes(b"secret")
    place.write("d/x", b"mine")
    with place.engine(concurrency=1) as sync:
        sync.run_pass()
        place.write("d/x", b"newer")
        blocker = place.write("blocker.ipynb", GOOD)

        def swap(_: Call) -> None:
            shutil.rmtree(place.home / "d")
            (place.home / "d").symlink_to(secret)

        # The notebook is put first; d/x was scanned and is captured after the swap.
        place.s3.on("PutObject", swap, key=place.key("blocker.ipynb"), times=1)
        sync.run_pass()
        blocker.unlink()
    assert b"secret" not in place.remote().values()


def test_a_large_file_that_never_rests_is_copied_and_the_copy_put(place: Place) -> None:
    body = os.urandom(17 * 1024 * 1024)
    file = place.write("big", body)

    def append(_: Call) -> None:
        with file.open("ab") as opened:
            opened.write(b"more")

    with place.engine() as sync:
        sync.run_pass()
        append(None)  # type: ignore[arg-type]
        place.s3.on("UploadPart", append, key=place.key("big"))
        for _ in range(4):
            report = sync.run_pass()
            if report.uploaded:
                break
        assert report.uploaded == 1
        found = place.s3.object(place.key("big"))
        assert found is not None
        assert found.metadata["wherobots-hot"] == "1"
        remote = place.remote()["big"]
        assert len(remote) > len(body)
        assert file.read_bytes().startswith(remote)
        assert place.s3.uploads() == []


def test_the_final_pass_does_not_wait_for_a_file_to_rest(place: Place) -> None:
    body = os.urandom(17 * 1024 * 1024)
    file = place.write("big", body)
    done = threading.Event()

    def write() -> None:
        with file.open("ab", buffering=0) as opened:
            while not done.wait(0.001):
                opened.write(b"more")

    with place.engine() as sync:
        place.s3.put(place.key("other"), b"")
        sync.restore()
        writer = threading.Thread(target=write)
        writer.start()
        try:
            report = sync.final(20)
        finally:
            done.set()
            writer.join()
    assert report.complete, report
    assert place.remote()["big"].startswith(body)


# -- notebooks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [b"", GOOD[:-1], b"[]", b'{"metadata": {}}', b"\xff"])
def test_a_notebook_being_saved_does_not_replace_the_good_one(place: Place, bad: bytes) -> None:
    notebook = place.write("nb.ipynb", GOOD)
    with place.engine() as sync:
        sync.run_pass()
        place.write(".~nb.ipynb", GOOD)
        notebook.write_bytes(bad)
        for _ in range(5):
            report = sync.run_pass()
            assert [each.why for each in report.not_durable] == [Why.SAVING]
        assert place.remote() == {"nb.ipynb": GOOD}
        newer = GOOD.replace(b"4", b"3", 1)
        notebook.write_bytes(newer)
        (place.home / ".~nb.ipynb").unlink()
        assert sync.run_pass().complete
    assert place.remote() == {"nb.ipynb": newer}


def test_a_notebook_that_stays_invalid_is_saved_beside_the_good_one(place: Place) -> None:
    notebook = place.write("nb.ipynb", GOOD)
    with place.engine() as sync:
        sync.run_pass()
        notebook.write_bytes(b"<<<<<<< HEAD")
        assert not sync.run_pass().complete
        assert not sync.run_pass().complete
        assert place.remote() == {"nb.ipynb": GOOD}
        report = sync.run_pass()
        assert report.complete
        (conflict,) = report.conflicts
        assert conflict.kind is ConflictKind.INVALID_NOTEBOOK
    assert conflict.kept_as is not None
    assert place.remote() == {"nb.ipynb": b"<<<<<<< HEAD", conflict.kept_as: GOOD}


def test_a_large_notebook_is_judged_too(place: Place) -> None:
    cells = [{"outputs": "x" * (2 * 1024 * 1024)}]
    large = json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5}).encode()
    notebook = place.write("nb.ipynb", large)
    with place.engine() as sync:
        assert sync.run_pass().complete
        notebook.write_bytes(large[: len(large) // 2])
        assert not sync.run_pass().complete
        assert place.remote() == {"nb.ipynb": large}
        notebook.write_bytes(large + b"\n")
        assert sync.run_pass().complete


# -- git ----------------------------------------------------------------------------------------------


def git(folder: Path, *arguments: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        **{
            f"GIT_{who}_{what}": "a@b.c"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    }
    command = ["git", "-C", str(folder), "-c", "gc.auto=0", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def commit(repository: Path, number: int) -> None:
    (repository / "file").write_text(f"{number}\n" * 10)
    git(repository, "add", "file")
    git(repository, "commit", "-qm", str(number))


def begun(place: Place) -> Path:
    """A repository with one commit."""
    repository = place.home / "repo"
    repository.mkdir()
    git(repository, "init", "-q")
    commit(repository, 0)
    return repository


def test_refs_never_come_before_what_they_point_to(place: Place) -> None:
    """While objects are put a commit is made: what S3 holds after each write is a sound repository."""
    repository = begun(place)
    with place.engine(concurrency=1) as sync:
        sync.run_pass()
        count = 0

        def disturb(_: Call) -> None:
            nonlocal count
            count += 1
            commit(repository, count)
            if count == 2:
                git(repository, "repack", "-qad")
                git(repository, "prune-packed", "-q")

        commit(repository, 100)
        place.s3.on("PutObject", disturb, key=place.key("repo/.git/objects/*"), times=3)
        sync.run_pass()
        assert count == 3
        copy = place.home.parent / "copy"
        for name, body in place.remote().items():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes(body)
        for folder in ("refs/heads", "refs/tags", "objects/info"):
            (copy / "repo/.git" / folder).mkdir(parents=True, exist_ok=True)
        git(copy / "repo", "fsck", "--strict")
        sync.run_pass()
        sync.run_pass()
    heads = [key for key in place.remote() if key.endswith("/.git/HEAD")]
    assert heads == ["repo/.git/HEAD"]
    assert not [key for key in place.remote() if key.endswith(".lock")]


def test_an_object_that_was_not_restored_yet_is_locked_like_any_file(place: Place) -> None:
    """The machine died and left it empty, as machines do; S3 has it whole."""
    repository = begun(place)
    with place.engine() as sync:
        assert sync.run_pass().complete
    before = place.remote()
    emptied = next((repository / ".git/objects").glob("??/*"))
    emptied.chmod(0o600)
    emptied.write_bytes(b"")
    name = str(emptied.relative_to(place.home))
    with place.engine(state=place.home.parent / "new-state") as sync:
        for operation in ("HeadObject", "GetObject"):
            place.s3.fail(operation, code="InternalError", key=place.key(name), times=None)
        assert not sync.restore().complete
        (repository / ".git/description").write_bytes(b"edited")
        assert not sync.run_pass().complete
        assert place.remote() == {**before, "repo/.git/description": b"edited"}
        place.s3.heal()
        assert sync.restore().complete
    assert (place.home / name).read_bytes() == before[name]


def restored(place: Place, name: str) -> Path:
    """The repository as a new instance gets it, and finds it sound."""
    home = place.home.parent / name
    home.mkdir()
    with place.engine(home=home, state=place.home.parent / f"{name}-state") as new:
        assert new.restore().complete
    git(home / "repo", "fsck", "--strict")
    return home / "repo"


def test_a_branch_that_was_packed_is_not_what_it_was_before(place: Place) -> None:
    """Its file in S3 is deleted two passes later; the instance may be gone by then, and git believes the file."""
    repository = begun(place)
    with place.engine() as sync:
        sync.run_pass()
        commit(repository, 1)
        git(repository, "pack-refs", "--all", "--prune")
        assert sync.final(20).complete
        now = git(repository, "rev-parse", "HEAD")
        assert git(restored(place, "one"), "rev-parse", "HEAD") == now
        sync.run_pass()
        commit(repository, 2)
        git(repository, "pack-refs", "--all", "--prune")
        sync.run_pass()
        now = git(repository, "rev-parse", "HEAD")
        assert git(restored(place, "two"), "rev-parse", "HEAD") == now
        for _ in range(3):
            assert sync.run_pass().complete
        assert not [key for key in place.remote() if "/refs/heads/" in key and "/logs/" not in key]
        assert not sync.conflicts()
        assert place.remote() == place.local()
        assert git(restored(place, "three"), "rev-parse", "HEAD") == now
        commit(repository, 3)
        sync.run_pass()
        assert place.remote() == place.local()


@pytest.mark.parametrize(
    "faults",
    [
        [("PutObject", Fault.RESET_BEFORE)],
        [("PutObject", Fault.RESET_AFTER), ("HeadObject", Fault.RESET_BEFORE)],
    ],
)
def test_a_packed_branch_that_cannot_be_put_keeps_the_list_back(
    place: Place, faults: list[tuple[str, Fault]]
) -> None:
    repository = begun(place)
    with place.engine() as sync:
        sync.run_pass()
        was = git(repository, "rev-parse", "HEAD")
        commit(repository, 1)
        branch = git(repository, "symbolic-ref", "HEAD").strip()
        git(repository, "pack-refs", "--all", "--prune")
        key = place.key(f"repo/.git/{branch}")
        for operation, fault in faults:
            place.s3.fail(operation, fault, key=key, times=None)
        report = sync.run_pass()
        assert {f"repo/.git/{branch}", "repo/.git/packed-refs"} <= {
            each.path for each in report.not_durable
        }
        place.s3.heal()
        assert git(restored(place, "one"), "rev-parse", "HEAD") in (
            was,
            git(repository, "rev-parse", "HEAD"),
        )
        assert sync.run_pass().complete
        assert not sync.conflicts()
        now = git(repository, "rev-parse", "HEAD")
        assert git(restored(place, "two"), "rev-parse", "HEAD") == now
