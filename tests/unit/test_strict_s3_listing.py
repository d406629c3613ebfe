"""Pages of the strict server against the plain definition of what a listing is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.strict_s3.listing import beyond, page
from tests.strict_s3.store import Bucket, Generated, Version

texts = st.text(alphabet="/ab\U0010ffff", max_size=5)


def expected(keys: set[str], prefix: str, delimiter: str) -> list[str]:
    """Keys and groups under a prefix in order, by definition."""
    found = set()
    for key in keys:
        rest = key.removeprefix(prefix)
        if key.startswith(prefix):
            cut = rest.find(delimiter) if delimiter else -1
            found.add(key if cut < 0 else prefix + rest[: cut + len(delimiter)])
    return sorted(found)


@given(
    own=st.sets(texts.filter(bool)),
    made=st.sets(texts.filter(bool), min_size=1),
    prefix=texts,
    delimiter=st.sampled_from(["", "/", "ab"]),
    limit=st.integers(1, 5),
)
def test_pages_add_up_to_what_a_listing_is(
    own: set[str], made: set[str], prefix: str, delimiter: str, limit: int
) -> None:
    bucket = Bucket("bucket")
    bucket.generate(Generated(sorted(made).__getitem__, len(made), 1, 0))
    for key in own:
        bucket.add(Version(key, "etag", 0))
    found: list[str] = []
    after, more = "", True
    while more:
        one = page(bucket.from_key, lambda version: True, prefix, delimiter, after, limit)
        here = sorted([version.key for version in one.versions] + one.prefixes)
        assert len(here) == limit or not one.truncated
        found += here
        after, more = one.last, one.truncated
    assert found == expected(own | made, prefix, delimiter)


@given(
    keys=st.sets(texts.filter(bool)),
    delimiter=st.sampled_from(["", "/"]),
    start_after=texts.filter(bool),
)
def test_start_after_leaves_out_what_was_listed(
    keys: set[str], delimiter: str, start_after: str
) -> None:
    bucket = Bucket("bucket")
    for key in keys:
        bucket.add(Version(key, "etag", 0))
    one = page(bucket.from_key, lambda version: True, "", delimiter, start_after, 1000)
    here = sorted([version.key for version in one.versions] + one.prefixes)
    later = {key for key in keys if key > start_after}
    assert here == [each for each in expected(later, "", delimiter) if each != start_after]


def test_a_page_of_a_million_keys_asks_for_no_more_than_the_page() -> None:
    asked = []

    def name(index: int) -> str:
        asked.append(index)
        return f"{index:07d}"

    bucket = Bucket("bucket")
    bucket.generate(Generated(name, 1_000_000, 1, 0))
    asked.clear()
    one = page(bucket.from_key, lambda version: True, "", "", "0654320", 1000)
    assert [one.versions[0].key, one.versions[-1].key] == ["0654321", "0655320"]
    assert len(asked) < 1000 + 2 * 20


@given(prefix=texts.filter(lambda text: text.strip("\U0010ffff") != ""), key=texts)
def test_beyond_a_prefix_nothing_starts_with_it(prefix: str, key: str) -> None:
    assert (key < beyond(prefix)) == (key < prefix or key.startswith(prefix))
