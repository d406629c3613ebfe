"""What the model found, each in the fewest steps: ordinary tests, one line of proof each."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from jupyter_wherobots.sync import arrivals, beneath, landing
from jupyter_wherobots.sync.names import Names
from jupyter_wherobots.sync.remote import SYMLINK, TYPE
from tests.strict_s3 import Fault, Version
from tests.sync.conftest import PREFIX, Place


def test_the_other_name_of_a_blocked_folder_may_be_taken_too(place: Place) -> None:
    place.s3.put(PREFIX + "d/a", b"inside")
    place.s3.put(PREFIX + "d (from S3)", b"a file of that name")
    (place.home / "d").symlink_to("nowhere")
    with place.engine() as sync:
        report = sync.restore()
        assert report.complete, report
    assert sorted(place.local().values()) == [b"a file of that name", b"inside", b"nowhere"]


def test_what_comes_beside_takes_no_name_of_another_object(place: Place) -> None:
    place.s3.put(PREFIX + "d/e (from S3)", b"an object of that name")
    place.s3.clock.advance(1)
    place.s3.put(PREFIX + "d/e", b"where a folder is")  # the newest comes first
    (place.home / "d/e").mkdir(parents=True)
    with place.engine() as sync:
        assert sync.restore().complete
    assert place.local() == {
        "d/e (from S3)": b"an object of that name",
        "d/e (from S3) (2)": b"where a folder is",
    }


def test_a_start_killed_when_it_knew_what_is_missing_is_made_good_by_the_next_pass(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(name: str) -> None:
        if name == "restore.locked":
            raise Killed

    place.write("a", b"mine")
    with place.engine() as sync:
        assert sync.restore().complete
        assert sync.run_pass().complete
    place.s3.put(place.key("a"), b"theirs")
    monkeypatch.setattr(arrivals, "failpoint", kill)
    with pytest.raises(Killed), place.engine() as sync:
        sync.restore()
    monkeypatch.undo()
    place.write("a", b"mine, edited")
    with place.engine() as sync:
        report = sync.run_pass()
        assert report.complete, report
    assert sorted(place.remote().values()) == [b"mine, edited", b"theirs"]


def test_a_folder_replaced_by_a_file_is_no_news_at_the_next_start(place: Place) -> None:
    place.write("d/a", b"inside")
    with place.engine() as sync:
        sync.run_pass()
        (place.home / "d/a").unlink()
        (place.home / "d").rmdir()
        place.write("d", b"a file now")
        assert sync.run_pass().complete
    with place.engine() as sync:
        sync.restore()
        assert place.local() == {"d": b"a file now"}
        assert sync.run_pass().complete
    assert place.remote()["d"] == b"a file now"


def test_what_was_only_renamed_is_in_s3_at_every_moment(place: Place) -> None:
    seen = []
    place.write("report", b"the old report")
    with place.engine() as sync:
        sync.run_pass()
        (place.home / "report").rename(place.home / "report.old")
        place.write("report", b"the new report")
        # A pod that dies here has no home to come back to.
        place.s3.fail("PutObject", code="InternalError", key=place.key("report.old"), times=None)
        place.s3.fail("CopyObject", code="InternalError", times=None)
        sync.run_pass()
        seen.append(set(place.remote().values()))
        place.s3.heal()
        assert sync.run_pass().complete
        seen.append(set(place.remote().values()))
    assert all(b"the old report" in each for each in seen), seen
    assert b"the new report" in seen[-1]


def test_an_edit_right_after_its_restore_is_saved(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.s3.put(PREFIX + "a", b"remote")

    def edit(name: str) -> None:
        if name == "restore.after-link":
            (place.home / "a").write_bytes(b"edited")

    monkeypatch.setattr(landing, "failpoint", edit)
    with place.engine() as sync:
        assert sync.restore().complete
        monkeypatch.undo()
        assert sync.run_pass().complete
    assert place.remote() == {"a": b"edited"}


def test_two_files_of_one_name_are_moved_aside_at_different_starts(place: Place) -> None:
    place.write("d", b"image")
    place.s3.put(PREFIX + "d", b"remote")
    with place.engine() as sync:
        assert sync.restore().complete
    place.s3.delete(PREFIX + "d")
    (place.home / "d").unlink()
    place.write("d/a", b"image")
    place.s3.put(PREFIX + "d/a", b"remote")
    with place.engine() as sync:
        report = sync.restore()
        assert report.complete, report
    assert place.local() == {"d/a": b"remote"}


def test_a_link_is_not_saved_by_a_file_that_says_the_same(place: Place, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with place.engine(home=other, state=tmp_path / "other-state") as second:
        second.restore()
        with place.engine() as sync:
            place.write("a", b"target")
            assert sync.run_pass().complete
        (other / "a").symlink_to("target")
        assert second.run_pass().complete
        kinds = [version.metadata.get(TYPE) for version in _versions(place)]
    assert sorted(kinds, key=str) == [None, SYMLINK]


def _versions(place: Place) -> list[Version]:
    found = (place.s3.object(PREFIX + path) for path in place.remote())
    return [each for each in found if each is not None]


def test_a_name_that_is_no_text_is_moved_aside_like_any_other(place: Place) -> None:
    name = b"caf\xe9.txt"
    with place.engine() as sync:
        place.write(name, b"remote")
        assert sync.run_pass().complete
    place.home.rename(place.home.with_name("gone"))
    place.home.mkdir()
    place.write(name, b"image")
    with place.engine() as sync:
        report = sync.restore()
        assert report.complete, report
    assert place.local() == {os.fsdecode(name): b"remote"}


def test_a_file_replaced_by_a_folder_is_deleted_in_s3(place: Place) -> None:
    place.write("other")
    file = place.write("d", b"a file")
    with place.engine() as sync:
        sync.run_pass()
        file.unlink()
        place.write("d/inside", b"inside")
        for _ in range(3):
            assert sync.run_pass().complete
    assert place.remote() == {"other": b"text", "d/inside": b"inside"}


def test_two_files_never_share_one_key(place: Place, tmp_path: Path) -> None:
    place.s3.put(PREFIX + "d", b"an object beside the folder of its name")
    place.s3.put(PREFIX + "d/a", b"inside")
    with place.engine() as sync:
        assert sync.restore().complete
        (place.home / "d/a").unlink()
        (place.home / "d").rmdir()
        place.write("d", b"a file now")
        for _ in range(3):
            assert sync.run_pass().complete
    before = place.local()
    assert sorted(before) == ["d", "d (S3 object)"]
    with place.engine() as sync:
        assert sync.restore().complete
        assert place.local() == before
        (place.home / "d (S3 object)").unlink()
        for _ in range(3):
            assert sync.run_pass().complete
    with place.engine(home=tmp_path / "new", state=tmp_path / "new-state") as sync:
        assert sync.restore().complete
    assert b"a file now" in place.local(tmp_path / "new").values()


def test_a_folder_marker_where_a_file_lies_does_not_stop_the_restore_for_ever(
    place: Place,
) -> None:
    place.s3.put(PREFIX + "d/", b"")
    place.write("d", b"a file of the image")
    with place.engine() as sync:
        report = sync.restore()
        assert report.complete, report
        assert sync.run_pass().complete
    assert place.local() == {"d": b"a file of the image"}


def leave_in_doubt(place: Place, body: bytes) -> None:
    """Save a file ``a``, and end before it is known that it was saved."""
    place.write("other")
    place.write("a", body)
    for operation in ("PutObject", "HeadObject"):
        place.s3.fail(operation, Fault.RESET_AFTER, key=place.key("a"), times=None)
    with place.engine() as sync:
        assert not sync.run_pass().complete
    place.s3.heal()
    assert place.remote()["a"] == body


def test_an_edit_after_a_kill_does_not_give_way_to_what_was_on_its_way(place: Place) -> None:
    leave_in_doubt(place, b"once")
    place.write("a", b"twice")
    with place.engine() as sync:
        assert sync.restore().complete
        assert place.local()["a"] == b"twice"
        assert sync.run_pass().complete
    assert place.remote() == {"a": b"twice", "other": b"text"}


def test_what_is_deleted_after_a_kill_does_not_come_back(place: Place) -> None:
    leave_in_doubt(place, b"once")
    (place.home / "a").unlink()
    with place.engine() as sync:
        assert sync.restore().complete
        assert place.local() == {"other": b"text"}
        for _ in range(3):
            assert sync.run_pass().complete
    assert place.remote() == {"other": b"text"}


def test_what_others_put_where_a_kill_left_doubt_comes(place: Place) -> None:
    leave_in_doubt(place, b"once")
    (place.home / "a").unlink()
    place.s3.put(PREFIX + "a", b"theirs")
    with place.engine() as sync:
        assert sync.restore().complete
        for _ in range(3):
            assert sync.run_pass().complete
    assert place.local() == place.remote() == {"a": b"theirs", "other": b"text"}


def test_what_was_on_its_way_keeps_its_place_beside_a_folder(place: Place) -> None:
    leave_in_doubt(place, b"once")
    place.s3.put(PREFIX + "a/inside", b"theirs")
    place.write("a", b"twice")
    with place.engine() as sync:
        assert sync.restore().complete
        assert sync.run_pass().complete
    assert place.local()["a"] == place.remote()["a"] == b"twice"
    assert sorted(place.local().values()) == [b"text", b"theirs", b"twice"]


def test_three_files_never_share_two_keys(place: Place) -> None:
    names = Names(PREFIX)
    place.s3.put(PREFIX + "d", b"an object beside the folder of its name")
    place.s3.put(PREFIX + "d/a", b"inside")
    place.s3.put(names.odd_key(b"d"), b"a file of that name from another home")
    place.s3.put(names.name_key(b"d"), b"d")
    with place.engine() as sync:
        assert sync.restore().complete
        assert sync.run_pass().complete
        (place.home / "d/a").unlink()
        (place.home / "d").rmdir()
        place.write("d", b"a file now")
        for _ in range(3):
            assert sync.run_pass().complete
    before = place.local()
    assert sorted(before) == ["d", "d (S3 object 2)", "d (S3 object)"]
    with place.engine() as sync:
        assert sync.restore().complete
        assert place.local() == before
        (place.home / "d").unlink()
        for _ in range(3):
            assert sync.run_pass().complete
    del before["d"]
    keys = place.keys()
    del keys[names.name_key(b"d")]
    assert place.local() == before
    assert sorted(keys.values()) == sorted(before.values())


@pytest.mark.parametrize("when", ["left out", "replaced", "made again"])
def test_a_folder_that_comes_while_its_files_are_missed_hides_no_deletion(
    place: Place, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    place.write("d/e/a")
    place.write("d/b")
    place.write("other")
    name = {"replaced": "open_folder", "made again": "lstat"}.get(when, "")
    real = getattr(beneath, name, None)

    def come(root: int, path: bytes, *rest: Any) -> Any:
        if path == b"d":
            monkeypatch.undo()
            if when == "replaced":
                (place.home / "d").rename(place.home / "was d")
                shutil.rmtree(place.home / "was d")
            (place.home / "d").mkdir()
        assert real is not None
        return real(root, path, *rest)

    with place.engine() as sync:
        assert sync.run_pass().complete
        assert sync.run_pass().complete
        if when != "replaced":
            shutil.rmtree(place.home / "d")
        if real is not None:
            monkeypatch.setattr(beneath, name, come)
        for _ in range(5):
            sync.run_pass()
        assert (place.home / "d").exists() == (real is not None)
    assert place.remote() == {"other": b"text"}


def test_a_folder_that_was_deleted_does_not_come_back(place: Place) -> None:
    (place.home / "empty").mkdir()
    place.write("d/a")
    with place.engine() as sync:
        assert sync.run_pass().complete
    (place.home / "empty").rmdir()
    shutil.rmtree(place.home / "d")
    with place.engine() as sync:
        assert sync.restore().complete
    assert list(place.home.iterdir()) == []
    place.s3.put(PREFIX + "d/b", b"theirs")
    with place.engine() as sync:
        assert sync.restore().complete
    assert place.local() == {"d/b": b"theirs"}


def test_what_comes_back_to_a_name_that_somebody_emptied_is_saved_there(place: Place) -> None:
    place.write("d/a", b"mine")
    with place.engine() as sync:
        assert sync.run_pass().complete
        (place.home / "d").rename(place.home / "moved")
        place.s3.delete(PREFIX + "d/a")
        for _ in range(3):
            assert sync.run_pass().complete
        (place.home / "moved").rename(place.home / "d")
        for _ in range(4):
            assert sync.run_pass().complete
    assert place.remote() == {"d/a": b"mine"}


def test_what_comes_back_to_its_name_is_not_sent_again(place: Place) -> None:
    place.write("a", b"mine")
    place.write("other")
    with place.engine() as sync:
        assert sync.run_pass().complete
        (place.home / "a").rename(place.home.with_name("away"))
        assert sync.run_pass().complete
        place.home.with_name("away").rename(place.home / "a")
        puts = place.asked("PutObject")
        for _ in range(3):
            assert sync.run_pass().complete
        assert place.asked("PutObject") == puts
    assert place.remote() == {"a": b"mine", "other": b"text"}


def test_a_file_of_the_same_bytes_moved_to_where_others_deleted_is_saved(place: Place) -> None:
    """Its old name is deleted in S3 soon after; its bytes would be nowhere."""
    place.write("a", b"the same")
    place.write("b", b"the same")
    place.write("c")
    with place.engine() as sync:
        assert sync.run_pass().complete
        place.s3.delete(place.key("a"))
        (place.home / "b").rename(place.home / "a")
        for _ in range(3):
            assert sync.run_pass().complete
    assert place.remote() == {"a": b"the same", "c": b"text"}
