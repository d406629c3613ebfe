"""What every S3 does: the strict server and moto must agree, or one of them is wrong.

Where moto is known to be lax (keys over 1,024 bytes, checksums, conditions of CopyObject and of
CompleteMultipartUpload, ETags in DeleteObjects, newlines in keys) only the strict server is asked:
test_strict_s3_rules.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import obstore
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from obstore.store import S3Store

from tests.conftest import Endpoint, S3Environment

MISSING = (404, "NoSuchKey")
STALE = (412, "PreconditionFailed")
PART = 5 * 1024**2


@dataclass
class Store:
    """A server and a client of it."""

    s3: Any
    url: str
    bucket: str

    def __call__(self, operation: str, **arguments: Any) -> Any:
        """One operation on the bucket."""
        return getattr(self.s3, operation)(Bucket=self.bucket, **arguments)

    def put(self, key: str, body: bytes = b"body", **options: Any) -> str:
        """Write an object; returns its ETag."""
        etag = self("put_object", Key=key, Body=body, **options)["ETag"]
        assert isinstance(etag, str)
        return etag

    def body(self, key: str, **options: Any) -> bytes:
        """Read an object."""
        body = self("get_object", Key=key, **options)["Body"].read()
        assert isinstance(body, bytes)
        return body

    def refusal(self, operation: str, **arguments: Any) -> tuple[int, str]:
        """The status and the code with which an operation is refused."""
        with pytest.raises(ClientError) as refused:
            self(operation, **arguments)
        response = refused.value.response
        return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]

    def keys(self, **arguments: Any) -> list[str]:
        """The keys and groups of one page, keys first."""
        page = self("list_objects_v2", **arguments)
        keys = [each["Key"] for each in page.get("Contents", [])]
        return keys + [each["Prefix"] for each in page.get("CommonPrefixes", [])]


@pytest.fixture(params=["strict_s3", "moto_server"])
def store(request: pytest.FixtureRequest, s3_env: S3Environment) -> Iterator[Store]:
    server: Endpoint = request.getfixturevalue(request.param)
    s3_env(server)
    client = boto3.client("s3", config=Config(retries={"max_attempts": 0}))
    yield Store(client, server.url, server.bucket)
    client.close()


def test_an_object_comes_back_as_it_was_put(store: Store) -> None:
    etag = store.put("a b", b"12345", Metadata={"mode": "644"}, ContentType="text/plain")
    for operation in ("get_object", "head_object"):
        found = store(operation, Key="a b")
        assert (found["ETag"], found["ContentLength"]) == (etag, 5)
        assert (found["Metadata"], found["ContentType"]) == ({"mode": "644"}, "text/plain")
    assert store.body("a b") == b"12345"


@pytest.mark.parametrize(
    "key",
    [
        "a//b",
        "/a",
        "a/",
        "//",
        "a/./b",
        "a/../b",
        "..",
        "a+b",
        "a%2Fb",
        "a?b#c&d=e",
        "ü/é",
        "€ 'x'",
    ],
)
def test_keys_are_taken_verbatim(store: Store, key: str) -> None:
    store.put(key, key.encode())
    assert store.body(key) == key.encode()
    assert store.keys() == [key]
    store("delete_object", Key=key)
    assert store.keys() == []


def test_put_refuses_an_existing_key_only_under_if_none_match(store: Store) -> None:
    store.put("a", b"1", IfNoneMatch="*")
    assert store.refusal("put_object", Key="a", Body=b"2", IfNoneMatch="*") == STALE
    assert store.body("a") == b"1"
    store.put("a", b"2")
    assert store.body("a") == b"2"


def test_put_under_if_match_takes_the_right_etag_alone(store: Store) -> None:
    first = store.put("a", b"1")
    second = store.put("a", b"2", IfMatch=first)
    assert store.refusal("put_object", Key="a", Body=b"3", IfMatch=first) == STALE
    assert store.refusal("put_object", Key="missing", Body=b"3", IfMatch=first) == MISSING
    assert store.body("a") == b"2"
    assert store.put("a", b"3", IfMatch=second.strip('"')) != second
    assert store.body("a") == b"3"


def test_delete_under_if_match_takes_the_right_etag_alone(store: Store) -> None:
    first = store.put("a", b"1")
    second = store.put("a", b"2")
    assert store.refusal("delete_object", Key="a", IfMatch=first) == STALE
    assert store.body("a") == b"2"
    store("delete_object", Key="a", IfMatch=second)
    assert store.refusal("get_object", Key="a") == MISSING


def test_delete_of_a_missing_key_succeeds(store: Store) -> None:
    assert store("delete_object", Key="a")["ResponseMetadata"]["HTTPStatusCode"] == 204


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("bytes=0-0", b"0"),
        ("bytes=2-4", b"234"),
        ("bytes=7-", b"789"),
        ("bytes=-2", b"89"),
        ("bytes=8-99", b"89"),
        ("bytes=-99", b"0123456789"),
    ],
)
def test_ranges(store: Store, wanted: str, found: bytes) -> None:
    store.put("a", b"0123456789")
    answer = store("get_object", Key="a", Range=wanted)
    assert answer["Body"].read() == found
    start = b"0123456789".index(found)
    assert answer["ContentRange"] == f"bytes {start}-{start + len(found) - 1}/10"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206


def test_a_range_behind_the_end_is_refused(store: Store) -> None:
    store.put("a", b"0123456789")
    assert store.refusal("get_object", Key="a", Range="bytes=10-") == (416, "InvalidRange")


def test_conditional_reads(store: Store) -> None:
    etag = store.put("a")
    assert store.body("a", IfMatch=etag) == b"body"
    assert store.refusal("get_object", Key="a", IfMatch='"other"') == STALE
    assert store.refusal("get_object", Key="a", IfNoneMatch=etag)[0] == 304
    assert store.body("a", IfNoneMatch='"other"') == b"body"


NAMES = ["a", "a/", "a/1", "a/2", "a/b/1", "a0", "b/1", "b/c/1", "b/c/2", "é", "z", "ﬀ", "😀"]


def test_listing_is_in_the_order_of_the_bytes(store: Store) -> None:
    for name in reversed(NAMES):
        store.put(name)
    assert store.keys() == sorted(NAMES, key=str.encode)
    assert store.keys(Prefix="a/") == ["a/", "a/1", "a/2", "a/b/1"]
    assert store.keys(Prefix="b/", Delimiter="/") == ["b/1", "b/c/"]
    assert store.keys(Prefix="a", Delimiter="/") == ["a", "a0", "a/"]
    assert store.keys(StartAfter="b/c/1") == ["b/c/2", "z", "é", "ﬀ", "😀"]
    assert store.keys(Prefix="c") == []


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize("delimiter", ["", "/"])
def test_pages_add_up_to_the_listing(store: Store, size: int, delimiter: str) -> None:
    for name in NAMES:
        store.put(name)
    pages = store.s3.get_paginator("list_objects_v2").paginate(
        Bucket=store.bucket, Delimiter=delimiter, PaginationConfig={"PageSize": size}
    )
    keys, groups = [], []
    for page in pages:
        here = [each["Key"] for each in page.get("Contents", [])]
        there = [each["Prefix"] for each in page.get("CommonPrefixes", [])]
        assert page["KeyCount"] == len(here + there) <= size
        keys += here
        groups += there
    whole = store("list_objects_v2", Delimiter=delimiter)
    assert not whole["IsTruncated"]
    assert keys == [each["Key"] for each in whole["Contents"]]
    assert groups == [each["Prefix"] for each in whole.get("CommonPrefixes", [])]
    assert groups == (["a/", "b/"] if delimiter else [])


def test_delete_objects(store: Store) -> None:
    for name in NAMES:
        store.put(name)
    objects = [{"Key": name} for name in ("a", "é", "missing")]
    deleted = store("delete_objects", Delete={"Objects": objects})
    assert sorted(each["Key"] for each in deleted["Deleted"]) == ["a", "missing", "é"]
    assert "Errors" not in deleted
    assert store.keys() == sorted(set(NAMES) - {"a", "é"})


def test_copy(store: Store) -> None:
    store.put("a b/ü", b"1", Metadata={"mode": "644"}, ContentType="text/plain")
    source = {"Bucket": store.bucket, "Key": "a b/ü"}
    store("copy_object", Key="kept", CopySource=source)
    kept = store("head_object", Key="kept")
    assert (kept["Metadata"], kept["ContentType"]) == ({"mode": "644"}, "text/plain")
    assert store.body("kept") == b"1"
    store(
        "copy_object",
        Key="new",
        CopySource=source,
        MetadataDirective="REPLACE",
        Metadata={"mode": "600"},
        ContentType="text/csv",
    )
    replaced = store("head_object", Key="new")
    assert (replaced["Metadata"], replaced["ContentType"]) == ({"mode": "600"}, "text/csv")
    missing = {"Bucket": store.bucket, "Key": "missing"}
    assert store.refusal("copy_object", Key="b", CopySource=missing) == MISSING
    assert store.refusal("copy_object", Key="a b/ü", CopySource=source) == (400, "InvalidRequest")


def test_multipart(store: Store) -> None:
    upload_id = store("create_multipart_upload", Key="a", Metadata={"mode": "644"})["UploadId"]
    on_upload: dict[str, Any] = {"Key": "a", "UploadId": upload_id}
    parts = [
        {
            "PartNumber": number,
            "ETag": store("upload_part", PartNumber=number, Body=body, **on_upload)["ETag"],
        }
        for number, body in ((3, b"end"), (1, b"x" * PART))
    ][::-1]
    listed = store("list_parts", **on_upload)["Parts"]
    assert [(each["PartNumber"], each["Size"]) for each in listed] == [(1, PART), (3, 3)]
    uploads = store("list_multipart_uploads")["Uploads"]
    assert [(each["Key"], each["UploadId"]) for each in uploads] == [("a", upload_id)]
    assert store.refusal("get_object", Key="a") == MISSING

    done = store("complete_multipart_upload", MultipartUpload={"Parts": parts}, **on_upload)
    assert done["ETag"].endswith('-2"')
    assert store("head_object", Key="a")["Metadata"] == {"mode": "644"}
    assert store.body("a") == b"x" * PART + b"end"
    assert "Uploads" not in store("list_multipart_uploads")


def test_multipart_refusals(store: Store) -> None:
    upload_id = store("create_multipart_upload", Key="a")["UploadId"]
    on_upload: dict[str, Any] = {"Key": "a", "UploadId": upload_id}
    parts = [
        {
            "PartNumber": n,
            "ETag": store("upload_part", PartNumber=n, Body=b"x", **on_upload)["ETag"],
        }
        for n in (1, 2)
    ]

    def refusal(*listed: dict[str, Any]) -> tuple[int, str]:
        complete = {"Parts": list(listed)}
        return store.refusal("complete_multipart_upload", MultipartUpload=complete, **on_upload)

    assert refusal(parts[0], {"PartNumber": 3, "ETag": parts[0]["ETag"]}) == (400, "InvalidPart")
    assert refusal(*parts) == (400, "EntityTooSmall")
    store("abort_multipart_upload", **on_upload)
    assert "Uploads" not in store("list_multipart_uploads")


def test_complete_refuses_an_existing_key_under_if_none_match(store: Store) -> None:
    upload_id = store("create_multipart_upload", Key="a")["UploadId"]
    on_upload: dict[str, Any] = {"Key": "a", "UploadId": upload_id}
    etag = store("upload_part", PartNumber=1, Body=b"mine", **on_upload)["ETag"]
    on_upload["MultipartUpload"] = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    store.put("a", b"theirs")
    assert store.refusal("complete_multipart_upload", IfNoneMatch="*", **on_upload) == STALE
    assert store.body("a") == b"theirs"


def test_upload_part_copy(store: Store) -> None:
    store.put("a", b"0123456789")
    upload_id = store("create_multipart_upload", Key="b")["UploadId"]
    on_upload: dict[str, Any] = {"Key": "b", "UploadId": upload_id}
    copied = store(
        "upload_part_copy",
        PartNumber=1,
        CopySource={"Bucket": store.bucket, "Key": "a"},
        CopySourceRange="bytes=2-5",
        **on_upload,
    )
    parts = [{"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]}]
    store("complete_multipart_upload", MultipartUpload={"Parts": parts}, **on_upload)
    assert store.body("b") == b"2345"


def test_versions(store: Store) -> None:
    store.put("a", b"before")
    store("put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"})
    assert store("get_bucket_versioning")["Status"] == "Enabled"
    first = store("put_object", Key="a", Body=b"1")["VersionId"]
    second = store("put_object", Key="a", Body=b"2")["VersionId"]
    marker = store("delete_object", Key="a")
    assert marker["DeleteMarker"]
    assert store.refusal("get_object", Key="a") == MISSING
    assert store.keys() == []
    listed = store("list_object_versions")
    assert [each["VersionId"] for each in listed["Versions"]] == [second, first, "null"]
    assert [each["VersionId"] for each in listed["DeleteMarkers"]] == [marker["VersionId"]]
    assert store.body("a", VersionId=first) == b"1"
    assert store.body("a", VersionId="null") == b"before"

    store("delete_object", Key="a", VersionId=marker["VersionId"])
    assert store.body("a") == b"2"
    store("delete_object", Key="a", VersionId=second)
    assert store.body("a") == b"1"


def test_what_is_not_there(store: Store) -> None:
    assert store.refusal("get_object", Key="a") == MISSING
    assert store.refusal("head_object", Key="a") == (404, "404")
    assert store.refusal("list_parts", Key="a", UploadId="none") == (404, "NoSuchUpload")
    missing = Store(store.s3, store.url, "no-such-bucket")
    assert missing.refusal("list_objects_v2") == (404, "NoSuchBucket")
    assert missing.refusal("get_object", Key="a") == (404, "NoSuchBucket")
    assert missing.refusal("put_object", Key="a") == (404, "NoSuchBucket")
    assert missing.refusal("head_bucket") == (404, "404")


def test_buckets(store: Store) -> None:
    store("head_bucket")
    assert store("get_bucket_location")["LocationConstraint"] is None
    other = Store(store.s3, store.url, "another-bucket")
    other("create_bucket")
    other.put("a")
    assert other.refusal("delete_bucket") == (409, "BucketNotEmpty")
    names = [each["Name"] for each in store.s3.list_buckets()["Buckets"]]
    assert sorted(names) == sorted([store.bucket, other.bucket])
    other("delete_object", Key="a")
    other("delete_bucket")
    assert other.refusal("head_bucket") == (404, "404")


def test_obstore_speaks_to_it(store: Store) -> None:
    bucket = S3Store(store.bucket, endpoint=store.url, client_options={"allow_http": True})
    put = obstore.put(bucket, "a/b", b"1", mode="create", attributes={"mode": "644"})
    with pytest.raises(obstore.exceptions.AlreadyExistsError):
        obstore.put(bucket, "a/b", b"2", mode="create")
    obstore.put(bucket, "a/b", b"2", mode={"e_tag": put["e_tag"]})
    with pytest.raises(obstore.exceptions.PreconditionError):
        obstore.put(bucket, "a/b", b"3", mode={"e_tag": put["e_tag"]})
    got = obstore.get(bucket, "a/b")
    assert got.attributes == {"mode": "644"} or "mode" not in got.attributes
    assert bytes(got.bytes()) == b"2"
    assert [each["path"] for each in obstore.list(bucket).collect()] == ["a/b"]
    obstore.delete(bucket, "a/b")
    with pytest.raises(FileNotFoundError):
        obstore.get(bucket, "a/b")
