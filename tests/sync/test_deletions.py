"""What is deleted in home is deleted in S3, and nothing else ever is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from jupyter_wherobots.sync.status import ConflictKind, Why
from tests.strict_s3 import Fault
from tests.sync.conftest import PREFIX, Place


def fill(place: Place, count: int, folder: str = "d") -> list[Path]:
    return [place.write(f"{folder}/f{number:04d}", b"%d" % number) for number in range(count)]


def test_a_deleted_file_is_deleted_in_the_second_pass_that_misses_it(place: Place) -> None:
    a, _ = place.write("a"), place.write("b")
    with place.engine() as sync:
        sync.run_pass()
        a.unlink()
        assert sync.run_pass().deleted == 0
        assert set(place.remote()) == {"a", "b"}
        report = sync.run_pass()
        assert report.deleted == 1
        assert place.remote() == {"b": b"text"}
        before = place.s3.counts
        assert sync.run_pass().complete
        assert place.s3.counts == before


def test_the_absence_is_remembered_by_the_next_engine(place: Place) -> None:
    a, _ = place.write("a"), place.write("b")
    with place.engine() as sync:
        sync.run_pass()
        a.unlink()
        sync.run_pass()
    with place.engine() as sync:
        assert sync.run_pass().deleted == 1
    assert place.remote() == {"b": b"text"}


def test_a_file_that_comes_back_is_not_deleted(place: Place) -> None:
    a, _ = place.write("a"), place.write("b")
    with place.engine() as sync:
        sync.run_pass()
        away = place.home.parent / "away"
        a.rename(away)
        sync.run_pass()
        away.rename(a)
        sync.run_pass()
        a.rename(away)
        assert sync.run_pass().deleted == 0
        assert set(place.remote()) == {"a", "b"}


@pytest.mark.parametrize("confirmed", [False, True])
def test_a_file_that_came_back_and_could_not_be_saved_is_missed_anew(
    place: Place, confirmed: bool
) -> None:
    """What was found, or said, of its absence before is over."""
    file = place.write("a", b"one")
    if not confirmed:
        place.write("other")
    with place.engine() as sync:
        assert sync.run_pass().complete
        file.unlink()
        sync.run_pass()
        assert sync.confirm_deletes() == confirmed
        file.write_bytes(b"edited")
        place.s3.fail("PutObject", code="InternalError", key=place.key("a"), times=None)
        assert not sync.run_pass().complete
        place.s3.heal()
        file.unlink()
        assert sync.run_pass().deleted == 0
        report = sync.run_pass()
        assert report.deleted == (not confirmed)
        assert report.pending_deletes.count == confirmed


def test_what_was_changed_remotely_is_not_deleted(place: Place) -> None:
    a, _ = place.write("a"), place.write("b")
    with place.engine() as sync:
        sync.run_pass()
        place.s3.put(place.key("a"), b"theirs")
        a.unlink()
        sync.run_pass()
        report = sync.run_pass()
        assert report.deleted == 0
        assert [each.kind for each in report.conflicts] == [ConflictKind.KEPT_REMOTELY]
        sync.run_pass()
    assert place.remote() == {"a": b"theirs", "b": b"text"}


def test_what_was_added_remotely_is_not_deleted(place: Place) -> None:
    place.write("a")
    place.write("d/b")
    with place.engine() as sync:
        sync.run_pass()
        place.s3.put(place.key("d/theirs"), b"theirs")
        shutil.rmtree(place.home / "d")
        for _ in range(3):
            sync.run_pass()
    assert place.remote() == {"a": b"text", "d/theirs": b"theirs"}


def test_an_unreadable_folder_blocks_only_its_own_deletions(place: Place) -> None:
    # root reads everything, so the folder's reading itself is made to fail: a link loop of mounts is not at hand.
    place.write("keep")
    inside = place.write("locked/inside")
    outside = place.write("open/outside")
    with place.engine() as sync:
        sync.run_pass()
        inside.unlink()
        outside.unlink()
        with unreadable(place.home / "locked"):
            for _ in range(3):
                report = sync.run_pass()
            assert [(each.path, each.why) for each in report.not_durable] == [
                ("locked/", Why.UNREADABLE)
            ]
        assert set(place.remote()) == {"keep", "locked/inside"}


class unreadable:  # noqa: N801 - reads as a phrase
    """Nobody can read a folder, not even root: its reading goes wrong as with a failing disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        if os.geteuid():
            self.folder.chmod(0)
            return
        info = self.folder.stat()
        identity = (info.st_dev, info.st_ino)
        real = os.scandir
        self.patch = pytest.MonkeyPatch()

        def scandir(path: int) -> object:
            stat = os.fstat(path)
            if (stat.st_dev, stat.st_ino) == identity:
                raise PermissionError(13, "Permission denied")
            return real(path)

        self.patch.setattr(os, "scandir", scandir)

    def __exit__(self, *_: object) -> None:
        if os.geteuid():
            self.folder.chmod(0o755)
        else:
            self.patch.undo()


