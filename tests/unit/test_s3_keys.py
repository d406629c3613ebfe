"""What may be said in a request: keys, metadata, ETags. No store."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_wherobots.errors import InvalidPath, InvalidRequest, StorageFailed
from jupyter_wherobots.s3.client import S3, EtagForm
from jupyter_wherobots.s3.keys import (
    absent,
    check_key,
    check_metadata,
    condition_params,
    is_plain,
    matches,
    strict_etag,
)

PLAIN = [
    "a",
    "a/b",
    "a b",
    " a ",
    ".a",
    "a.",
    "...",
    "a/...",
    "..a/b",
    "é",
    "😀",
    "%2F",
    "\\",
    "\x80",
    "a\u2028",
]
ODD = [
    *("/", "/a", "a/", "a//b", "//", ".", "..", "./a", "../a", "a/.", "a/..", "a/./b", "a/../b"),
    *("a\nb", "\x00", "a\x1f", "a\x7f", "\t"),
]


@pytest.mark.parametrize("key", PLAIN)
def test_obstore_gets_every_key_that_it_leaves_as_it_is(key: str) -> None:
    assert is_plain(key)


@pytest.mark.parametrize("key", ODD)
def test_boto3_gets_every_key_that_obstore_refuses_or_changes(key: str) -> None:
    assert not is_plain(key)


@given(st.text(alphabet=st.sampled_from("a./\n é\x7f"), min_size=1, max_size=8))
def test_the_predicate_agrees_with_obstores_own_parser(key: str) -> None:
    import obstore
    from obstore.store import MemoryStore

    store = MemoryStore()
    try:
        obstore.put(store, key, b"")
    except ValueError:
        taken = False
    else:
        taken = [each["path"] for each in obstore.list(store).collect()] == [key]
    assert is_plain(key) == taken


@pytest.mark.parametrize("key", ["", "k" * 1025, "é" * 513, "\ud800"])
def test_what_is_no_key_is_refused_before_any_request(key: str) -> None:
    with pytest.raises(InvalidPath):
        check_key(key)


@pytest.mark.parametrize("key", ["k" * 1024, "é" * 512])
def test_the_longest_keys_are_taken(key: str) -> None:
    check_key(key)


@pytest.mark.parametrize("value", ["", "a", "a b", "~!", "1757000000000000000"])
def test_printable_ascii_is_metadata(value: str) -> None:
    check_metadata({"wherobots-mtime": value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a", " b"),
        ("a", "b "),
        ("a", "é"),
        ("a", "b\nc"),
        ("a", "\x7f"),
        ("A", "b"),
        ("a b", "c"),
        ("", "c"),
        ("content-type", "x"),
    ],
)
def test_metadata_that_headers_would_change_is_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidRequest):
        check_metadata({name: value})


def test_an_etag_is_kept_as_sent_and_in_quotes() -> None:
    assert strict_etag('"abc-2"') == '"abc-2"'
    assert strict_etag("abc-2") == '"abc-2"'
    assert strict_etag('W/"abc"') == 'W/"abc"'
    with pytest.raises(StorageFailed):
        strict_etag(None)


def test_if_match_takes_the_form_that_the_store_wants() -> None:
    quoted, unquoted = S3("b"), S3("b", etag_form=EtagForm.UNQUOTED)
    assert condition_params(quoted, matches('"x"')) == {"IfMatch": '"x"'}
    assert condition_params(unquoted, matches('"x"')) == {"IfMatch": "x"}
    assert condition_params(unquoted, absent()) == {"IfNoneMatch": "*"}
    assert condition_params(quoted, None) == {}
