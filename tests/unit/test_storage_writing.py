"""One file in one request, folders, names that are taken. Strict S3, moto, and a store that ignores conditions."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_wherobots.errors import (
    AlreadyExists,
    ConfirmationRequired,
    InvalidPath,
    InvalidRequest,
    NotPermitted,
    PreconditionFailed,
    WherobotsError,
)
from jupyter_wherobots.layout import LayoutName
from jupyter_wherobots.storage.naming import Conflict, free_key, numbered
from tests.conftest import S3Environment
from tests.stored import OWN, Stored
from tests.strict_s3 import StrictS3


@pytest.fixture
def stored(any_stored: Stored) -> Stored:
    return any_stored


@pytest.mark.parametrize(
    ("name", "next_name"),
    [
        ("a.csv", "a (1).csv"),
        ("a", "a (1)"),
        (".bashrc", ".bashrc (1)"),
        ("a.tar.gz", "a.tar (1).gz"),
        ("folder.d/", "folder.d (1)/"),
        ("a (1).csv", "a (1) (1).csv"),
        ("a.", "a (1)."),
    ],
)
def test_numbered_names(name: str, next_name: str) -> None:
    assert numbered(name, 1) == next_name


def test_a_free_name_is_found_among_all_that_look_alike(stored: Stored) -> None:
    assert free_key(stored.s3, "org" + OWN + "a.csv") == "org" + OWN + "a.csv"
    for name in (
        "a.csv",
        "a (1).csv",
        "a (3).csv",
        "a (2)",
        "a (x).csv",
        "a (02).csv",
        "f/x",
        "f (1)/x",
    ):
        stored.put(OWN + name)
    assert free_key(stored.s3, "org" + OWN + "a.csv") == "org" + OWN + "a (2).csv"
    assert free_key(stored.s3, "org" + OWN + "f/") == "org" + OWN + "f (2)/"
    assert free_key(stored.s3, "org" + OWN + "f") == "org" + OWN + "f"
    assert free_key(stored.s3, "org" + OWN + "x/") == "org" + OWN + "x/"


def test_a_file_is_written_under_each_rule(stored: Stored) -> None:
    storage = stored.storage
    first = storage.put_file(storage.target(OWN + "a.csv"), b"1")
    assert (first.path, first.size) == (OWN + "a.csv", 1)
    with pytest.raises(AlreadyExists):
        storage.target(OWN + "a.csv")
    second = storage.put_file(storage.target(OWN + "a.csv", Conflict.KEEP_BOTH), b"22")
    assert second.path == OWN + "a (1).csv"
    third = storage.put_file(storage.target(OWN + "a.csv", Conflict.REPLACE), b"333")
    assert (third.path, third.size) == (OWN + "a.csv", 3)
    with pytest.raises(PreconditionFailed):
        storage.target(OWN + "a.csv", etag=first.etag)
    fourth = storage.put_file(storage.target(OWN + "a.csv", etag=third.etag), b"4444")
    assert fourth.size == 4
    with pytest.raises(InvalidRequest):
        storage.target(OWN + "a.csv", Conflict.KEEP_BOTH, etag=fourth.etag)
    with pytest.raises(PreconditionFailed):
        storage.target(OWN + "nothing", etag='"x"')
    assert storage.stat(OWN + "a.csv").content_type == "text/csv"


def test_a_race_overwrites_nothing(strict: Stored, strict_s3: StrictS3) -> None:
    """What somebody else writes between our look and our PUT is not replaced, by any rule but replace."""
    storage = strict.storage
    etag = strict_s3.put("org" + OWN + "mine", b"mine")

    for name, where in (
        ("new", storage.target(OWN + "new")),
        ("mine", storage.target(OWN + "mine", etag=etag)),
        ("gone", storage.target(OWN + "both", Conflict.KEEP_BOTH)),
    ):
        strict_s3.put(where.key, b"theirs")
        if name == "gone":
            assert storage.put_file(where, b"ours").path == OWN + "both (1)"
        else:
            error = AlreadyExists if name == "new" else PreconditionFailed
            with pytest.raises(error):
                storage.put_file(where, b"ours")
        assert strict_s3.body(where.key) == b"theirs"
    where = storage.target(OWN + "mine", etag=strict_s3.put("org" + OWN + "mine", b"again"))
    strict_s3.delete("org" + OWN + "mine")
    with pytest.raises(PreconditionFailed):
        storage.put_file(where, b"ours")
    assert strict_s3.object("org" + OWN + "mine") is None


def test_two_writers_at_one_moment_are_tried_again(strict: Stored, strict_s3: StrictS3) -> None:
    strict_s3.fail("PutObject", code="ConditionalRequestConflict", times=2)
    assert strict.storage.put_file(strict.storage.target(OWN + "x"), b"1").size == 1


def test_a_folder_is_made_once(stored: Stored) -> None:
    storage = stored.storage
    entry = storage.create_folder(OWN + "new")
    assert (entry.path, entry.uri[-5:]) == (OWN + "new/", "/new/")
    assert storage.list(OWN + "new/").entries == ()
    stored.put(OWN + "filled/x")
    stored.put(OWN + "file")
    for path in ("new/", "filled/", "new"):
        with pytest.raises(AlreadyExists):
            storage.create_folder(OWN + path)
    assert storage.create_folder(OWN + "file/").path == OWN + "file/"
    with pytest.raises(InvalidPath):
        storage.create_folder(OWN + "/")


# -- permissions ----------------------------------------------------------------------------------

ALLOWED = "allowed"
ASKS = ConfirmationRequired
MATRIX: list[tuple[str, object, object]] = [
    # path, current layout, 2024 layout
    ("/", NotPermitted, NotPermitted),
    ("/x", NotPermitted, NotPermitted),
    ("/data/", NotPermitted, NotPermitted),
    ("/data/x", NotPermitted, NotPermitted),
    ("/data/x/y", NotPermitted, NotPermitted),
    ("/data/customer-abc", NotPermitted, NotPermitted),
    ("/data/customer-abc/", NotPermitted, NotPermitted),
    ("/data/customer-abc/x", ALLOWED, ALLOWED),
    ("/data/customer-abc/a/b c", ALLOWED, ALLOWED),
    ("/data/customer-abc//x", ALLOWED, ALLOWED),
    ("/data/customer-abc/./x", InvalidPath, InvalidPath),
    ("/data/customer-abc/../customer-x/x", InvalidPath, InvalidPath),
    ("/data/customer-abc/../../../other/x", InvalidPath, InvalidPath),
    ("/data/customer-abcd/x", NotPermitted, NotPermitted),
    ("/data/customer-/x", NotPermitted, NotPermitted),
    ("/data/customer-ABC/x", NotPermitted, NotPermitted),
    ("/data//customer-abc/x", NotPermitted, NotPermitted),
    ("//data/customer-abc/x", NotPermitted, NotPermitted),
    ("/data/shared", NotPermitted, NotPermitted),
    ("/data/shared/x", ALLOWED, ALLOWED),
    ("/data/sharedx/x", NotPermitted, NotPermitted),
    ("/spark-logs/", NotPermitted, NotPermitted),
    ("/spark-logs/x", ASKS, ASKS),
    ("/notebooks/", NotPermitted, NotPermitted),
    ("/notebooks/x", NotPermitted, NotPermitted),
    ("/notebooks/customer-abc/x", NotPermitted, ALLOWED),
    ("/notebooks/customer-abc/.wherobots/x", NotPermitted, NotPermitted),
    ("/notebooks/customer-xyz/x", NotPermitted, NotPermitted),
    ("/notebooks/shared/x", NotPermitted, ALLOWED),
    ("/org/data/customer-abc/x", NotPermitted, NotPermitted),
    ("data/customer-abc/x", InvalidPath, InvalidPath),
    ("", InvalidPath, InvalidPath),
]


def answer(action: object, path: str, stored: Stored) -> object:
    """What comes of writing somewhere: allowed, or which error."""
    storage = stored.storage
    try:
        if action == "put":
            storage.put_file(storage.target(path), b"x")
        elif action == "folder":
            storage.create_folder(path)
        else:
            storage.uploads.abort(storage.uploads.create(path, 1).record.id)
    except WherobotsError as error:
        return type(error)
    return ALLOWED


@pytest.mark.parametrize("name", list(LayoutName))
@pytest.mark.parametrize("action", ["put", "folder", "upload"])
def test_the_permission_matrix_of_writing(
    action: str, name: LayoutName, strict_s3: StrictS3, s3_env: S3Environment, tmp_path: Path
) -> None:
    s3_env(strict_s3)
    stored = Stored(strict_s3, tmp_path, name)
    for path, current, v2024 in MATRIX:
        expected = current if name is LayoutName.CURRENT else v2024
        before = strict_s3.count()
        assert answer(action, path, stored) == expected, path
        if expected is not ALLOWED:
            assert strict_s3.count() == before, path  # S3 was not even asked
    confirmed = stored.storage.target("/spark-logs/y", confirm=True)
    assert stored.storage.put_file(confirmed, b"x").path == "/spark-logs/y"
    allowed = ("org/data/customer-abc/", "org/data/shared/", "org/spark-logs/", "org/notebooks/")
    assert all(request.key.startswith(allowed) for request in strict_s3.requests)
    stored.close()


def test_a_file_is_no_folder(strict: Stored) -> None:
    with pytest.raises(InvalidPath, match="folder"):
        strict.storage.target(OWN + "x/")


def test_what_s3_forbids_is_said_in_words(strict: Stored, strict_s3: StrictS3) -> None:
    strict_s3.deny()
    with pytest.raises(WherobotsError, match="Your role may list but not write"):
        strict.storage.put_file(strict.storage.target(OWN + "x"), b"1")