def test_an_emptied_home_deletes_nothing(place: Place) -> None:
    for file in fill(place, 5):
        file.touch()
    with place.engine() as sync:
        sync.run_pass()
        shutil.rmtree(place.home / "d")
        for _ in range(3):
            report = sync.run_pass()
            assert report.deleted == 0
        assert report.pending_deletes.count == 5
        assert sync.status().pending_deletes.count == 5
    assert len(place.remote()) == 5


def test_more_than_half_waits_for_a_word_and_then_happens(place: Place) -> None:
    files = fill(place, 60)
    with place.engine() as sync:
        sync.run_pass()
        for file in files[:31]:
            file.unlink()
        for _ in range(3):
            report = sync.run_pass()
        assert report.pending_deletes.count == 31
        assert "d/f0000" in report.pending_deletes.examples
        assert len(place.remote()) == 60
        # More files do not make it a lesser loss.
        fill(place, 200, "new")
        sync.run_pass()
        assert len(place.remote()) == 260
        assert sync.confirm_deletes() == 31
        report = sync.run_pass()
        assert report.deleted == 31
        assert report.pending_deletes.count == 0
    assert place.remote() == place.local()


def test_more_than_a_thousand_wait_for_a_word_however_large_home_is(place: Place) -> None:
    files = fill(place, 2100)
    with place.engine() as sync:
        assert sync.run_pass().complete
        for file in files[:1001]:
            file.unlink()
        for _ in range(3):
            report = sync.run_pass()
            assert report.deleted == 0
        assert report.pending_deletes.count == 1001
        assert len(place.remote()) == 2100
        files[1001].unlink()  # a few more are no part of that
        sync.run_pass()
        assert sync.run_pass().deleted == 1
        assert len(place.remote()) == 2099


def test_a_word_for_some_is_none_for_others(place: Place) -> None:
    files = fill(place, 60)
    with place.engine() as sync:
        sync.run_pass()
        for file in files[:31]:
            file.unlink()
        sync.run_pass()
        sync.confirm_deletes()
        for file in files[31:]:
            file.unlink()
        sync.run_pass()
        sync.run_pass()
    assert len(place.remote()) == 29


def test_a_held_deletion_that_comes_back_is_forgotten(place: Place) -> None:
    files = fill(place, 60)
    with place.engine() as sync:
        sync.run_pass()
        away = place.home.parent / "away"
        (place.home / "d").rename(away)
        place.write("other")
        assert sync.run_pass().pending_deletes.count == 60
        away.rename(place.home / "d")
        assert sync.run_pass().pending_deletes.count == 0
        files[0].unlink()
        sync.run_pass()
        assert sync.run_pass().deleted == 1


def test_a_few_deletions_never_wait(place: Place) -> None:
    files = fill(place, 21)
    with place.engine() as sync:
        sync.run_pass()
        for file in files[:20]:
            file.unlink()
        sync.run_pass()
        assert sync.run_pass().deleted == 20


def test_a_folder_swapped_for_a_file_or_link_is_deleted_and_put(place: Place) -> None:
    place.write("keep")
    place.write("d/x")
    with place.engine() as sync:
        sync.run_pass()
        shutil.rmtree(place.home / "d")
        place.write("d", b"now a file")
        sync.run_pass()
        sync.run_pass()
    assert place.remote() == {"keep": b"text", "d": b"now a file"}


def test_a_folder_behind_a_dangling_link_deletes_nothing_else(place: Place) -> None:
    fill(place, 50)
    with place.engine() as sync:
        sync.run_pass()
        (place.home / ".#a.txt").symlink_to("user@host.1234:0")
        sync.run_pass()
        sync.run_pass()
    assert place.remote() == place.local()


