"""One bucket and the ways to reach it: a boto3 client for everything, and obstore for object bytes.

Both are made at first use, since importing and making them takes 0.2 s, and share one
`session.Session`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import Any, Protocol

from ..errors import (
    Cancelled,
    CredentialsExpired,
    NoCredentials,
    NotFound,
    PreconditionFailed,
    Unreachable,
    WherobotsError,
)
from . import libraries
from .credentials import CredentialSource
from .failures import from_s3, was_retried
from .session import Session, Timeouts

__all__ = ["S3", "SMALL_PUT", "EtagForm", "Stop", "Timeouts", "check", "extra_headers"]

SMALL_PUT = 1024 * 1024
"""Bytes up to which a PUT has to be through within ``Timeouts.read``."""

_READ_RETRIES = 2
_LONGEST_READ = 86400.0  # seconds; obstore's limit for a whole request cannot be switched off


class EtagForm(str, Enum):
    """How a store wants the ETag in If-Match: as it sent it, or (Ceph) without the quotes."""

    QUOTED = "quoted"
    UNQUOTED = "unquoted"


class Stop(Protocol):
    """A flag that a transfer looks at, such as `threading.Event`."""

    def is_set(self) -> bool:
        """Whether to stop."""
        ...


def check(stop: Stop | None) -> None:
    """Raise Cancelled if ``stop`` is set."""
    if stop is not None and stop.is_set():
        raise Cancelled("The transfer was stopped.")


class S3:
    """One bucket of one store. Safe to use from many threads; nothing is read or sent before first
    use.

    ``etag_form`` is what `probe.probe` found; every If-Match is sent in that form. ``attempts`` are
    those of one call through boto3: two more tries, with pauses of up to some seconds, before a
    caller hears of a failure that may pass.
    """

    def __init__(
        self,
        bucket: str,
        *,
        max_connections: int = 32,
        timeouts: Timeouts | None = None,
        attempts: int = 3,
        etag_form: EtagForm = EtagForm.QUOTED,
    ) -> None:
        self.bucket = bucket
        self.max_connections = max_connections
        self.timeouts = timeouts or Timeouts()
        self.attempts = attempts
        self.etag_form = etag_form
        self.ranges_through_boto3 = False
        """The store's answers to ranges are not what obstore takes (found out by `objects.get`)."""
        self._session = Session(bucket)
        self._generation = 0
        self._lock = threading.RLock()
        self._client: Any = None
        self._stores: dict[tuple[float, float, int], Any] = {}

    def bounded(self, seconds: float) -> S3:
        """The same bucket and credentials for what has a deadline: no request is longer than
        ``seconds``, nothing is tried twice.
        """
        limits = Timeouts(
            min(self.timeouts.connect, seconds),
            min(self.timeouts.read, seconds),
            min(self.timeouts.put, seconds),
        )
        return self.sibling(timeouts=limits, attempts=1)

    def sibling(
        self,
        *,
        timeouts: Timeouts | None = None,
        attempts: int | None = None,
        etag_form: EtagForm | None = None,
    ) -> S3:
        """The same bucket and credentials with other settings."""
        other = S3(
            self.bucket,
            max_connections=self.max_connections,
            timeouts=timeouts or self.timeouts,
            attempts=attempts or self.attempts,
            etag_form=etag_form or self.etag_form,
        )
        other.ranges_through_boto3 = self.ranges_through_boto3
        other._session = self._session
        return other

    @property
    def session(self) -> Any:
        """The botocore session that decides everything: ``session.create_client("sts")`` signs with
        the same credentials.
        """
        with self.mapped("read"):
            return self._session.botocore

    @property
    def client(self) -> Any:
        """The shared S3 client of botocore (boto3's, without its extras). Raises NotConfigured,
        NoCredentials.
        """
        with self._lock:
            self._drop_stale()
            if self._client is None:
                with self.mapped("read"):
                    client = self._session.client(
                        self.timeouts, attempts=self.attempts, max_connections=self.max_connections
                    )
                client.meta.events.register("before-call.s3", _add_headers)
                client.meta.events.register("before-call.s3.HeadBucket", _stay)
                self._client = client
            return self._client

    @property
    def region(self) -> str:
        """The region that requests are signed for."""
        region = str(self.client.meta.region_name)
        return "us-east-1" if region == "aws-global" else region

    @property
    def endpoint_url(self) -> str:
        """Where requests go, without the bucket."""
        return str(self.client.meta.endpoint_url)

    def credential_source(self) -> CredentialSource:
        """Where the credentials come from and when they end. Raises NoCredentials,
        CredentialsExpired, NotConfigured.
        """
        with self.mapped("read"):
            return self._session.credentials.source()

    # -- obstore

    @property
    def store(self) -> Any:
        """The obstore store for reading: retries twice, resumes a broken download, never cuts off
        one that moves.
        """
        return self._store(
            self.timeouts.read, _LONGEST_READ, _READ_RETRIES if self.attempts > 1 else 0
        )

    def store_for_put(self, size: int) -> Any:
        """The obstore store for a PUT of ``size`` bytes. It never retries: after a lost answer the
        caller has to look first.
        """
        # reqwest's read timeout runs from the beginning of the request, while the body is sent:
        # here both are one.
        limit = self.timeouts.read if size <= SMALL_PUT else self.timeouts.put
        return self._store(limit, limit, 0)

    def _store(self, read: float, whole: float, retries: int) -> Any:
        which = (read, whole, retries)
        with self._lock:
            self._drop_stale()
            if which not in self._stores:
                self._stores[which] = self._session.store(
                    self.region, self.timeouts, read=read, whole=whole, retries=retries
                )
            return self._stores[which]

    # -- errors

    @contextmanager
    def mapped(self, action: str, key: str | None = None, *, once: bool = False) -> Iterator[None]:
        """Turn what botocore and obstore raise inside into errors of ours. ``action`` is that of
        `errors.from_code`.

        ``once``: the request can be done only once, so that a second try (botocore's own) may be
        refused for what the first one did. Then nothing is known: Unreachable.
        """
        libraries.load()
        try:
            yield
        except _failures() as exc:
            error = self.error(exc, action, key)
            if once and isinstance(error, (NotFound, PreconditionFailed)) and was_retried(exc):
                raise Unreachable(
                    f"An answer of S3 was lost: it is not known whether s3://{self.bucket}/{key} was written.",
                    path=error.path,
                    hint="Look at it before it is written again.",
                ) from exc
            raise error from exc

    def error(self, exc: BaseException, action: str, key: str | None = None) -> WherobotsError:
        """The error of ours for one of botocore's or obstore's; after bad credentials the next
        request looks for new ones.
        """
        cause = exc
        if type(exc).__name__ == "UnauthenticatedError":
            # All that obstore keeps of a failing provider is text.
            cause = self._session.credentials.failure or exc
        error = from_s3(cause, path=f"s3://{self.bucket}/{key or ''}", action=action)
        if isinstance(error, (CredentialsExpired, NoCredentials)):
            self._session.renew()
        return error

    def _drop_stale(self) -> None:
        if self._generation != self._session.generation:
            self._generation = self._session.generation
            self._client = None
            self._stores.clear()

    def close(self) -> None:
        """Close idle connections. The object can be used again."""
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = None
            self._stores.clear()


def _failures() -> tuple[type[BaseException], ...]:
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError
    from obstore.exceptions import BaseError

    # Besides their own, obstore raises FileNotFoundError for what is missing and
    # NotImplementedError, and botocore raises OSError for files that it cannot read.
    return (
        BotoCoreError,
        ClientError,
        ResponseParserError,
        BaseError,
        OSError,
        NotImplementedError,
    )


_extra = threading.local()


@contextmanager
def extra_headers(headers: Mapping[str, str]) -> Iterator[None]:
    """Send these headers, signed, with each botocore request of this thread: for what older
    botocore has no parameter for.
    """
    _extra.headers = headers
    try:
        yield
    finally:
        _extra.headers = {}


def _add_headers(params: Any, **_: Any) -> None:
    params["headers"].update(getattr(_extra, "headers", {}))


def _stay(context: Any, **_: Any) -> None:
    # botocore answers a redirect by a HeadBucket that finds the region; were that redirected too
    # (by an endpoint that redirects everything) it would do so until Python's stack ends.
    context.get("s3_redirect", {})["redirected"] = True
