"""The judge is judged: it complains of what an engine lost, not of what a person meant."""

from __future__ import annotations

import pytest

from tests.model.model import Broken, Change, Home, Model, Thing, Version, key_of
from tests.model.world import USER

REPORT = Thing("file", b"the report")
OLD, NEW = key_of(b"old"), key_of(b"new")


@pytest.fixture
def model() -> Model:
    """A report was saved and then renamed; the rename is saved too, and the old name still is in S3."""
    made = Model()
    made.homes["one"] = Home()
    other = Thing("file", b"another")
    made.user_changed("one", {b"old": REPORT, b"other": other})
    put(made, "one", OLD, REPORT)
    made.user_changed("one", {b"new": REPORT, b"other": other}, renamed=True)
    put(made, "one", NEW, REPORT)
    made.homes["one"].gone[b"old"] = 2
    return made


def put(model: Model, writer: str, key: str, thing: Thing | None, *, beside: bool = False) -> None:
    before = model.remote.get(key)
    after = None if thing is None else Version(f'"{len(model.ever)}"', thing, writer, beside)
    gone = dict.fromkeys(model.homes["one"].gone, 2)
    model.changed(Change(writer, key, before, after), gone, may_replace=True)


def test_what_was_renamed_must_not_leave_s3(model: Model) -> None:
    put(model, "one", OLD, None)
    with pytest.raises(Broken, match="only renamed"):
        put(model, "one", NEW, Thing("file", b"another"))


def test_a_person_may_delete_the_copy_that_a_rename_made(model: Model) -> None:
    put(model, USER, NEW, None)
    put(model, "one", OLD, None)
    assert not model.remote


def test_a_copy_that_nobody_took_has_to_stay(model: Model) -> None:
    home = model.homes["one"]
    model.user_changed("one", {**home.tree, b"third": REPORT})
    put(model, USER, NEW, None)
    with pytest.raises(Broken, match="only renamed"):
        put(model, "one", OLD, None)


def test_what_is_saved_anew_is_to_be_kept_anew(model: Model) -> None:
    put(model, USER, NEW, None)
    put(model, "one", OLD, None)
    put(model, "one", NEW, REPORT)
    with pytest.raises(Broken, match="only renamed"):
        put(model, "one", NEW, Thing("file", b"another"))


def test_what_was_never_saved_under_its_name_may_leave_with_another_file() -> None:
    """A copy is renamed that was not saved yet, and the file it was made of is changed."""
    model = Model()
    model.homes["one"] = Home()
    model.user_changed("one", {b"old": REPORT, b"copy": REPORT})
    put(model, "one", OLD, REPORT)
    model.user_changed("one", {b"old": Thing("file", b"changed"), b"new": REPORT}, renamed=True)
    put(model, "one", OLD, Thing("file", b"changed"))
    assert model.remote[OLD].thing.body == b"changed"


def test_what_was_renamed_and_then_written_over_may_leave(model: Model) -> None:
    """Though another file of the same bytes is there, which was made since and is not saved yet."""
    put(model, "one", OLD, None)
    home = model.homes["one"]
    model.user_changed("one", {**home.tree, b"copy": REPORT})
    changed = Thing("file", b"changed")
    model.user_changed("one", {**home.tree, b"new": changed})
    put(model, "one", NEW, changed)
    assert model.remote[NEW].thing.body == b"changed"


def test_what_is_renamed_to_a_name_that_is_not_mirrored_may_leave() -> None:
    """Though another file of the same bytes is still there, which somebody else deleted in S3."""
    model = Model()
    model.homes["one"] = Home()
    model.user_changed("one", {b"old": REPORT, b"copy": REPORT})
    put(model, "one", OLD, REPORT)
    put(model, "one", key_of(b"copy"), REPORT)
    put(model, USER, key_of(b"copy"), None)
    model.user_changed("one", {b"copy": REPORT, b".ssh/id_rsa": REPORT}, renamed=True)
    model.homes["one"].gone[b"old"] = 2
    put(model, "one", OLD, None)
    assert OLD not in model.remote


@pytest.mark.parametrize("kept", [True, False])
def test_a_person_may_delete_what_was_kept_of_theirs(model: Model, kept: bool) -> None:
    theirs, copy = Thing("file", b"theirs"), key_of(b"new (S3 version)")
    put(model, USER, NEW, theirs)
    if kept:
        put(model, "one", copy, theirs, beside=True)
        put(model, USER, copy, None)
        put(model, "one", NEW, REPORT)
    else:
        with pytest.raises(Broken, match="not its own"):
            put(model, "one", NEW, REPORT)
