"""What may be said in a request: keys, conditions, metadata. Pure, but for the ETag's form, which
is the store's.

Two clients share the work: obstore carries bytes and refuses or changes some keys that S3 allows;
boto3 takes them all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import InvalidPath, InvalidRequest, StorageFailed
from .client import S3, EtagForm

_MAX_KEY_BYTES = 1024


@dataclass(frozen=True)
class Condition:
    """What has to be true of a key for a request to be done; S3 itself decides. Made by `absent`
    and `matches`.
    """

    etag: str | None


def absent() -> Condition:
    """Only if there is no object at the key (``If-None-Match: *``)."""
    return Condition(None)


def matches(etag: str) -> Condition:
    """Only if the object at the key is this version (``If-Match``)."""
    return Condition(etag)


# obstore takes these for the headers of that name.
_HEADERS = frozenset(
    {
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-type",
        "storage-class",
    }
)
_NAME = re.compile(r"[a-z0-9._-]+")
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?|")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_ODD_KEY = re.compile(r"[\x00-\x1f\x7f]|(?:^|/)(?:\.{0,2})(?:/|$)")


def is_plain(key: str) -> bool:
    """Whether obstore sends this key as it is: no control characters, no empty, ``.`` or ``..``
    segments, no slash at either end.
    """
    return _ODD_KEY.search(key) is None


def check_key(key: str) -> None:
    """Raise InvalidPath for what is no key: empty, over 1,024 bytes of UTF-8, or not unicode."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError as exc:
        raise InvalidPath(f"{key!r} is not valid unicode.") from exc
    if not 0 < size <= _MAX_KEY_BYTES:
        raise InvalidPath(f"S3 takes keys of 1 to {_MAX_KEY_BYTES} bytes; this one has {size}.")


def fits_xml(key: str) -> bool:
    """Whether XML 1.0, in which S3 lists and confirms, has a way to write this key."""
    return _NOT_XML.search(key) is None


def check_upload_key(key: str) -> None:
    """Raise InvalidPath for a key that multipart uploads cannot have: `check_key`'s, and those that
    XML cannot write.

    S3 would begin such an upload and confirm it in an answer that no client can read: it would stay
    behind.
    """
    check_key(key)
    if not fits_xml(key):
        raise InvalidPath(
            f"{key!r} has control characters, so it cannot be written in parts, as large objects are.",
            hint="Rename it.",
        )


def is_metadata(name: str, value: str) -> bool:
    """Whether `check_metadata` has nothing against it; other clients' metadata may be anything."""
    return name not in _HEADERS and bool(_NAME.fullmatch(name) and _VALUE.fullmatch(value))


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Raise InvalidRequest for metadata that HTTP headers do not carry unchanged: not printable
    ASCII, or with outer spaces.
    """
    for name, value in metadata.items():
        if name in _HEADERS:
            raise InvalidRequest(f"{name!r} is no name for metadata: it is that of a header.")
        if not _NAME.fullmatch(name):
            raise InvalidRequest(
                f"{name!r} is no name for metadata: lower-case ASCII letters, digits, '-', '.' and '_'."
            )
        if not _VALUE.fullmatch(value):
            raise InvalidRequest(
                f"The value of the metadata {name!r} is not printable ASCII without outer spaces."
            )


def etag_header(s3: S3, etag: str) -> str:
    """The ETag in the form that this store wants in If-Match."""
    return etag.strip('"') if s3.etag_form is EtagForm.UNQUOTED else etag


def strict_etag(raw: str | None) -> str:
    """The ETag of an answer, as S3 sends it: in quotes. Raises StorageFailed where there is none:
    that is no store.
    """
    if not raw:
        raise StorageFailed(
            "The endpoint's answer has no ETag, so it is not that of an S3 store.",
            hint="Check AWS_ENDPOINT_URL_S3, and what stands between here and there.",
        )
    return quoted(raw)


def quoted(raw: str) -> str:
    """An ETag as it stands in the header: some stores leave the quotes out in listings."""
    return raw if raw.startswith(('"', 'W/"')) else f'"{raw}"'


def condition_params(s3: S3, condition: Condition | None) -> dict[str, str]:
    """The condition as botocore's parameters."""
    if condition is None:
        return {}
    if condition.etag is None:
        return {"IfNoneMatch": "*"}
    return {"IfMatch": etag_header(s3, condition.etag)}
