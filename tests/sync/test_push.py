"""What is in S3 is never overwritten unless it is ours, and what S3 said is never trusted before it is looked at."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import pytest

from jupyter_wherobots.sync.status import ConflictKind, Why
from tests.strict_s3 import Call, Fault
from tests.sync.conftest import PREFIX, Place


def test_an_edit_of_the_same_size_and_time_is_seen(place: Place) -> None:
    file = place.write("a", b"AAAA")
    with place.engine() as sync:
        sync.run_pass()
        before = file.stat()
        file.write_bytes(b"BBBB")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        sync.run_pass()
    assert place.remote() == {"a": b"BBBB"}


def test_a_file_that_was_only_touched_is_not_put_again(place: Place) -> None:
    file = place.write("a", b"AAAA")
    with place.engine() as sync:
        sync.run_pass()
        os.utime(file, ns=(5, 5))
        file.chmod(0o700)
        report = sync.run_pass()
    assert report.complete
    assert report.uploaded == 0
    assert place.asked("PutObject") == 1


def test_what_was_added_remotely_stays(place: Place) -> None:
    place.write("a")
    with place.engine() as sync:
        sync.run_pass()
        place.s3.put(place.key("theirs"), b"theirs")
        place.write("b")
        sync.run_pass()
        sync.run_pass()
    assert place.remote() == {"a": b"text", "b": b"text", "theirs": b"theirs"}


def test_a_file_changed_on_both_sides_is_kept_twice(place: Place) -> None:
    file = place.write("a.txt", b"one")
    with place.engine() as sync:
        sync.run_pass()
        place.s3.put(place.key("a.txt"), b"theirs")
        file.write_bytes(b"ours")
        report = sync.run_pass()
        assert report.complete
        (conflict,) = report.conflicts
        assert conflict.path == "a.txt"
        assert conflict.kind is ConflictKind.CHANGED_REMOTELY
        assert conflict.kept_as is not None
        assert sync.conflicts() == (conflict,)
        remote = place.remote()
        assert remote == {"a.txt": b"ours", conflict.kept_as: b"theirs"}
        assert conflict.kept_as.startswith("a (S3 version ")
        assert conflict.kept_as.endswith(").txt")


def test_a_name_that_s3_has_already_is_kept_twice(place: Place) -> None:
    with place.engine() as sync:
        sync.run_pass()
        place.s3.put(place.key("a.txt"), b"theirs")
        place.write("a.txt", b"ours")
        (conflict,) = sync.run_pass().conflicts
    assert conflict.kept_as is not None
    assert place.remote() == {"a.txt": b"ours", conflict.kept_as: b"theirs"}


def test_the_same_bytes_put_by_somebody_else_are_no_conflict(place: Place) -> None:
    with place.engine() as sync:
        sync.run_pass()
        place.write("a.txt", b"same")
        digest = "0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5"
        place.s3.put(place.key("a.txt"), b"same", metadata={"wherobots-sha256": digest})
        report = sync.run_pass()
    assert report.complete
    assert report.conflicts == ()
    assert report.uploaded == 0
    assert place.remote() == {"a.txt": b"same"}


def test_the_same_bytes_without_a_checksum_are_no_conflict_either(place: Place) -> None:
    """Put by other tools, and brought into home from the view of home."""
    with place.engine() as sync:
        sync.run_pass()
        place.s3.put_many({place.key("a.txt"): b"same", place.key("b.txt"): b"else"})
        place.write("a.txt", b"same")
        place.write("b.txt", b"ours")
        report = sync.run_pass()
    assert report.complete
    (conflict,) = report.conflicts
    assert conflict.path == "b.txt"
    assert conflict.kept_as is not None
    assert place.remote() == {"a.txt": b"same", "b.txt": b"ours", conflict.kept_as: b"else"}


def test_a_lying_checksum_of_somebody_else_is_not_believed(place: Place) -> None:
    with place.engine() as sync:
        sync.run_pass()
        place.write("a.txt", b"same")
        digest = "0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5"
        place.s3.put(place.key("a.txt"), b"lies", metadata={"wherobots-sha256": digest})
        (conflict,) = sync.run_pass().conflicts
    assert conflict.kept_as is not None
    assert place.remote() == {"a.txt": b"same", conflict.kept_as: b"lies"}


def test_a_lost_answer_is_known_again_as_our_own(place: Place) -> None:
    place.write("a", b"one")
    with place.engine() as sync:
        sync.run_pass()
        place.write("a", b"two")
        lost = place.s3.fail("PutObject", Fault.RESET_AFTER, key=place.key("a"))
        report = sync.run_pass()
        assert lost.hits == 1
        assert report.complete
        assert report.conflicts == ()
        assert place.remote() == {"a": b"two"}
        place.write("a", b"three")
        assert sync.run_pass().conflicts == ()
    assert place.remote() == {"a": b"three"}


def test_an_outcome_that_stays_unknown_is_known_again_by_the_next_engine(place: Place) -> None:
    place.write("a", b"one")
    with place.engine() as sync:
        sync.run_pass()
        place.write("a", b"two")
        place.s3.fail("PutObject", Fault.RESET_AFTER, key=place.key("a"), times=None)
        place.s3.fail("HeadObject", key=place.key("a"), code="InternalError", times=None)
        report = sync.run_pass()
        assert not report.complete
        assert [each.path for each in report.not_durable] == ["a"]
    place.s3.heal()
    place.write("a", b"three")
    with place.engine() as sync:
        report = sync.run_pass()
    assert report.complete
    assert report.conflicts == ()
    assert place.remote() == {"a": b"three"}


def test_a_file_deleted_remotely_and_changed_here_is_made_anew(place: Place) -> None:
    file = place.write("a", b"one")
    with place.engine() as sync:
        sync.run_pass()
        place.s3.delete(place.key("a"))
        file.write_bytes(b"two")
        report = sync.run_pass()
    assert report.complete
    assert place.remote() == {"a": b"two"}


def test_ours_is_not_put_before_theirs_is_kept(place: Place) -> None:
    file = place.write("a.txt", b"one")
    with place.engine() as sync:
        sync.run_pass()
        place.s3.put(place.key("a.txt"), b"theirs")
        file.write_bytes(b"ours")
        place.s3.fail("CopyObject", code="InternalError", times=None)
        assert not sync.run_pass().complete
        assert place.remote() == {"a.txt": b"theirs"}
        place.s3.heal()
        (conflict,) = sync.run_pass().conflicts
    assert conflict.kept_as is not None
    assert place.remote() == {"a.txt": b"ours", conflict.kept_as: b"theirs"}


def test_a_copy_whose_answer_was_lost_is_not_made_twice(place: Place) -> None:
    file = place.write("a.txt", b"one")
    with place.engine() as sync:
        sync.run_pass()
        place.s3.put(place.key("a.txt"), b"theirs")
        file.write_bytes(b"ours")
        place.s3.fail("CopyObject", Fault.RESET_AFTER, times=2)
        (conflict,) = sync.run_pass().conflicts
    assert conflict.kept_as is not None
    assert place.remote() == {"a.txt": b"ours", conflict.kept_as: b"theirs"}


def test_409_is_tried_again_and_no_conflict(place: Place) -> None:
    place.write("a", b"one")
    with place.engine() as sync:
        place.s3.fail("PutObject", code="ConditionalRequestConflict", key=place.key("a"), times=2)
        report = sync.run_pass()
    assert report.complete
    assert report.conflicts == ()


def test_one_bad_file_does_not_block_the_others(place: Place) -> None:
    place.write("bad")
    for number in range(5):
        place.write(f"good{number}")
    with place.engine() as sync:
        place.s3.fail("PutObject", code="InternalError", key=place.key("bad"), times=None)
        report = sync.run_pass()
        assert [each.path for each in report.not_durable] == ["bad"]
        assert report.not_durable[0].why is Why.FAILED
        assert len(place.remote()) == 5
        place.s3.heal()
        assert sync.run_pass().complete


def test_a_read_only_bucket_is_said_and_ends_the_pass_early(place: Place) -> None:
    for number in range(200):
        place.write(f"f{number}")
    with place.engine() as sync:
        sync.restore()
        place.s3.deny(PREFIX)
        report = sync.run_pass()
        assert not report.complete
        assert report.error is not None
        assert "not write" in report.error
        assert report.not_durable_count == 200
        assert place.asked("PutObject") < 100
        place.s3.allow_all()
        assert sync.run_pass().complete
    assert len(place.remote()) == 200


def test_a_change_while_it_is_sent_belongs_to_the_next_pass(place: Place) -> None:
    file = place.write("a", b"one")

    def change(_: Call) -> None:
        file.write_bytes(b"two")

    with place.engine() as sync:
        place.s3.on("PutObject", change, key=place.key("a"), times=1)
        sync.run_pass()
        assert place.remote() == {"a": b"one"}
        sync.run_pass()
    assert place.remote() == {"a": b"two"}


@pytest.mark.parametrize(
    ("operation", "key", "deleted"),
    [
        ("PutObject", "a", "a"),
        ("CompleteMultipartUpload", "large", "large"),
        ("CopyObject", "moved", "source"),
        ("DeleteObject", "gone", "gone"),
    ],
)
def test_what_others_delete_in_the_very_moment_is_made_anew_or_was_to_go(
    place: Place, operation: str, key: str, deleted: str
) -> None:
    """Before the request that rests on it is carried out: what changed here is saved, and nothing is a conflict."""
    for name in ("a", "source", "gone", "other"):
        place.write(name, name.encode())
    place.write("large", bytes(17 << 20))
    with place.engine() as sync:
        assert sync.run_pass().complete
        place.write("a", b"edited")
        place.write("large", b"edited" + bytes(17 << 20))
        (place.home / "source").rename(place.home / "moved")
        (place.home / "gone").unlink()
        hook = place.s3.on(
            operation, lambda _: place.s3.delete(place.key(deleted)), key=place.key(key), times=1
        )
        for _ in range(4):
            report = sync.run_pass()
        assert hook.hits == 1
        assert report.complete
        assert sync.conflicts() == ()
    assert place.remote() == place.local()
    assert place.s3.uploads() == []


def test_a_large_file_goes_by_parts_and_leaves_no_upload(place: Place) -> None:
    body = os.urandom(17 * 1024 * 1024)
    place.write("big", body)
    with place.engine() as sync:
        report = sync.run_pass()
        assert report.complete, report
        assert place.asked("CompleteMultipartUpload", "big") == 1
        assert sync.run_pass().uploaded == 0
    assert place.remote() == {"big": body}
    assert place.s3.uploads() == []


def test_a_large_file_whose_completion_was_not_heard_is_known_again(place: Place) -> None:
    body = os.urandom(17 * 1024 * 1024)
    place.write("big", body)
    with place.engine() as sync:
        place.s3.fail("CompleteMultipartUpload", Fault.RESET_AFTER, key=place.key("big"))
        report = sync.run_pass()
        assert report.complete, report
        assert report.conflicts == ()
        assert sync.run_pass().uploaded == 0
    assert place.remote() == {"big": body}
    assert place.s3.uploads() == []


def test_a_large_file_that_changes_before_it_is_sent_once_more_is_not_taken_for_sent(
    place: Place,
) -> None:
    """The first try arrived, and its answer was lost: S3 has the file as it was then."""
    body = os.urandom(17 * 1024 * 1024)
    file = place.write("big", body)

    def change(_: Call) -> None:
        with file.open("r+b") as opened:
            opened.write(b"changed")

    with place.engine() as sync:
        place.s3.on("CompleteMultipartUpload", change, key=place.key("big"), times=1)
        place.s3.fail("CompleteMultipartUpload", Fault.RESET_AFTER, key=place.key("big"))
        report = sync.run_pass()
        assert report.complete, report
        assert report.conflicts == ()
    assert place.remote() == {"big": b"changed" + body[7:]}
    assert place.s3.uploads() == []


def test_a_large_file_edited_after_its_outcome_stayed_unknown_is_saved(place: Place) -> None:
    body = os.urandom(17 * 1024 * 1024)
    file = place.write("big", body)
    key = place.key("big")
    with place.engine() as sync:
        place.s3.fail("CompleteMultipartUpload", Fault.RESET_AFTER, key=key)
        for operation in ("HeadObject", "GetObject"):
            place.s3.fail(operation, code="InternalError", key=key, times=None)
        assert not sync.run_pass().complete
    place.s3.heal()
    assert place.remote() == {"big": body}
    with file.open("r+b") as opened:
        opened.write(b"changed")  # as long as before
    with place.engine() as sync:
        report = sync.run_pass()
        assert report.complete, report
        assert report.conflicts == ()
    assert place.remote() == {"big": b"changed" + body[7:]}


def test_a_large_file_that_changes_while_it_is_sent_is_called_off(place: Place) -> None:
    body = os.urandom(17 * 1024 * 1024)
    file = place.write("big", body)

    def change(_: Call) -> None:
        with file.open("r+b") as opened:
            opened.write(b"changed")

    with place.engine() as sync:
        place.s3.on("UploadPart", change, key=place.key("big"), times=1)
        assert sync.run_pass().complete
        assert place.asked("AbortMultipartUpload", "big") == 1
        assert place.asked("CompleteMultipartUpload", "big") == 1
    assert place.remote() == {"big": b"changed" + body[7:]}
    assert place.s3.uploads() == []


def valuable(place: Place) -> list[str]:
    """Files of every value, in the order of theirs; made in another."""
    made = {
        "new.ipynb": 9,
        "d/old.ipynb": 2,
        "new.py": 8,
        ".profile": 7,
        "old.csv": 1,
        "less large": 3,
        "large": 10,
        ".venv/lib/new.py": 12,
        "d/node_modules/m/new.ipynb": 11,
        "d/.ipynb_checkpoints/new-checkpoint.ipynb": 6,
    }
    sizes = {"less large": 1 << 20, "large": 2 << 20}
    for name, when in reversed(made.items()):
        body = b'{"cells": []}' if name.endswith(".ipynb") else name.encode()
        file = place.write(name, body.ljust(sizes.get(name, 0)))
        os.utime(file, ns=(when * 10**9, when * 10**9))
    return list(made)


def test_the_most_valuable_goes_first_and_what_can_be_made_again_last(place: Place) -> None:
    order = valuable(place)
    with place.engine(concurrency=1) as sync:
        assert sync.run_pass().complete
    keys = [each.key for each in place.s3.requests if each.operation.value == "PutObject"]
    assert [key for key in keys if "/.wherobots/" not in key] == list(map(place.key, order))


def test_the_most_valuable_comes_back_first_and_what_can_be_made_again_last(
    place: Place, tmp_path: Path
) -> None:
    order = valuable(place)
    for name in sorted(order, key=lambda each: (place.home / each).stat().st_mtime_ns):
        place.s3.put(place.key(name), (place.home / name).read_bytes())
        place.s3.clock.advance(10)
    with place.engine(tmp_path / "new", tmp_path / "new-state", concurrency=1) as sync:
        assert sync.restore().complete
    keys = [each.key for each in place.s3.requests if each.operation.value == "GetObject"]
    assert keys == list(map(place.key, order))


def test_a_home_with_something_of_everything_rests(place: Place) -> None:
    """Nothing of it asks S3 anything again, not in the pass right after and not after a restart."""
    place.write("a.csv", b"a")
    place.write(b"odd \xff\n", b"odd")
    place.write("/".join(["long" * 60] * 6), b"long")
    place.write("large", bytes(17 << 20))
    place.write("broken.ipynb", b"{")
    place.write(".netrc", b"secret")
    place.write("out/ruled", b"out")
    place.write(".wherobotsignore", b"out/\n")
    place.write("touched").touch()
    os.link(place.write("one", b"shared"), place.home / "two")
    os.mkfifo(place.home / "fifo")
    (place.home / "link").symlink_to("nowhere")
    (place.home / "empty/folder").mkdir(parents=True)
    place.write("project/.git/HEAD", b"ref: refs/heads/main\n")
    place.write("project/.git/objects/c0/ffee", b"object")
    gone = place.write("gone")
    for number in range(200):
        place.write(f"many/{number}", b"%d" % number)
    with contextlib.closing(sqlite3.connect(place.home / "x.db", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE t (a)")
        with place.engine() as sync:
            assert sync.run_pass().complete
            asked = place.s3.count("PutObject", "HeadObject", "CopyObject")
            assert sync.run_pass().complete  # right after it, within the second of S3's clock
            assert place.s3.count("PutObject", "HeadObject", "CopyObject") == asked
            place.s3.put(place.key("a.csv"), b"theirs")
            place.write("a.csv", b"ours")
            place.s3.put(place.key("added"), b"theirs")
            place.s3.delete(place.key("many/7"))
            place.s3.put(place.key("many/8"), b"theirs")
            os.utime(place.home / "touched", ns=(7, 7))
            (place.home / "many/9").rename(place.home / "moved")
            gone.unlink()
            sync.check_remote()
            for _ in range(3):
                assert sync.run_pass().complete
            before = place.s3.counts
            for _ in range(3):
                assert sync.run_pass().complete
            assert place.s3.counts == before
        with place.engine(lease=False) as sync:
            assert sync.restore().complete
            assert sync.run_pass().complete
            before = place.s3.counts
            assert sync.run_pass().complete
            assert place.s3.counts == before