def test_a_new_rule_deletes_nothing_and_neither_does_its_removal(place: Place) -> None:
    place.write("keep")
    place.write("data/x")
    with place.engine() as sync:
        sync.run_pass()
        rules = place.write(".wherobotsignore", b"data/\n")
        for _ in range(3):
            sync.run_pass()
        shutil.rmtree(place.home / "data")
        for _ in range(3):
            sync.run_pass()
        rules.unlink()
        for _ in range(3):
            sync.run_pass()
    assert place.remote()["data/x"] == b"text"


def test_a_rule_and_a_deletion_at_once_delete_nothing(place: Place) -> None:
    place.write("keep")
    place.write("data/x")
    with place.engine() as sync:
        sync.run_pass()
        place.write(".wherobotsignore", b"data/\n")
        shutil.rmtree(place.home / "data")
        for _ in range(3):
            sync.run_pass()
    assert place.remote()["data/x"] == b"text"


def test_a_restored_file_that_no_scan_saw_is_not_deleted(place: Place) -> None:
    place.s3.put(PREFIX + "a", b"remote")
    place.s3.put(PREFIX + "b", b"remote")
    with place.engine() as sync:
        sync.restore()
        (place.home / "a").unlink()
        for _ in range(3):
            sync.run_pass()
    assert set(place.remote()) == {"a", "b"}


def test_a_restored_file_that_was_seen_is_deleted(place: Place) -> None:
    place.s3.put(PREFIX + "a", b"remote")
    place.s3.put(PREFIX + "b", b"remote")
    with place.engine() as sync:
        sync.restore()
        sync.run_pass()
        (place.home / "a").unlink()
        sync.run_pass()
        sync.run_pass()
    assert set(place.remote()) == {"b"}


def test_a_file_that_was_not_restored_is_not_deleted(place: Place) -> None:
    place.s3.put(PREFIX + "a", b"remote")
    place.s3.put(PREFIX + "b", b"remote")
    place.s3.fail("GetObject", code="InternalError", key=PREFIX + "a", times=None)
    with place.engine() as sync:
        assert not sync.restore().complete
        place.s3.heal()
    # Only passes from here on: what is still to be restored looks like a deletion, and is none.
    with place.engine(interval=0.01) as sync:
        place.s3.fail("GetObject", code="InternalError", key=PREFIX + "a", times=None)
        sync.start()
        sync.wait_restored(10)
        place.s3.heal()
        sync.final(5)
        sync.final(5)
    assert set(place.remote()) == {"a", "b"}


def test_another_folder_in_homes_place_stops_the_pass(place: Place) -> None:
    fill(place, 3)
    with place.engine() as sync:
        sync.run_pass()
        place.home.rename(place.home.with_name("moved"))
        place.home.mkdir()
        place.write("other")
        for _ in range(3):
            report = sync.run_pass()
            assert report.error is not None
    assert len(place.remote()) == 3


def test_a_home_that_is_not_there_deletes_nothing_and_is_not_made_anew(place: Place) -> None:
    fill(place, 3)
    with place.engine() as sync:
        assert sync.run_pass().complete
        place.home.rename(place.home.with_name("away"))
        for _ in range(3):
            report = sync.run_pass()
            assert (report.complete, report.deleted) == (False, 0)
            assert report.error is not None
        assert not place.home.exists()
        assert len(place.remote()) == 3
        place.home.with_name("away").rename(place.home)
        assert sync.run_pass().complete
    assert place.remote() == place.local()


def test_a_lost_answer_to_a_deletion_is_no_conflict(place: Place) -> None:
    a, _ = place.write("a"), place.write("b")
    with place.engine() as sync:
        sync.run_pass()
        a.unlink()
        sync.run_pass()
        place.s3.fail("DeleteObject", Fault.RESET_AFTER, key=place.key("a"))
        report = sync.run_pass()
        assert report.conflicts == ()
        assert report.deleted == 1
    assert set(place.remote()) == {"b"}


def test_a_file_put_with_a_lost_answer_and_deleted_is_deleted(place: Place) -> None:
    place.write("keep")
    with place.engine() as sync:
        sync.run_pass()
        a = place.write("a")
        place.s3.fail("PutObject", Fault.RESET_AFTER, key=place.key("a"), times=None)
        place.s3.fail("HeadObject", code="InternalError", key=place.key("a"), times=None)
        assert not sync.run_pass().complete
        place.s3.heal()
        a.unlink()
        for _ in range(3):
            sync.run_pass()
    assert set(place.remote()) == {"keep"}


