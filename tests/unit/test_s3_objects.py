"""Putting, getting, looking, for every key and condition. Strict S3, moto, `rclone serve s3`, as
each test says.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_wherobots.errors import (
    AccessDenied,
    BucketNotFound,
    Conflicted,
    InvalidPath,
    InvalidRequest,
    NotFound,
    PreconditionFailed,
    RangeNotSatisfiable,
    StorageFailed,
    TooLarge,
    Unreachable,
)
from jupyter_wherobots.s3.client import S3, EtagForm, Timeouts
from jupyter_wherobots.s3.listing import walk
from jupyter_wherobots.s3.objects import absent, get, head, matches, put
from tests.canned import Canned
from tests.conftest import Endpoint, S3Environment, Server
from tests.strict_s3 import Access, Call, Fault, Quirk, StrictS3

BODY = bytes(range(256)) * 20

# Every row is a legal key; the second member says which stores (besides the strict S3) can hold it.
KEYS = [
    ("plain", "moto rclone"),
    ("a/b/c", "moto rclone"),
    ("space d/ x ", "moto rclone"),
    ("100%", "moto rclone"),
    ("%41%2F", "moto rclone"),
    ("+&=?#:;@,!$'()*~[]{}|^`<>\"\\", "moto rclone"),
    ("ünïcödé/名前/😀", "moto rclone"),
    ("u\u0308 decomposed", "moto rclone"),
    ("\x80\u0085\u00a0\u2028", "moto"),
    (".hidden/..two/...", "moto rclone"),
    ("folder/", "moto"),
    ("//", "moto"),
    ("a//b", "moto"),
    ("/leading", "moto"),
    (".", "moto"),
    ("..", "moto"),
    ("a/./b", "moto"),
    ("a/../b", "moto"),
    ("../../etc/passwd", "moto"),
    ("new\nline", ""),
    ("\x01\x02\x1f\x7f\t\r", ""),
    ("k" * 1024, "moto"),
    ("é" * 512, "moto"),
]


@pytest.fixture
def s3(strict_s3: StrictS3, s3_env: S3Environment) -> Iterator[S3]:
    s3_env(strict_s3)
    client = S3(strict_s3.bucket)
    yield client
    client.close()


@pytest.fixture
def lenient(request: pytest.FixtureRequest, s3_env: S3Environment, store: str) -> Iterator[S3]:
    server: Endpoint = request.getfixturevalue(f"{store}_server")
    s3_env(server)
    client = S3(server.bucket)
    yield client
    client.close()


def round_trip(s3: S3, key: str) -> None:
    etag = put(s3, key, BODY, metadata={"wherobots-x": "1 2"}, content_type="text/x")
    seen = head(s3, key)
    assert (seen.etag, seen.size, seen.content_type) == (etag, len(BODY), "text/x")
    assert seen.metadata == {"wherobots-x": "1 2"}
    with get(s3, key) as body:
        assert body.head == seen
        assert body.read() == BODY
    with get(s3, key, byte_range=(255, 300), condition=matches(etag)) as body:
        assert (body.start, body.end, body.size) == (255, 300, len(BODY))
        assert body.read() == BODY[255:300]
    assert [(each.key, each.etag, each.size) for each in walk(s3, "")] == [(key, etag, len(BODY))]


# -- every key


RAW = {"latin": "Jürgen", "utf8": "Jürgen".encode().decode("latin-1"), "control": "a\x80"}


@pytest.mark.parametrize("name", RAW)
def test_raw_bytes_in_the_metadata_hinder_no_reading(
    s3: S3, strict_s3: StrictS3, name: str
) -> None:
    """AWS encodes metadata that is not ASCII (RFC 2047); of stores that send it raw, it is read as Latin-1."""
    author = {"author": RAW[name]}
    etag = strict_s3.put("key", BODY, metadata=author)
    assert dict(head(s3, "key").metadata) == author
    with get(s3, "key", condition=matches(etag)) as body:
        assert body.read() == BODY
        assert dict(body.metadata) == author
    with get(s3, "key", byte_range=(10, 20)) as body:
        assert body.read() == BODY[10:20]
    assert not s3.ranges_through_boto3
    strict_s3.put("key", BODY, content_type="text/plain; name=Jürgen")
    with get(s3, "key") as body:
        assert body.read() == BODY


@pytest.mark.parametrize("key", [key for key, _ in KEYS])
def test_every_legal_key_makes_the_round_trip(s3: S3, key: str) -> None:
    """Strict S3."""
    round_trip(s3, key)
    etag = head(s3, key).etag
    with pytest.raises(PreconditionFailed):
        put(s3, key, b"", metadata={}, condition=absent())
    newer = put(s3, key, b"2", metadata={}, condition=matches(etag))
    with pytest.raises(PreconditionFailed):
        put(s3, key, b"3", metadata={}, condition=matches(etag))
    assert head(s3, key).etag == newer


@pytest.mark.parametrize(
    ("store", "key"), [(store, key) for key, stores in KEYS for store in stores.split()]
)
def test_keys_make_the_round_trip_where_the_store_can(lenient: S3, key: str) -> None:
    """moto and rclone."""
    round_trip(lenient, key)


@given(key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150
)
def test_any_text_makes_the_round_trip(s3: S3, strict_s3: StrictS3, key: str) -> None:
    """Strict S3."""
    strict_s3.reset()
    round_trip(s3, key)


@given(key=st.text(st.sampled_from("a./\r\x00%"), min_size=1, max_size=10))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150
)
def test_any_tangle_of_slashes_and_dots_makes_the_round_trip(
    s3: S3, strict_s3: StrictS3, key: str
) -> None:
    """Strict S3."""
    strict_s3.reset()
    round_trip(s3, key)


@pytest.mark.parametrize("key", ["", "k" * 1025, "\ud800"])
def test_what_is_no_key_reaches_no_store(s3: S3, strict_s3: StrictS3, key: str) -> None:
    for request in (
        lambda: put(s3, key, b"", metadata={}),
        lambda: get(s3, key),
        lambda: head(s3, key),
    ):
        with pytest.raises(InvalidPath):
            request()
    assert strict_s3.count() == 0


# -- conditions

PLAIN_AND_ODD = pytest.mark.parametrize("key", ["key", "odd//key"])


@PLAIN_AND_ODD
def test_if_match_on_a_missing_key_is_not_found(s3: S3, key: str) -> None:
    """Strict S3. obstore itself calls it a failed precondition."""
    with pytest.raises(NotFound):
        put(s3, key, b"", metadata={}, condition=matches('"x"'))


@PLAIN_AND_ODD
def test_two_writers_at_one_moment_are_a_conflict_and_no_precondition(
    s3: S3, strict_s3: StrictS3, key: str
) -> None:
    """Strict S3. obstore itself says that the object already exists."""
    strict_s3.fail("PutObject", code="ConditionalRequestConflict", times=None)
    with pytest.raises(Conflicted):
        put(s3, key, b"", metadata={}, condition=absent())


@PLAIN_AND_ODD
def test_a_changed_object_is_not_read(s3: S3, strict_s3: StrictS3, key: str) -> None:
    """Strict S3."""
    etag = put(s3, key, b"1", metadata={})
    strict_s3.put(key, b"2")
    with pytest.raises(PreconditionFailed):
        get(s3, key, condition=matches(etag))


def test_absence_is_no_condition_of_a_read(s3: S3) -> None:
    with pytest.raises(InvalidRequest):
        get(s3, "key", condition=absent())


@PLAIN_AND_ODD
def test_a_store_that_wants_unquoted_etags_gets_them(s3: S3, strict_s3: StrictS3, key: str) -> None:
    """Strict S3 with Ceph's quirk."""
    strict_s3.quirks.add(Quirk.WANTS_ETAG_UNQUOTED)
    etag = put(s3, key, b"1", metadata={})
    with pytest.raises(PreconditionFailed):
        put(s3, key, b"2", metadata={}, condition=matches(etag))
    put(s3.sibling(etag_form=EtagForm.UNQUOTED), key, b"2", metadata={}, condition=matches(etag))
    assert strict_s3.body(key) == b"2"


