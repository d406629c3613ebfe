"""Listing a folder: names of every kind, pages, permissions. Strict S3 and moto."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_wherobots.errors import InvalidPath, NotFound, NotPermitted
from jupyter_wherobots.layout import LayoutName
from jupyter_wherobots.storage.entries import EntryType
from tests.conftest import S3Environment
from tests.stored import OWN, Stored
from tests.strict_s3 import StrictS3

ODD = [
    "a b",
    " leading and trailing ",
    "100%",
    "%41",
    "a+b&c=d?e#f:g",
    "'\"",
    "ünïcödé",
    "ü",  # as it looks, but decomposed
    "名前",
    "\U0001f600",
    ".hidden",
    "..",
    ".",
    "tab\there",
    "back\\slash",
]


def test_every_name_is_listed_as_it_is(stored: Stored) -> None:
    for name in ODD:
        stored.put(f"{OWN}{name}")
        stored.put(f"{OWN}in/{name}/x")
    files = [entry for entry in stored.everything(OWN) if entry.type is EntryType.FILE]
    assert sorted(entry.name for entry in files) == sorted(ODD)
    assert sorted(entry.name for entry in stored.everything(OWN + "in/")) == sorted(ODD)


def test_empty_names_slashes_and_bodies_are_all_addressable(stored: Stored) -> None:
    for path in ("file", "both", "both/x", "body/", "body/x", "marker/", "//deep", "/"):
        stored.put(OWN + path, b"" if path == "marker/" else b"1")
    seen = [(entry.name, entry.path, entry.type.value) for entry in stored.everything(OWN)]
    assert seen == [
        ("", OWN + "/", "FOLDER"),
        ("body", OWN + "body/", "FOLDER"),
        ("both", OWN + "both", "FILE"),
        ("both", OWN + "both/", "FOLDER"),
        ("file", OWN + "file", "FILE"),
        ("marker", OWN + "marker/", "FOLDER"),
    ]
    body = stored.everything(OWN + "body/")
    assert [(e.name, e.path, e.type.value, e.size) for e in body] == [
        ("", OWN + "body/", "FILE", 1),
        ("x", OWN + "body/x", "FILE", 1),
    ]
    assert stored.everything(OWN + "marker/") == []
    doubled = stored.everything(OWN + "/")
    assert [(e.name, e.path, e.type.value) for e in doubled] == [
        ("", OWN + "/", "FILE"),
        ("", OWN + "//", "FOLDER"),
    ]


def test_pages_are_together_the_folder(stored: Stored) -> None:
    names = [f"{i:02d}" for i in range(23)]
    for i, name in enumerate(names):
        stored.put(f"{OWN}{name}{'/x' if i % 3 else ''}")
    for limit in (1, 7, 23, 24):
        assert [entry.name for entry in stored.everything(OWN, limit)] == names
    assert stored.storage.list(OWN, 23).complete
    assert not stored.storage.list(OWN, 22).complete


def test_a_folder_without_its_slash_is_meant(stored: Stored) -> None:
    stored.put(OWN + "sub/x")
    assert stored.storage.list(OWN + "sub").path == OWN + "sub/"
    assert stored.storage.list("/data/customer-abc").path == OWN
    assert stored.storage.list("/data/customer-abc").entries[0].name == "sub"


def test_what_nobody_filled_is_empty(stored: Stored) -> None:
    listing = stored.storage.list(OWN + "never/")
    assert (listing.entries, listing.cursor, listing.complete) == ((), None, True)


def test_neighbours_that_only_begin_alike_stay_apart(stored: Stored) -> None:
    for key in ("org/data/customer-abcd/x", "org/data/customer-abc", "org2/data/customer-abc/x"):
        stored.boto.put_object(Bucket=stored.bucket, Key=key, Body=b"")
    assert stored.everything(OWN) == []


def test_logs_ask_first(stored: Stored) -> None:
    listing = stored.storage.list("/spark-logs/")
    assert listing.access.confirmation
    assert not listing.access.upload_protected


@pytest.mark.parametrize("name", list(LayoutName))
def test_the_home_keeps_its_own_folder(
    strict_s3: StrictS3, s3_env: S3Environment, tmp_path: Path, name: LayoutName
) -> None:
    s3_env(strict_s3)
    stored = Stored(strict_s3, tmp_path, name)
    strict_s3.put("org/notebooks/customer-abc/.wherobots/lease", b"1")
    if name is LayoutName.CURRENT:
        with pytest.raises(NotFound, match="not part of the managed storage"):
            stored.storage.list("/notebooks/customer-abc/.wherobots/")
    else:
        (folder,) = stored.everything("/notebooks/customer-abc/")
        assert folder.access.mutate_protected
        (lease,) = stored.everything(folder.path)
        assert lease.access.mutate_protected
    stored.close()


# Path tricks: whatever is asked for, S3 only ever sees prefixes of this user's own folders.
_TRICKS = [
    "..",
    ".",
    "",
    "/",
    "%2e%2e",
    "%2F",
    "\uff0e\uff0e",
    "\uff0f",
    "\\",
    "\x00",
    "customer-abc",
    "customer-xyz",
]
_TRICKS += [
    "customer-abcd",
    "shared",
    "data",
    "spark-logs",
    "notebooks",
    "org",
    "other-org",
    "~",
    ";",
]
_ALLOWED = ("org/data/customer-abc/", "org/data/shared/", "org/spark-logs/")


@given(st.lists(st.sampled_from(_TRICKS) | st.text(max_size=4), max_size=8), st.booleans())
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_path_reaches_outside(
    strict: Stored, strict_s3: StrictS3, segments: list[str], folder: bool
) -> None:
    strict_s3.journal.clear()
    path = "/" + "/".join(segments) + ("/" if folder else "")
    with suppress(InvalidPath, NotFound, NotPermitted):
        listing = strict.storage.list(path)
        assert all(entry.path.startswith(listing.path) for entry in listing.entries)
    for request in strict_s3.requests:
        assert request.key.startswith(_ALLOWED)
        assert not {".", ".."} & set(request.key.split("/"))


def test_dot_segments_are_refused_before_s3(stored: Stored) -> None:
    with pytest.raises(InvalidPath):
        stored.storage.list(OWN + "../customer-xyz/")