def test_an_edit_with_a_lost_answer_and_a_deletion_is_deleted(place: Place) -> None:
    place.write("keep")
    a = place.write("a", b"one")
    with place.engine() as sync:
        sync.run_pass()
        a.write_bytes(b"two")
        place.s3.fail("PutObject", Fault.RESET_AFTER, key=place.key("a"), times=None)
        place.s3.fail("HeadObject", code="InternalError", key=place.key("a"), times=None)
        assert not sync.run_pass().complete
        place.s3.heal()
        a.unlink()
        for _ in range(3):
            report = sync.run_pass()
        assert report.conflicts == ()
    assert set(place.remote()) == {"keep"}


def test_mirroring_of_deletions_can_be_switched_off(place: Place) -> None:
    a, _ = place.write("a"), place.write("b")
    with place.engine(mirror_deletions=False) as sync:
        sync.run_pass()
        a.unlink()
        for _ in range(3):
            assert sync.run_pass().complete
    assert set(place.remote()) == {"a", "b"}


# -- moves ------------------------------------------------------------------------------------------


def test_a_renamed_folder_uploads_nothing(place: Place) -> None:
    fill(place, 100)
    place.write("other")
    with place.engine() as sync:
        sync.run_pass()
        sent = place.s3.journal.bytes_in
        puts = place.asked("PutObject")
        (place.home / "d").rename(place.home / "renamed")
        report = sync.run_pass()
        assert report.complete
        assert (report.copied, report.uploaded, report.uploaded_bytes) == (100, 0, 0)
        report = sync.run_pass()
        assert report.deleted == 100
        assert report.pending_deletes.count == 0
        assert place.asked("PutObject") == puts
        assert place.s3.journal.bytes_in - sent < 400_000
    assert place.remote() == place.local()


def test_a_renamed_folder_of_more_files_than_may_be_deleted_waits_for_nobody(
    place: Place,
) -> None:
    fill(place, 1001)
    with place.engine() as sync:
        assert sync.run_pass().complete
        puts = place.asked("PutObject")
        (place.home / "d").rename(place.home / "renamed")
        report = sync.run_pass()
        assert (report.copied, report.uploaded, report.pending_deletes.count) == (1001, 0, 0)
        assert sync.run_pass().deleted == 1001
        assert place.asked("PutObject") == puts
    assert place.remote() == place.local()


def test_a_renamed_folder_of_equal_files_waits_for_nobody(place: Place) -> None:
    for number in range(30):
        place.write(f"project/p{number}/__init__.py", b"")
        place.write(f"project/p{number}/same.txt", b"the same")
        os.link(
            place.write(f"project/p{number}/a", b"%d" % number), place.home / f"project/l{number}"
        )
    place.write("other")
    with place.engine() as sync:
        sync.run_pass()
        (place.home / "project").rename(place.home / "renamed")
        report = sync.run_pass()
        assert report.complete
        assert (report.copied, report.uploaded) == (120, 0)
        assert report.pending_deletes.count == 0
        report = sync.run_pass()
        assert report.deleted == 120
        assert report.pending_deletes.count == 0
    assert place.remote() == place.local()


def test_equal_files_that_replace_others_do_not_speak_for_them(place: Place) -> None:
    for number in range(30):
        place.write(f"project/p{number}/__init__.py", b"")
    place.write("other")
    with place.engine() as sync:
        sync.run_pass()
        place.write("new/__init__.py", b"")  # before the others go: it is none of them
        shutil.rmtree(place.home / "project")
        for _ in range(3):
            report = sync.run_pass()
            assert report.pending_deletes.count == 30
    assert len(place.remote()) == 32


def test_a_moved_and_edited_file_is_put_and_the_old_one_goes(place: Place) -> None:
    a, _ = place.write("a", b"one"), place.write("b")
    with place.engine() as sync:
        sync.run_pass()
        moved = a.rename(place.home / "c")
        moved.write_bytes(b"edited")
        assert sync.run_pass().uploaded == 1
        sync.run_pass()
    assert place.remote() == {"b": b"text", "c": b"edited"}