@PLAIN_AND_ODD
def test_a_lost_answer_is_not_hidden(s3: S3, strict_s3: StrictS3, key: str) -> None:
    """Strict S3. The PUT was done: a silent second try through obstore would call it another's."""
    strict_s3.fail("PutObject", Fault.RESET_AFTER, times=None)
    with pytest.raises(Unreachable):
        put(s3.sibling(attempts=1), key, b"1", metadata={}, condition=absent())
    assert strict_s3.body(key) == b"1"
    assert strict_s3.count("PutObject") == 1


def test_a_lost_answer_is_no_refusal(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3. botocore's second try finds the key taken: by its first."""
    strict_s3.fail("PutObject", Fault.RESET_AFTER)
    with pytest.raises(Unreachable, match="not known"):
        put(s3, "odd//key", b"1", metadata={}, condition=absent())
    assert strict_s3.body("odd//key") == b"1"


# -- bodies


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024, 1024 * 1024 + 1, 16 * 1024 * 1024])
@PLAIN_AND_ODD
def test_bodies_of_every_size_are_one_put(s3: S3, strict_s3: StrictS3, key: str, size: int) -> None:
    """Strict S3."""
    body = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    put(s3, key, body, metadata={})
    assert strict_s3.counts == {"PutObject": 1}
    with get(s3, key) as read:
        chunks = list(read.chunks)
    assert b"".join(chunks) == body
    assert len(chunks) <= size // (1024 * 1024) + 1


