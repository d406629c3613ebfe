"""Digests that S3 checks on the way in: Content-MD5, x-amz-checksum-*, x-amz-content-sha256."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Mapping

from tests.strict_s3.errors import S3Error


def _table(polynomial: int) -> tuple[int, ...]:
    table = []
    for byte in range(256):
        entry = byte
        for _ in range(8):
            entry = (entry >> 1) ^ polynomial if entry & 1 else entry >> 1
        table.append(entry)
    return tuple(table)


def _reflected_crc(polynomial: int, size: int) -> Callable[[bytes], bytes]:
    """A CRC that neither zlib nor binascii has: about 10 MB/s, which is enough for tests."""
    ones = (1 << (8 * size)) - 1
    table = _table(polynomial)

    def digest(data: bytes) -> bytes:
        crc = ones
        for byte in data:
            crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
        return (crc ^ ones).to_bytes(size, "big")

    return digest


ALGORITHMS: dict[str, Callable[[bytes], bytes]] = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "crc32c": _reflected_crc(0x82F63B78, 4),
    "crc64nvme": _reflected_crc(0x9A6C9329AC4BC9B5, 8),
    "sha1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
}
HEADER = "x-amz-checksum-"


def decoded(value: str) -> bytes:
    """The bytes of a digest in base64, b"" for what is none."""
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        return b""


def named(headers: Mapping[str, str]) -> dict[str, str]:
    """The checksums that a request states, by algorithm, in base64."""
    return {name: headers[HEADER + name] for name in ALGORITHMS if HEADER + name in headers}


def kind(found: Mapping[str, str]) -> str:
    """Whether the checksum of an object is made of those of its parts; "" if it has none."""
    if not found:
        return ""
    return "COMPOSITE" if any("-" in value for value in found.values()) else "FULL_OBJECT"


def headers(found: Mapping[str, str]) -> list[tuple[str, str]]:
    """The headers of an answer that tell the checksums of an object or a part."""
    told = [(HEADER + name, value) for name, value in found.items()]
    return [*told, (HEADER + "type", kind(found))] if told else []


def verify(headers: Mapping[str, str], body: bytes) -> None:
    """Check every digest that the request states for its body (already decoded).

    Raises S3Error BadDigest for one that differs, InvalidDigest (MD5) or InvalidRequest for one
    that cannot be right, XAmzContentSHA256Mismatch for the signed hash.
    """
    if (md5 := headers.get("content-md5")) is not None:
        actual = hashlib.md5(body, usedforsecurity=False).digest()
        if len(decoded(md5)) != len(actual):
            raise S3Error("InvalidDigest")
        if decoded(md5) != actual:
            raise S3Error("BadDigest")
    for name, stated in named(headers).items():
        actual = ALGORITHMS[name](body)
        if len(decoded(stated)) != len(actual):
            raise S3Error("InvalidRequest", f"Value for {HEADER}{name} header is invalid.")
        if decoded(stated) != actual:
            raise S3Error("BadDigest", f"The {name.upper()} you specified did not match.")
    signed = headers.get("x-amz-content-sha256", "")
    if len(signed) == 64 and signed != hashlib.sha256(body).hexdigest():
        raise S3Error("XAmzContentSHA256Mismatch")