def test_a_move_whose_source_was_changed_remotely_is_put(place: Place) -> None:
    a, _ = place.write("a", b"one"), place.write("b")
    with place.engine() as sync:
        sync.run_pass()
        place.s3.put(place.key("a"), b"theirs")
        a.rename(place.home / "c")
        assert sync.run_pass().uploaded == 1
        sync.run_pass()
    assert place.remote() == {"a": b"theirs", "b": b"text", "c": b"one"}


def test_a_move_onto_a_name_that_s3_has_keeps_both(place: Place) -> None:
    a, _ = place.write("a.txt", b"one"), place.write("b")
    with place.engine() as sync:
        sync.run_pass()
        place.s3.put(place.key("c.txt"), b"theirs")
        a.rename(place.home / "c.txt")
        (conflict,) = sync.run_pass().conflicts
        sync.run_pass()
    assert conflict.kept_as is not None
    assert place.remote() == {"b": b"text", "c.txt": b"one", conflict.kept_as: b"theirs"}


def test_the_old_name_stays_while_the_new_one_is_not_saved(place: Place) -> None:
    a, _ = place.write("a", b"one"), place.write("b")
    with place.engine() as sync:
        sync.run_pass()
        a.rename(place.home / "c")
        for operation in ("PutObject", "CopyObject"):
            place.s3.fail(operation, code="InternalError", key=place.key("c"), times=None)
        for _ in range(3):
            assert not sync.run_pass().complete
        assert place.remote() == {"a": b"one", "b": b"text"}
        place.s3.heal()
        sync.run_pass()
        sync.run_pass()
    assert place.remote() == {"b": b"text", "c": b"one"}


def test_a_large_file_is_moved_without_its_bytes(place: Place) -> None:
    body = os.urandom(17 * 1024 * 1024)
    big, _ = place.write("big", body), place.write("b")
    with place.engine() as sync:
        sync.run_pass()
        sent = place.s3.journal.bytes_in
        big.rename(place.home / "moved")
        assert sync.run_pass().copied == 1
        sync.run_pass()
        assert place.s3.journal.bytes_in - sent < 100_000
    assert place.remote() == {"moved": body, "b": b"text"}


# -- deleted in S3 ----------------------------------------------------------------------------------


def test_what_was_deleted_remotely_stays_deleted_and_can_be_saved_again(place: Place) -> None:
    place.write("a")
    place.write("b")
    with place.engine() as sync:
        sync.run_pass()
        place.s3.delete(place.key("a"))
        (conflict,) = sync.check_remote()
        assert (conflict.path, conflict.kind) == ("a", ConflictKind.DELETED_REMOTELY)
        sync.run_pass()
        assert set(place.remote()) == {"b"}
        assert sync.save_again(["a"]) == 1
        assert sync.run_pass().complete
        assert sync.check_remote() == ()
    assert place.remote() == {"a": b"text", "b": b"text"}


def test_what_was_deleted_remotely_before_a_start_stays_deleted(place: Place) -> None:
    place.write("a")
    place.write("b")
    with place.engine() as sync:
        sync.run_pass()
    place.s3.delete(place.key("a"))
    with place.engine() as sync:
        assert sync.restore().complete
        sync.run_pass()
        assert set(place.remote()) == {"b"}
        assert (place.home / "a").exists()
        assert [each.path for each in sync.check_remote()] == ["a"]


def test_what_was_deleted_on_both_sides_is_forgotten(place: Place) -> None:
    a, _ = place.write("a"), place.write("b")
    with place.engine() as sync:
        sync.run_pass()
        place.s3.delete(place.key("a"))
        a.unlink()
        for _ in range(3):
            report = sync.run_pass()
        assert report.complete
        assert sync.check_remote() == ()
    assert set(place.remote()) == {"b"}


def test_remote_changes_are_shown(place: Place) -> None:
    place.write("a")
    with place.engine() as sync:
        sync.run_pass()
        assert sync.check_remote() == ()
        place.s3.put(place.key("a"), b"theirs")
        place.s3.put(place.key("new"), b"theirs")
        found = {(each.path, each.kind) for each in sync.check_remote()}
    assert found == {
        ("a", ConflictKind.UPDATED_REMOTELY),
        ("new", ConflictKind.ADDED_REMOTELY),
    }