def test_views_of_buffers_can_be_put(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    for key in ("key", "odd//key"):
        put(s3, key, memoryview(bytearray(b"abcdef"))[1:3], metadata={})
        assert strict_s3.body(key) == b"bc"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ((0, 1), (0, 1)),
        ((5, None), (5, 10)),
        ((5, 100), (5, 10)),
        ((9, 10), (9, 10)),
        ((0, None), (0, 10)),
    ],
)
@PLAIN_AND_ODD
def test_ranges(s3: S3, key: str, asked: tuple[int, int | None], expected: tuple[int, int]) -> None:
    """Strict S3."""
    put(s3, key, b"0123456789", metadata={})
    with get(s3, key, byte_range=asked) as body:
        assert (body.start, body.end, body.size) == (*expected, 10)
        assert body.read() == b"0123456789"[slice(*expected)]


@PLAIN_AND_ODD
def test_a_range_beyond_the_end_is_named(s3: S3, key: str) -> None:
    """Strict S3."""
    put(s3, key, b"0123456789", metadata={})
    with pytest.raises(RangeNotSatisfiable):
        get(s3, key, byte_range=(10, 11))


@pytest.mark.parametrize("asked", [(-1, 5), (5, 5), (5, 4)])
def test_what_is_no_range_is_refused(s3: S3, asked: tuple[int, int]) -> None:
    with pytest.raises(InvalidRequest):
        get(s3, "key", byte_range=asked)


@PLAIN_AND_ODD
def test_a_short_body_never_looks_complete(s3: S3, strict_s3: StrictS3, key: str) -> None:
    """Strict S3, ending each answer half way."""
    put(s3, key, b"x" * 300_000, metadata={})
    strict_s3.fail("GetObject", Fault.SHORT_BODY, times=None)
    with get(s3.sibling(attempts=1), key, chunk=1000) as body:
        received = bytearray()
        with pytest.raises(Unreachable):
            received.extend(chunk[0] for chunk in body.chunks)


