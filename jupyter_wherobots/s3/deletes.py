"""Deleting objects: one on a condition, or thousands in few requests. All through boto3."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import StorageFailed, WherobotsError
from .client import S3, Stop
from .keys import Condition, check_key, condition_params, etag_header, fits_xml, matches

_BATCH = 1000


@dataclass(frozen=True)
class Failure:
    """One key that a batch could not handle, and why."""

    key: str
    error: WherobotsError


def delete(s3: S3, key: str, *, condition: Condition | None = None) -> None:
    """Delete one object. Without a condition, a key that does not exist is no error.

    Raises PreconditionFailed if the object is another version, and NotFound (from some stores
    PreconditionFailed) if it is gone.
    """
    check_key(key)
    with s3.mapped("delete", key):
        s3.client.delete_object(Bucket=s3.bucket, Key=key, **condition_params(s3, condition))


def delete_many(
    s3: S3,
    keys: Iterable[tuple[str, str | None]],
    *,
    on_deleted: Callable[[int], None] | None = None,
    stop: Stop | None = None,
) -> list[Failure]:
    """Delete (key, ETag or None) pairs, 1,000 in a request, and give those that failed with the
    reason.

    A pair with an ETag is deleted only if it is that version, where the store keeps to it. A key
    that S3 does not confirm has failed; a request that fails as a whole is reported for each of its
    keys, and the others go on. ``on_deleted`` is told the number of keys after each request,
    ``stop`` asked between requests: what was not sent by then is neither deleted nor reported.
    """
    failures: list[Failure] = []
    for batch in _batches(keys):
        if stop is not None and stop.is_set():
            break
        failed = _delete_batch(s3, batch)
        failures += failed
        if on_deleted:
            on_deleted(len(batch) - len(failed))
    return failures


def _batches(keys: Iterable[tuple[str, str | None]]) -> Iterator[list[tuple[str, str | None]]]:
    batch: list[tuple[str, str | None]] = []
    for key, etag in keys:
        check_key(key)
        if not fits_xml(key):
            # A DeleteObjects request cannot name it.
            yield [(key, etag)]
            continue
        batch.append((key, etag))
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _delete_alone(s3: S3, key: str, etag: str | None) -> list[Failure]:
    try:
        delete(s3, key, condition=matches(etag) if etag else None)
    except WherobotsError as exc:
        return [Failure(key, exc)]
    return []


def _delete_batch(s3: S3, batch: Sequence[tuple[str, str | None]]) -> list[Failure]:
    if len(batch) == 1:
        return _delete_alone(s3, *batch[0])
    from botocore.exceptions import ClientError

    objects = [
        {"Key": key} | ({"ETag": etag_header(s3, etag)} if etag else {}) for key, etag in batch
    ]
    try:
        with s3.mapped("delete"):
            # Not quiet: only what S3 names is known to be gone.
            answer = s3.client.delete_objects(Bucket=s3.bucket, Delete={"Objects": objects})
    except WherobotsError as exc:
        return [Failure(key, exc) for key, _ in batch]
    failures = []
    for item in answer.get("Errors", ()):
        error: Any = {"Error": {"Code": item["Code"], "Message": item.get("Message", "")}}
        failures.append(
            Failure(
                item["Key"], s3.error(ClientError(error, "DeleteObjects"), "delete", item["Key"])
            )
        )
    named = {item["Key"] for item in answer.get("Deleted", ())} | {
        failure.key for failure in failures
    }
    for key, _ in batch:
        if key not in named:
            failures.append(
                Failure(
                    key, StorageFailed(f"S3 did not say that it deleted s3://{s3.bucket}/{key}.")
                )
            )
    return failures
