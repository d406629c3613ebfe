"""The rules of S3 on which moto is lax: asked of the strict server alone."""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
import zlib
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

import boto3
import obstore
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from obstore.store import S3Store

from tests.conftest import ACCESS_KEY, SECRET_KEY, S3Environment
from tests.strict_s3 import CEPH_RGW, RCLONE, Access, Quirk, StrictS3
from tests.strict_s3.checksums import ALGORITHMS

MISSING = (404, "NoSuchKey")
STALE = (412, "PreconditionFailed")
DENIED = (403, "AccessDenied")


class Client:
    """boto3 on the server's bucket, without retries."""

    def __init__(self, server: StrictS3, token: str | None = None) -> None:
        self.s3: Any = boto3.client(
            "s3",
            config=Config(retries={"max_attempts": 0}, signature_version="s3v4"),
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            aws_session_token=token,
        )
        self.bucket = server.bucket

    def __call__(self, operation: str, **arguments: Any) -> Any:
        return getattr(self.s3, operation)(Bucket=self.bucket, **arguments)

    def refusal(self, operation: str, **arguments: Any) -> tuple[int, str]:
        with pytest.raises(ClientError) as refused:
            self(operation, **arguments)
        response = refused.value.response
        return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]

    def source(self, key: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": key}

    def upload(self, key: str, *bodies: bytes) -> dict[str, Any]:
        """Upload parts; returns what CompleteMultipartUpload needs."""
        on_upload = {"Key": key, "UploadId": self("create_multipart_upload", Key=key)["UploadId"]}
        parts = [
            {
                "PartNumber": number,
                "ETag": self("upload_part", PartNumber=number, Body=body, **on_upload)["ETag"],
            }
            for number, body in enumerate(bodies, 1)
        ]
        return {**on_upload, "MultipartUpload": {"Parts": parts}}


@pytest.fixture
def client(strict_s3: StrictS3, s3_env: S3Environment) -> Iterator[Client]:
    s3_env(strict_s3)
    client = Client(strict_s3)
    yield client
    client.s3.close()


def raw(
    server: StrictS3, method: str, key: str, body: bytes = b"", **headers: str
) -> tuple[int, str]:
    """A request of our own making; the status and the body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=a/b", **headers}
    named = {name.replace("_", "-"): value for name, value in signed.items()}
    connection.request(method, f"/{server.bucket}{key}", body, named)
    response = connection.getresponse()
    answer = response.status, response.read().decode()
    connection.close()
    return answer


def code(answer: tuple[int, str]) -> tuple[int, str]:
    found = re.search("<Code>(.*)</Code>", answer[1])
    return answer[0], found[1] if found else ""


# Names and metadata


@pytest.mark.parametrize("key", ["a\nb", "a\rb", "a\x01b", "a\x7fb", "\t", "a\\b"])
def test_control_characters_are_part_of_a_key(client: Client, key: str) -> None:
    client("put_object", Key=key, Body=b"1")
    assert client("get_object", Key=key)["Body"].read() == b"1"
    assert [each["Key"] for each in client("list_objects_v2")["Contents"]] == [key]


def test_a_key_xml_cannot_hold_breaks_a_listing_that_is_not_url_encoded(
    client: Client, strict_s3: StrictS3
) -> None:
    strict_s3.put("a\x01b")
    assert "&#x1;" in raw(strict_s3, "GET", "?list-type=2")[1]
    bucket = S3Store(strict_s3.bucket, endpoint=strict_s3.url, client_options={"allow_http": True})
    with pytest.raises(obstore.exceptions.BaseError):
        obstore.list(bucket).collect()


def test_the_key_limit_is_of_utf8_bytes(client: Client) -> None:
    for operation in ("put_object", "create_multipart_upload"):
        client(operation, Key="a" * 1024)
        client(operation, Key="é" * 512)
        assert client.refusal(operation, Key="a" * 1025) == (400, "KeyTooLongError")
        assert client.refusal(operation, Key="é" * 512 + "a") == (400, "KeyTooLongError")


def test_a_key_that_is_not_utf8_is_refused(strict_s3: StrictS3) -> None:
    assert code(raw(strict_s3, "GET", "/a%ff")) == (400, "InvalidURI")


def test_the_metadata_limit_counts_names_and_values(client: Client) -> None:
    client("put_object", Key="a", Metadata={"n" * 48: "v" * 2000})
    refused = (400, "MetadataTooLarge")
    assert client.refusal("put_object", Key="a", Metadata={"n" * 48: "v" * 2001}) == refused
    assert client.refusal("create_multipart_upload", Key="a", Metadata={"n": "v" * 2048}) == refused


# ETags, dates, digests


def test_etags_are_opaque_and_new_for_every_write(client: Client) -> None:
    etags = [client("put_object", Key="a", Body=b"same")["ETag"] for _ in range(2)]
    copied = client("copy_object", Key="b", CopySource=client.source("a"))["CopyObjectResult"]
    etags.append(copied["ETag"])
    assert len(set(etags)) == 3
    assert f'"{hashlib.md5(b"same").hexdigest()}"' not in etags
    assert all(re.fullmatch('"[0-9a-f]{32}"', each) for each in etags)


def test_last_modified_has_whole_seconds_of_the_servers_clock(
    client: Client, strict_s3: StrictS3
) -> None:
    strict_s3.clock.freeze(1_000_000.9)
    client("put_object", Key="a")
    moment = datetime.fromtimestamp(1_000_000, timezone.utc)
    head = client("head_object", Key="a")
    assert head["LastModified"] == moment
    assert head["ResponseMetadata"]["HTTPHeaders"]["date"] == "Mon, 12 Jan 1970 13:46:40 GMT"
    strict_s3.clock.advance(3600)
    assert client("head_object", Key="a")["LastModified"] == moment
    client("put_object", Key="a")
    assert client("list_objects_v2")["Contents"][0]["LastModified"].timestamp() == 1_003_600


def test_a_multipart_object_is_dated_by_the_beginning_of_its_upload(
    client: Client, strict_s3: StrictS3
) -> None:
    strict_s3.clock.freeze(1_000_000)
    complete = client.upload("a", b"1")
    strict_s3.clock.advance(60)
    client("complete_multipart_upload", **complete)
    assert client("head_object", Key="a")["LastModified"].timestamp() == 1_000_000


@pytest.mark.parametrize(
    ("algorithm", "of_check_input"),
    # The check values of the CRC catalogue for "123456789".
    [
        ("crc32", 0xCBF43926),
        ("crc32c", 0xE3069283),
        ("crc64nvme", 0xAE8B14860A799888),
    ],
)
def test_checksums_are_those_of_the_catalogue(algorithm: str, of_check_input: int) -> None:
    assert int.from_bytes(ALGORITHMS[algorithm](b"123456789"), "big") == of_check_input


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_a_wrong_checksum_is_refused(strict_s3: StrictS3, algorithm: str) -> None:
    def put(digest: bytes) -> tuple[int, str]:
        header = {f"x_amz_checksum_{algorithm}": base64.b64encode(digest).decode()}
        return code(raw(strict_s3, "PUT", "/a", b"body", **header))

    digest = ALGORITHMS[algorithm]
    assert put(digest(b"other")) == (400, "BadDigest")
    assert put(digest(b"body")[1:]) == (400, "InvalidRequest")
    assert strict_s3.keys() == []
    assert put(digest(b"body")) == (200, "")


def test_a_wrong_md5_or_payload_hash_is_refused(strict_s3: StrictS3) -> None:
    md5 = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    assert code(raw(strict_s3, "PUT", "/a", b"body", content_md5=md5)) == (400, "BadDigest")
    sha256 = hashlib.sha256(b"other").hexdigest()
    refused = code(raw(strict_s3, "PUT", "/a", b"body", x_amz_content_sha256=sha256))
    assert refused == (400, "XAmzContentSHA256Mismatch")
    assert strict_s3.keys() == []


def test_a_stored_checksum_is_given_back_on_demand(client: Client) -> None:
    put = client("put_object", Key="a", Body=b"1", ChecksumAlgorithm="SHA256")
    head = client("head_object", Key="a", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == put["ChecksumSHA256"]
    assert "ChecksumSHA256" not in client("head_object", Key="a")


def aws_chunked(body: bytes, crc32: int) -> tuple[bytes, dict[str, str]]:
    trailer = base64.b64encode(crc32.to_bytes(4, "big")).decode()
    half = len(body) // 2
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:]))
    return chunks + f"0\r\nx-amz-checksum-crc32:{trailer}\r\n\r\n".encode(), {
        "x_amz_content_sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x_amz_decoded_content_length": str(len(body)),
        "x_amz_trailer": "x-amz-checksum-crc32",
        "content_encoding": "aws-chunked",
    }


def test_trailing_checksums(client: Client, strict_s3: StrictS3) -> None:
    body, headers = aws_chunked(b"hello", zlib.crc32(b"hello"))
    assert code(raw(strict_s3, "PUT", "/a", body, **headers)) == (200, "")
    assert strict_s3.body("a") == b"hello"
    assert "ContentEncoding" not in client("head_object", Key="a")
    body, headers = aws_chunked(b"world", zlib.crc32(b"hello"))
    assert code(raw(strict_s3, "PUT", "/a", body, **headers)) == (400, "BadDigest")
    body, headers = aws_chunked(b"", 0)
    headers["x_amz_decoded_content_length"] = "1"
    assert code(raw(strict_s3, "PUT", "/a", body, **headers)) == (400, "InvalidRequest")
    assert strict_s3.body("a") == b"hello"


def test_a_body_may_come_in_http_chunks(strict_s3: StrictS3) -> None:
    body, headers = aws_chunked(b"hello" * 1000, zlib.crc32(b"hello" * 1000))
    connection = http.client.HTTPConnection("127.0.0.1", strict_s3.port, timeout=10)
    signed = {name.replace("_", "-"): value for name, value in headers.items()}
    signed["Authorization"] = "AWS4-HMAC-SHA256 Credential=a/b"
    pieces = (body[at : at + 7] for at in range(0, len(body), 7))
    connection.request("PUT", f"/{strict_s3.bucket}/a", pieces, signed, encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()
    assert strict_s3.body("a") == b"hello" * 1000


def test_a_body_whose_length_nobody_told_is_refused(strict_s3: StrictS3) -> None:
    plain = raw(strict_s3, "PUT", "/a", b"1\r\nx\r\n0\r\n\r\n", transfer_encoding="chunked")
    assert code(plain) == (501, "NotImplemented")


def test_delete_objects_needs_a_digest(strict_s3: StrictS3) -> None:
    body = b"<Delete><Object><Key>a</Key></Object></Delete>"
    assert code(raw(strict_s3, "POST", "?delete", body)) == (400, "InvalidRequest")


# Conditions


def test_what_s3_does_not_implement_is_refused(client: Client) -> None:
    client("put_object", Key="a")
    assert client.refusal("put_object", Key="a", IfNoneMatch='"etag"') == (501, "NotImplemented")
    assert client.refusal("put_object", Key="a", IfMatch="*") == (501, "NotImplemented")


def test_a_delete_marker_is_no_object(client: Client, strict_s3: StrictS3) -> None:
    strict_s3.set_versioning()
    etag = client("put_object", Key="a", Body=b"1")["ETag"]
    client("delete_object", Key="a")
    assert client.refusal("put_object", Key="a", IfMatch=etag) == MISSING
    assert client.refusal("delete_object", Key="a", IfMatch=etag) == MISSING
    assert client.refusal("delete_object", Key="a", IfMatch="*") == MISSING
    client("put_object", Key="a", Body=b"2", IfNoneMatch="*")
    assert strict_s3.body("a") == b"2"


def test_delete_with_a_condition_on_a_missing_key_is_a_404(client: Client) -> None:
    assert client.refusal("delete_object", Key="a", IfMatch='"etag"') == MISSING
    assert client.refusal("delete_object", Key="a", IfMatch="*") == MISSING
    client("put_object", Key="a")
    client("delete_object", Key="a", IfMatch="*")
    assert client.refusal("get_object", Key="a") == MISSING


def test_delete_of_a_version_takes_no_condition(client: Client, strict_s3: StrictS3) -> None:
    strict_s3.set_versioning()
    put = client("put_object", Key="a")
    version = {"Key": "a", "VersionId": put["VersionId"]}
    refused = client.refusal("delete_object", IfMatch=put["ETag"], **version)
    assert refused == (501, "NotImplemented")
    assert client.refusal("delete_object", Key="a", IfMatchSize=0) == (501, "NotImplemented")
    client("delete_object", **version)


def test_complete_keeps_its_conditions(client: Client, strict_s3: StrictS3) -> None:
    complete = client.upload("a", b"mine")
    assert client.refusal("complete_multipart_upload", IfMatch='"x"', **complete) == MISSING
    stale = strict_s3.put("a", b"1")
    right = strict_s3.put("a", b"2")
    assert client.refusal("complete_multipart_upload", IfMatch=stale, **complete) == STALE
    assert client.refusal("complete_multipart_upload", IfNoneMatch="*", **complete) == STALE
    assert strict_s3.body("a") == b"2"
    client("complete_multipart_upload", IfMatch=right, **complete)
    assert strict_s3.body("a") == b"mine"


def test_copy_keeps_the_conditions_of_its_source(client: Client, strict_s3: StrictS3) -> None:
    stale, right = strict_s3.put("a", b"1"), strict_s3.put("a", b"2")
    source = client.source("a")
    for condition in (
        {"CopySourceIfMatch": stale},
        {"CopySourceIfNoneMatch": right},
        {"CopySourceIfModifiedSince": datetime.now(timezone.utc)},
        {"CopySourceIfUnmodifiedSince": datetime(2000, 1, 1, tzinfo=timezone.utc)},
    ):
        assert client.refusal("copy_object", Key="b", CopySource=source, **condition) == STALE
    assert strict_s3.keys() == ["a"]
    client("copy_object", Key="b", CopySource=source, CopySourceIfMatch=right)
    assert strict_s3.body("b") == b"2"


def test_copy_keeps_the_conditions_of_its_destination(client: Client, strict_s3: StrictS3) -> None:
    strict_s3.put("a", b"1")
    stale, right = strict_s3.put("b", b"2"), strict_s3.put("b", b"3")
    source = client.source("a")
    assert client.refusal("copy_object", Key="b", CopySource=source, IfNoneMatch="*") == STALE
    assert client.refusal("copy_object", Key="b", CopySource=source, IfMatch=stale) == STALE
    assert client.refusal("copy_object", Key="c", CopySource=source, IfMatch=right) == MISSING
    assert strict_s3.contents() == {"a": b"1", "b": b"3"}
    client("copy_object", Key="b", CopySource=source, IfMatch=right)
    client("copy_object", Key="c", CopySource=source, IfNoneMatch="*")
    assert strict_s3.contents() == {"a": b"1", "b": b"1", "c": b"1"}


def test_upload_part_copy_keeps_its_conditions(client: Client, strict_s3: StrictS3) -> None:
    stale, _ = strict_s3.put("a", b"1"), strict_s3.put("a", b"2")
    upload_id = client("create_multipart_upload", Key="b")["UploadId"]
    part: dict[str, Any] = {
        "Key": "b",
        "UploadId": upload_id,
        "PartNumber": 1,
        "CopySource": client.source("a"),
    }
    assert client.refusal("upload_part_copy", CopySourceIfMatch=stale, **part) == STALE
    beyond = (416, "InvalidRange")
    assert client.refusal("upload_part_copy", CopySourceRange="bytes=0-1", **part) == beyond


def test_delete_objects_judges_each_key(client: Client, strict_s3: StrictS3) -> None:
    right = {key: strict_s3.put(key) for key in ("a", "b", "c")}
    strict_s3.deny("c", [Access.DELETE])
    answer = client(
        "delete_objects",
        Delete={
            "Quiet": True,
            "Objects": [
                {"Key": "a", "ETag": right["a"]},
                {"Key": "b", "ETag": right["a"]},
                {"Key": "c"},
                {"Key": "missing", "ETag": right["a"]},
                {"Key": "d" * 1025},
            ],
        },
    )
    assert [(each["Key"], each["Code"]) for each in answer["Errors"]] == [
        ("b", "PreconditionFailed"),
        ("c", "AccessDenied"),
        ("missing", "NoSuchKey"),
        ("d" * 1025, "KeyTooLongError"),
    ]
    assert "Deleted" not in answer
    assert strict_s3.keys() == ["b", "c"]


def test_delete_objects_takes_a_thousand(client: Client) -> None:
    objects = [{"Key": f"{number}"} for number in range(1001)]
    assert client.refusal("delete_objects", Delete={"Objects": objects}) == (400, "MalformedXML")
    deleted = client("delete_objects", Delete={"Objects": objects[:1000]})["Deleted"]
    assert len(deleted) == 1000


# Multipart and sizes


def test_parts_are_judged_in_order(client: Client, strict_s3: StrictS3) -> None:
    complete = client.upload("a", b"1", b"2")
    first, second = complete["MultipartUpload"]["Parts"]

    def refusal(*parts: dict[str, Any]) -> tuple[int, str]:
        listed = {**complete, "MultipartUpload": {"Parts": list(parts)}}
        return client.refusal("complete_multipart_upload", **listed)

    assert refusal(second, first) == (400, "InvalidPartOrder")
    assert refusal(first, first) == (400, "InvalidPartOrder")
    assert refusal({**first, "ETag": second["ETag"]}) == (400, "InvalidPart")
    assert refusal(first, second) == (400, "EntityTooSmall")
    strict_s3.limits.smallest_part_bytes = 1
    client("complete_multipart_upload", **complete)
    assert strict_s3.body("a") == b"12"


def test_a_complete_repeated_is_answered_as_the_first(client: Client, strict_s3: StrictS3) -> None:
    complete = client.upload("a", b"1")
    first = client("complete_multipart_upload", IfNoneMatch="*", **complete)
    again = client("complete_multipart_upload", IfNoneMatch="*", **complete)
    assert again["ETag"] == first["ETag"]
    strict_s3.quirks.add(Quirk.FORGETS_COMPLETED_UPLOADS)
    assert client.refusal("complete_multipart_upload", **complete) == (404, "NoSuchUpload")


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA256"])
def test_a_checksum_made_of_those_of_the_parts(
    client: Client, strict_s3: StrictS3, algorithm: str
) -> None:
    strict_s3.limits.smallest_part_bytes = 1
    name = f"Checksum{algorithm}"
    digest = ALGORITHMS[algorithm.lower()]
    created = client("create_multipart_upload", Key="a", ChecksumAlgorithm=algorithm)
    assert (created["ChecksumAlgorithm"], created["ChecksumType"]) == (algorithm, "COMPOSITE")
    on_upload = {"Key": "a", "UploadId": created["UploadId"]}
    other = "SHA1"
    refused = client.refusal(
        "upload_part", PartNumber=1, Body=b"1", ChecksumAlgorithm=other, **on_upload
    )
    assert refused == (400, "InvalidRequest")
    parts = []
    for number, body in ((1, b"1"), (2, b"2")):
        part = client(
            "upload_part", PartNumber=number, Body=body, ChecksumAlgorithm=algorithm, **on_upload
        )
        parts.append({"PartNumber": number, "ETag": part["ETag"], name: part[name]})
    listed = client("list_parts", **on_upload)["Parts"]
    assert [each[name] for each in listed] == [each[name] for each in parts]

    def refusal(*listed: dict[str, Any], **options: Any) -> tuple[int, str]:
        return client.refusal(
            "complete_multipart_upload",
            MultipartUpload={"Parts": list(listed)},
            **on_upload,
            **options,
        )

    without = {"PartNumber": 1, "ETag": parts[0]["ETag"]}
    assert refusal(without, parts[1]) == (400, "InvalidRequest")
    assert refusal({**without, name: parts[1][name]}, parts[1]) == (400, "InvalidPart")
    whole = base64.b64encode(digest(digest(b"1") + digest(b"2"))).decode() + "-2"
    assert refusal(*parts, **{name: whole.replace("-2", "-3")}) == (400, "BadDigest")
    done = client("complete_multipart_upload", MultipartUpload={"Parts": parts}, **on_upload)
    assert (done[name], done["ChecksumType"]) == (whole, "COMPOSITE")
    head = client("head_object", Key="a", ChecksumMode="ENABLED")
    assert (head[name], head["ChecksumType"]) == (whole, "COMPOSITE")
    assert client("get_object", Key="a", ChecksumMode="ENABLED")["Body"].read() == b"12"


def test_a_checksum_of_the_whole_object(client: Client) -> None:
    created = client(
        "create_multipart_upload", Key="a", ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT"
    )
    on_upload = {"Key": "a", "UploadId": created["UploadId"]}
    etag = client("upload_part", PartNumber=1, Body=b"1", **on_upload)["ETag"]
    complete = {**on_upload, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": etag}]}}
    right, wrong = (base64.b64encode(ALGORITHMS["crc32"](body)).decode() for body in (b"1", b"2"))
    refused = client.refusal("complete_multipart_upload", ChecksumCRC32=wrong, **complete)
    assert refused == (400, "BadDigest")
    assert client("complete_multipart_upload", ChecksumCRC32=right, **complete)
    assert client("head_object", Key="a", ChecksumMode="ENABLED")["ChecksumCRC32"] == right


def test_a_checksum_that_s3_does_not_have_is_refused(client: Client) -> None:
    unknown = client.refusal("create_multipart_upload", Key="a", ChecksumAlgorithm="NONE")
    assert unknown == (400, "InvalidRequest")
    whole = client.refusal(
        "create_multipart_upload", Key="a", ChecksumAlgorithm="SHA256", ChecksumType="FULL_OBJECT"
    )
    assert whole == (400, "InvalidRequest")


def test_complete_checks_the_size_of_the_object(client: Client, strict_s3: StrictS3) -> None:
    complete = client.upload("a", b"123")
    wrong = client.refusal("complete_multipart_upload", MpuObjectSize=4, **complete)
    assert wrong == (400, "InvalidRequest")
    assert strict_s3.keys() == []
    client("complete_multipart_upload", MpuObjectSize=3, **complete)


def test_a_part_uploaded_again_replaces_the_first(client: Client, strict_s3: StrictS3) -> None:
    complete = client.upload("a", b"1")
    on_upload = {"Key": "a", "UploadId": complete["UploadId"]}
    again = client("upload_part", PartNumber=1, Body=b"2", **on_upload)["ETag"]
    assert client.refusal("complete_multipart_upload", **complete) == (400, "InvalidPart")
    complete["MultipartUpload"]["Parts"][0]["ETag"] = again
    client("complete_multipart_upload", **complete)
    assert strict_s3.body("a") == b"2"


def test_an_aborted_upload_is_gone(client: Client, strict_s3: StrictS3) -> None:
    complete = client.upload("a", b"1")
    on_upload = {"Key": "a", "UploadId": complete["UploadId"]}
    client("abort_multipart_upload", **on_upload)
    gone = (404, "NoSuchUpload")
    assert client.refusal("upload_part", PartNumber=1, Body=b"1", **on_upload) == gone
    assert client.refusal("complete_multipart_upload", **complete) == gone
    assert client.refusal("abort_multipart_upload", **on_upload) == gone
    assert strict_s3.uploads() == []


def test_uploads_are_listed_in_pages(client: Client) -> None:
    made = sorted(
        (key, client("create_multipart_upload", Key=key)["UploadId"])
        for key in ("a", "b/1", "b/1", "b/2", "c")
    )
    pages = client.s3.get_paginator("list_multipart_uploads").paginate(
        Bucket=client.bucket, PaginationConfig={"PageSize": 2}
    )
    found = [(each["Key"], each["UploadId"]) for page in pages for each in page["Uploads"]]
    assert sorted(found) == made
    assert [key for key, _ in found] == ["a", "b/1", "b/1", "b/2", "c"]
    grouped = client("list_multipart_uploads", Delimiter="/")
    assert [each["Key"] for each in grouped["Uploads"]] == ["a", "c"]
    assert grouped["CommonPrefixes"] == [{"Prefix": "b/"}]
    below = client("list_multipart_uploads", Prefix="b/")["Uploads"]
    assert [each["Key"] for each in below] == ["b/1", "b/1", "b/2"]


def test_lowered_limits(client: Client, strict_s3: StrictS3) -> None:
    strict_s3.limits.put_bytes = strict_s3.limits.part_bytes = strict_s3.limits.copy_bytes = 3
    assert client.refusal("put_object", Key="a", Body=b"1234") == (400, "EntityTooLarge")
    on_upload = {"Key": "a", "UploadId": client("create_multipart_upload", Key="a")["UploadId"]}
    too_large = client.refusal("upload_part", PartNumber=1, Body=b"1234", **on_upload)
    assert too_large == (400, "EntityTooLarge")
    too_many = client.refusal("upload_part", PartNumber=10_001, Body=b"1", **on_upload)
    assert too_many == (400, "InvalidArgument")
    strict_s3.put("large", b"1234")
    copied = client.refusal("copy_object", Key="b", CopySource=client.source("large"))
    assert copied == (400, "InvalidRequest")


# Versions and generated keys


def test_versions_are_listed_in_pages(client: Client, strict_s3: StrictS3) -> None:
    strict_s3.set_versioning()
    for key in ("a", "b", "a", "c", "a"):
        strict_s3.put(key)
    strict_s3.delete("b")
    whole = [(v.key, v.version_id) for key in "abc" for v in strict_s3.versions(key)]
    assert len(whole) == 6
    pages = client.s3.get_paginator("list_object_versions").paginate(
        Bucket=client.bucket, PaginationConfig={"PageSize": 2}
    )
    found = []
    for page in pages:
        entries = page.get("Versions", []) + page.get("DeleteMarkers", [])
        assert len(entries) == 2
        found += [(each["Key"], each["VersionId"]) for each in entries]
        latest = {each["VersionId"] for each in entries if each["IsLatest"]}
        assert latest <= {strict_s3.versions(key)[0].version_id for key in "abc"}
    assert sorted(found) == sorted(whole)
    assert [key for key, _ in found] == ["a", "a", "a", "b", "b", "c"]


def test_a_suspended_bucket_replaces_the_null_version(client: Client, strict_s3: StrictS3) -> None:
    strict_s3.set_versioning()
    kept = client("put_object", Key="a", Body=b"1")["VersionId"]
    strict_s3.set_versioning("Suspended")
    for body in (b"2", b"3"):
        assert "VersionId" not in client("put_object", Key="a", Body=body)
    assert client("head_object", Key="a")["VersionId"] == "null"
    assert [each.version_id for each in strict_s3.versions("a")] == ["null", kept]
    client("delete_object", Key="a")
    assert [each.is_delete_marker for each in strict_s3.versions("a")] == [True, False]


def test_versions_may_be_removed_between_two_pages(client: Client, strict_s3: StrictS3) -> None:
    strict_s3.put("a")
    strict_s3.set_versioning()
    for _ in range(4):
        strict_s3.put("a")
    pages = client.s3.get_paginator("list_object_versions").paginate(
        Bucket=client.bucket, PaginationConfig={"PageSize": 2}
    )
    for page in pages:
        for each in page["Versions"]:
            client("delete_object", Key="a", VersionId=each["VersionId"])
    assert strict_s3.versions("a") == []


def test_a_delete_marker_is_not_read_by_its_id(client: Client, strict_s3: StrictS3) -> None:
    strict_s3.set_versioning()
    strict_s3.put("a")
    marker = client("delete_object", Key="a")["VersionId"]
    refused = client.refusal("get_object", Key="a", VersionId=marker)
    assert refused == (405, "MethodNotAllowed")
    refused = client.refusal("get_object", Key="a", VersionId="0" * 32)
    assert refused == (404, "NoSuchVersion")


def test_generated_keys_are_objects_like_others(client: Client, strict_s3: StrictS3) -> None:
    strict_s3.generate("data/", 1_000_000, size=10)
    strict_s3.put("data/00000001.bin.extra", b"1")
    strict_s3.delete("data/00000003.bin")
    strict_s3.put("data/00000004.bin", b"mine")
    names = [f"data/{number:08d}.bin" for number in range(1_000_000)]
    first = client("list_objects_v2", Prefix="data/", Delimiter="/", MaxKeys=5)
    assert [each["Key"] for each in first["Contents"]] == [
        *names[:2],
        "data/00000001.bin.extra",
        names[2],
        names[4],
    ]
    last = client("list_objects_v2", StartAfter=names[-3])
    assert [(each["Key"], each["Size"]) for each in last["Contents"]] == [
        (name, 10) for name in names[-2:]
    ]
    assert client("list_objects_v2", Delimiter="/")["CommonPrefixes"] == [{"Prefix": "data/"}]
    key = names[777_777]
    body = client("get_object", Key=key)["Body"].read()
    assert len(body) == 10
    assert client("get_object", Key=key, Range="bytes=3-4")["Body"].read() == body[3:5]
    etag = client("head_object", Key=key)["ETag"]
    assert client.refusal("delete_object", Key=key, IfMatch='"other"') == STALE
    client("delete_object", Key=key, IfMatch=etag)
    assert client.refusal("get_object", Key=key) == MISSING
    assert strict_s3.body(names[4]) == b"mine"


def test_generated_folders(client: Client, strict_s3: StrictS3) -> None:
    strict_s3.generate("", 5000, name="{high:03d}/{low:03d}")
    pages = client.s3.get_paginator("list_objects_v2").paginate(
        Bucket=client.bucket, Delimiter="/", PaginationConfig={"PageSize": 2}
    )
    groups = [each["Prefix"] for page in pages for each in page["CommonPrefixes"]]
    assert groups == ["000/", "001/", "002/", "003/", "004/"]
    with pytest.raises(ValueError, match="not in order"):
        strict_s3.generate("", 20, name="{index}")


def test_a_synthetic_object_can_be_copied_in_parts(client: Client, strict_s3: StrictS3) -> None:
    size = 6 * 1024**4
    strict_s3.put_synthetic("a", size)
    assert client.refusal("copy_object", Key="b", CopySource=client.source("a")) == (
        400,
        "InvalidRequest",
    )
    on_upload = {"Key": "b", "UploadId": client("create_multipart_upload", Key="b")["UploadId"]}
    strict_s3.limits.part_bytes = size
    parts = []
    middle = size // 2 + 1
    for number, (start, stop) in enumerate([(0, middle), (middle, size)], 1):
        copied = client(
            "upload_part_copy",
            PartNumber=number,
            CopySource=client.source("a"),
            CopySourceRange=f"bytes={start}-{stop - 1}",
            **on_upload,
        )["CopyPartResult"]
        parts.append({"PartNumber": number, "ETag": copied["ETag"]})
    client("complete_multipart_upload", MultipartUpload={"Parts": parts}, **on_upload)
    around = f"bytes={middle - 5000}-{middle + 4999}"
    pieces = [client("get_object", Key=key, Range=around)["Body"].read() for key in "ab"]
    assert len(pieces[0]) == 10_000
    assert pieces[0] == pieces[1]


# Listings


def test_listing_arguments(client: Client, strict_s3: StrictS3) -> None:
    strict_s3.put("a")
    invalid = (400, "InvalidArgument")
    assert client.refusal("list_objects_v2", ContinuationToken="none of ours") == invalid
    assert client.refusal("list_objects_v2", MaxKeys=-1) == invalid
    nothing = client("list_objects_v2", MaxKeys=0)
    assert (nothing["KeyCount"], nothing["IsTruncated"]) == (0, False)
    assert client("list_objects_v2", MaxKeys=5000)["MaxKeys"] == 1000
    assert client("list_objects_v2", FetchOwner=True)["Contents"][0]["Owner"]["ID"]


def test_a_page_goes_on_where_it_ended_whatever_happened_meanwhile(
    client: Client, strict_s3: StrictS3
) -> None:
    strict_s3.put_many({f"{name}": b"" for name in ("a", "c", "d/1", "d/2", "e")})
    first = client("list_objects_v2", Delimiter="/", MaxKeys=3)
    assert [each["Key"] for each in first["Contents"]] == ["a", "c"]
    strict_s3.delete("c")
    strict_s3.put_many({"b": b"", "d/3": b"", "d0": b""})
    token = first["NextContinuationToken"]
    second = client("list_objects_v2", Delimiter="/", ContinuationToken=token)
    assert [each["Key"] for each in second["Contents"]] == ["d0", "e"]
    assert "CommonPrefixes" not in second


# Permissions, signatures, quirks


def test_nothing_is_answered_without_a_signature(strict_s3: StrictS3) -> None:
    strict_s3.put("a", b"secret")
    for method, path in (("GET", "/a"), ("PUT", "/b"), ("GET", "?list-type=2")):
        assert code(raw(strict_s3, method, path, Authorization="")) == DENIED
    assert strict_s3.keys() == ["a"]


def test_a_presigned_url_is_signed(client: Client, strict_s3: StrictS3) -> None:
    strict_s3.put("a b", b"1")
    arguments = {**client.source("a b"), "ResponseContentDisposition": 'attachment; filename="x"'}
    url = client.s3.generate_presigned_url("get_object", Params=arguments)
    connection = http.client.HTTPConnection("127.0.0.1", strict_s3.port, timeout=10)
    connection.request("GET", url.removeprefix(strict_s3.url))
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"1")
    assert response.headers["Content-Disposition"] == 'attachment; filename="x"'
    for wrong in ("0", "604801"):
        connection.request("GET", url.removeprefix(strict_s3.url).replace("=3600", f"={wrong}"))
        response = connection.getresponse()
        assert (response.status, b"AuthorizationQuery" in response.read()) == (400, True)
    strict_s3.clock.advance(3601)
    connection.request("GET", url.removeprefix(strict_s3.url))
    response = connection.getresponse()
    assert (response.status, b"expired" in response.read()) == (403, True)
    connection.close()


def test_only_the_right_key_and_token_are_taken(client: Client, strict_s3: StrictS3) -> None:
    strict_s3.signatures.access_key = "other"
    assert client.refusal("list_objects_v2") == (403, "InvalidAccessKeyId")
    strict_s3.signatures.access_key = None
    strict_s3.signatures.session_token = "right"
    assert client.refusal("list_objects_v2") == (400, "InvalidToken")
    with_token = Client(strict_s3, "right")
    with_token("list_objects_v2")
    strict_s3.signatures.expired = True
    assert with_token.refusal("list_objects_v2") == (400, "ExpiredToken")
    with_token.s3.close()


def test_a_request_signed_off_the_servers_clock_is_refused(
    client: Client, strict_s3: StrictS3
) -> None:
    strict_s3.clock.advance(3600)
    client("list_objects_v2")
    strict_s3.signatures.enforce_time = True
    assert client.refusal("list_objects_v2") == (403, "RequestTimeTooSkewed")


def test_a_bucket_that_is_read_only(client: Client, strict_s3: StrictS3) -> None:
    strict_s3.put("a", b"1")
    strict_s3.deny()
    assert client.refusal("put_object", Key="b") == DENIED
    assert client.refusal("copy_object", Key="b", CopySource=client.source("a")) == DENIED
    assert client.refusal("create_multipart_upload", Key="b") == DENIED
    assert client.refusal("delete_object", Key="a") == DENIED
    assert client("get_object", Key="a")["Body"].read() == b"1"
    strict_s3.allow_all()
    client("delete_object", Key="a")


def test_permissions_by_prefix(client: Client, strict_s3: StrictS3) -> None:
    for key in ("a/1", "b/1"):
        strict_s3.put(key)
    strict_s3.deny("a/", [Access.WRITE])
    strict_s3.deny("b/", [Access.READ, Access.LIST])
    assert len(client("list_objects_v2", Prefix="a/")["Contents"]) == 1
    assert client.refusal("put_object", Key="a/2") == DENIED
    client("delete_object", Key="a/1")
    assert client.refusal("list_objects_v2", Prefix="b/") == DENIED
    assert client.refusal("get_object", Key="b/1") == DENIED
    assert client.refusal("copy_object", Key="c", CopySource=client.source("b/1")) == DENIED


def test_who_may_not_list_is_not_told_what_is_missing(client: Client, strict_s3: StrictS3) -> None:
    strict_s3.deny(access=[Access.LIST])
    assert client.refusal("get_object", Key="a") == DENIED
    assert client.refusal("head_object", Key="a") == (403, "403")


def test_if_match_needs_permission_to_read(client: Client, strict_s3: StrictS3) -> None:
    etag = strict_s3.put("a")
    strict_s3.deny(access=[Access.READ])
    assert client.refusal("put_object", Key="a", IfMatch=etag) == DENIED
    assert client.refusal("delete_object", Key="a", IfMatch=etag) == DENIED
    client("delete_object", Key="a", IfMatch="*")


OK = (200, "")


@pytest.mark.parametrize(
    ("quirks", "versioned", "absent", "right", "unquoted", "stale", "delete"),
    [
        ([], False, STALE, OK, OK, STALE, STALE),
        ([Quirk.IGNORES_IF_MATCH_ON_PUT], False, STALE, OK, OK, OK, STALE),
        ([Quirk.IGNORES_IF_MATCH_ON_DELETE], False, STALE, OK, OK, STALE, (204, "")),
        ([Quirk.IGNORES_IF_NONE_MATCH], False, OK, OK, OK, STALE, STALE),
        ([Quirk.REFUSES_IF_MATCH], False, STALE, STALE, STALE, STALE, STALE),
        ([Quirk.WANTS_ETAG_UNQUOTED], False, STALE, STALE, OK, STALE, STALE),
        (CEPH_RGW, False, STALE, STALE, OK, STALE, (204, "")),
        (CEPH_RGW, True, OK, STALE, STALE, STALE, (204, "")),
        (RCLONE, False, OK, OK, OK, OK, (204, "")),
    ],
)
def test_quirks(
    strict_s3: StrictS3,
    quirks: list[Quirk],
    versioned: bool,
    absent: tuple[int, str],
    right: tuple[int, str],
    unquoted: tuple[int, str],
    stale: tuple[int, str],
    delete: tuple[int, str],
) -> None:
    strict_s3.set_versioning("Enabled" if versioned else None)
    strict_s3.quirks.update(quirks)

    def put(**condition: str) -> tuple[int, str]:
        return code(raw(strict_s3, "PUT", "/a", b"", **condition))

    def etag() -> str:
        return strict_s3.put("a")

    etag()
    assert put(if_none_match="*") == absent
    assert put(if_match=etag()) == right
    assert put(if_match=etag().strip('"')) == unquoted
    assert put(if_match='"stale"') == stale
    assert code(raw(strict_s3, "DELETE", "/a", if_match='"stale"')) == delete


def test_copies_and_batches_without_conditions(client: Client, strict_s3: StrictS3) -> None:
    strict_s3.quirks.update(RCLONE)
    for key in ("a", "b", "c"):
        strict_s3.put(key, key.encode())
    source = client.source("a")
    client("copy_object", Key="b", CopySource=source, IfNoneMatch="*", CopySourceIfMatch='"x"')
    client("delete_objects", Delete={"Objects": [{"Key": "c", "ETag": '"x"'}]})
    assert strict_s3.contents() == {"a": b"a", "b": b"a"}


def test_what_it_has_not_is_refused_and_not_mistaken(client: Client, strict_s3: StrictS3) -> None:
    strict_s3.put("a")
    assert client.refusal("get_object_tagging", Key="a") == (501, "NotImplemented")
    assert client.refusal("put_object_acl", Key="a", ACL="private") == (501, "NotImplemented")
    assert client.refusal("list_objects") == (501, "NotImplemented")
    assert strict_s3.count("Unknown") == 3
    assert client.refusal("get_object", Key="a", PartNumber=1) == (501, "NotImplemented")


def test_a_path_is_read_as_it_was_sent(strict_s3: StrictS3) -> None:
    for key in ("a+b", "a%2fb", "a b"):
        assert raw(strict_s3, "PUT", "/" + quote(key, safe="+"))[0] == 200
    assert strict_s3.keys() == ["a b", "a%2fb", "a+b"]