def test_a_broken_download_is_resumed(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3, ending the first answer half way."""
    content = bytes(range(256)) * 4000
    put(s3, "key", content, metadata={})
    strict_s3.fail("GetObject", Fault.SHORT_BODY, times=1)
    with get(s3, "key") as body:
        assert body.read() == content
    assert strict_s3.count("GetObject") == 2


def test_a_download_is_not_resumed_with_another_version(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3, ending the first answer half way."""
    put(s3, "key", b"1" * 1_000_000, metadata={})
    strict_s3.fail("GetObject", Fault.SHORT_BODY, times=1)
    with get(s3, "key") as body:
        strict_s3.put("key", b"2" * 1_000_000)
        with pytest.raises((PreconditionFailed, Unreachable)):
            body.read()


@PLAIN_AND_ODD
def test_an_unread_body_gives_its_connection_back(s3: S3, strict_s3: StrictS3, key: str) -> None:
    """Strict S3."""
    put(s3, key, b"x" * 8_000_000, metadata={})
    for _ in range(3):
        with get(s3, key, chunk=1000) as body:
            next(body.chunks)
    strict_s3.wait_until(lambda: strict_s3.journal.in_flight == 0)


# -- metadata and looking


def test_names_of_metadata_are_read_in_lower_case(strict_s3: StrictS3, s3: S3) -> None:
    """Strict S3, holding names as rclone sends them."""
    strict_s3.put("key", metadata={"Wherobots-Sha256": "ab"})
    assert head(s3, "key").metadata == {"wherobots-sha256": "ab"}
    strict_s3.put("odd//key", metadata={"Wherobots-Sha256": "ab"})
    assert head(s3, "odd//key").metadata == {"wherobots-sha256": "ab"}


@PLAIN_AND_ODD
def test_too_much_metadata_is_named(s3: S3, key: str) -> None:
    """Strict S3."""
    with pytest.raises(TooLarge):
        put(s3, key, b"", metadata={"a": "x" * 2100})


@PLAIN_AND_ODD
def test_what_is_missing_is_said_to_be_missing(s3: S3, key: str) -> None:
    """Strict S3."""
    for look in (head, get):
        with pytest.raises(NotFound):
            look(s3, key)


@PLAIN_AND_ODD
def test_a_missing_bucket_is_no_missing_key(s3: S3, key: str) -> None:
    """Strict S3. A HEAD alone cannot tell the two apart."""
    elsewhere = S3("no-such-bucket")
    for look in (head, get):
        with pytest.raises(BucketNotFound):
            look(elsewhere, key)


@PLAIN_AND_ODD
def test_expired_credentials_are_named_by_a_look_too(s3: S3, strict_s3: StrictS3, key: str) -> None:
    """Strict S3. A HEAD alone says 400 and nothing else."""
    strict_s3.signatures.expired = True
    with pytest.raises(Exception, match="expired") as caught:
        head(s3, key)
    assert caught.type.__name__ == "CredentialsExpired"


@PLAIN_AND_ODD
def test_a_denied_look_is_no_absence(s3: S3, strict_s3: StrictS3, key: str) -> None:
    """Strict S3."""
    strict_s3.put(key)
    strict_s3.deny(access=[Access.READ])
    with pytest.raises(AccessDenied):
        head(s3, key)


def test_an_object_that_appears_between_the_two_looks_is_seen(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3. The HEAD finds nothing, the GET that asks why finds the object."""

    def appear(_: Call) -> None:
        strict_s3.put("key", b"123")

    strict_s3.on("GetObject", appear, times=1)
    assert head(s3, "key").size == 3


@PLAIN_AND_ODD
def test_compressed_bodies_arrive_as_they_are_stored(s3_env: S3Environment, key: str) -> None:
    """A canned store. Unpacked on the way, a body would be longer than S3 announced."""
    packed = gzip.compress(BODY)
    headers = {
        "ETag": '"x"',
        "Last-Modified": "Fri, 20 Nov 2026 10:00:00 GMT",
        "Content-Encoding": "gzip",
    }
    with Canned(200, packed, headers) as store:
        s3_env(Server(store.url, "bucket"))
        with get(S3("bucket"), key) as body:
            assert body.read() == packed


def test_many_threads_share_one_client(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""

    def work(number: int) -> bytes:
        read = b""
        for key in (f"{number}", f"{number}//"):
            put(s3, key, b"%d" % number, metadata={}, condition=absent())
            with get(s3, key) as body:
                read += body.read()
        return read

    with ThreadPoolExecutor(40) as pool:
        assert list(pool.map(work, range(40))) == [
            b"%d%d" % (number, number) for number in range(40)
        ]
    assert len(strict_s3.keys()) == 80


# -- time


def test_a_small_put_that_nobody_answers_ends_in_time(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3, holding the answer."""
    hurried = s3.sibling(timeouts=Timeouts(connect=1, read=0.2, put=60))
    with strict_s3.gate("PutObject"), pytest.raises(Unreachable):
        put(hurried, "key", b"1", metadata={})


def test_a_download_that_moves_is_not_cut_off(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3, sending half of the body later than any read may take in all but one piece."""
    put(s3, "key", b"x" * 1_000_000, metadata={})
    patient = s3.sibling(timeouts=Timeouts(connect=1, read=0.5, put=0.1), attempts=1)
    strict_s3.fail("GetObject", Fault.SLOW_BODY, seconds=0.3)
    strict_s3.fail("GetObject", Fault.SLOW, seconds=0.3)
    with get(patient, "key") as body:
        assert len(body.read()) == 1_000_000


def test_a_download_that_stalls_ends_in_time(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3, sending half of the body and then nothing."""
    put(s3, "key", b"x" * 1_000_000, metadata={})
    hurried = s3.sibling(timeouts=Timeouts(connect=1, read=0.2, put=60), attempts=1)
    strict_s3.fail("GetObject", Fault.SLOW_BODY, seconds=30)
    with pytest.raises(Unreachable), get(hurried, "key") as body:
        body.read()


@PLAIN_AND_ODD
def test_an_answer_without_an_etag_is_not_that_of_a_store(s3_env: S3Environment, key: str) -> None:
    """A portal that answers everything with a page of its own."""
    with Canned() as portal:
        s3_env(Server(portal.url, "bucket"))
        fooled = S3("bucket", attempts=1)
        for request in (
            lambda: put(fooled, key, b"", metadata={}),
            lambda: get(fooled, key),
            lambda: head(fooled, key),
        ):
            with pytest.raises(StorageFailed):
                request()


@PLAIN_AND_ODD
def test_a_404_that_is_not_s3s_is_no_absence(s3_env: S3Environment, key: str) -> None:
    """A proxy whose store is not there."""
    with Canned(404, b"default backend") as proxy:
        s3_env(Server(proxy.url, "bucket"))
        fooled = S3("bucket", attempts=1)
        for look in (head, get):
            with pytest.raises(StorageFailed):
                look(fooled, key)
