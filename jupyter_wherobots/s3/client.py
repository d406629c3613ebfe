"""One bucket and the ways to reach it: a boto3 client for everything, and obstore for object bytes,
both from one botocore session.

The session decides endpoint, region, credentials, addressing style, CA bundle and checksum
settings, in the standard AWS ways; obstore is told what botocore would do. Both are made at first
use, since importing and making them takes 0.2 s.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from ..errors import (
    Cancelled,
    CredentialsExpired,
    NoCredentials,
    NotConfigured,
    WherobotsError,
    from_s3,
)
from .credentials import Credentials, CredentialSource

SMALL_PUT = 1024 * 1024
"""Bytes up to which a PUT has to be through within ``Timeouts.read``."""

_RENEW_INTERVAL = 30.0  # seconds between two looks for new credentials after a refusal
_READ_RETRIES = 2


@dataclass(frozen=True)
class Timeouts:
    """Seconds that a request may take.

    ``connect`` for the connection; ``read`` for the answer to begin and between two pieces of it,
    and for a whole PUT of up to 1 MiB; ``put`` for a whole larger PUT (16 MiB in 300 s are 56 KB/s:
    slower than that is no answer). A download that keeps moving is never cut off.
    """

    connect: float = 5.0
    read: float = 30.0
    put: float = 300.0


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
    """One bucket of one store. Safe to use from many threads; requests go out at first use, not in
    the constructor.

    ``etag_form`` is what `probe.probe` found, set by whoever asked it; every If-Match is sent in
    that form.
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
        self.reached = False
        """The bucket has answered: from then on a 404 means the key (a bucket can only be deleted
        empty).
        """
        self._lock = threading.RLock()
        self._session: Any = None
        self._client: Any = None
        self._credentials: Credentials | None = None
        self._stores: dict[tuple[float, float, int], Any] = {}
        self._renewed = -_RENEW_INTERVAL

    def bounded(self, seconds: float) -> S3:
        """The same bucket and credentials with no request longer than ``seconds`` and nothing tried
        twice: for what has a deadline.
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
        with self._lock:
            other._session, other._credentials = self.session, self._credentials
        other.reached = self.reached
        return other

    # -- what botocore found
    # ------------------------------------------------------------------------------------------

    @property
    def session(self) -> Any:
        """The botocore session that decides everything: ``session.create_client("sts")`` signs with
        the same credentials.
        """
        with self._lock:
            if self._session is None:
                import botocore.session

                self._session = botocore.session.Session()
                self._credentials = Credentials(self._session)
            return self._session

    @property
    def client(self) -> Any:
        """The shared S3 client of botocore. Raises NotConfigured if region, endpoint or profile
        cannot be used.
        """
        with self._lock:
            if self._client is None:
                self._client = self._create_client()
                self._client.meta.events.register("before-call.s3", _add_headers)
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
        """Where the credentials come from and when they end. Raises NoCredentials and
        CredentialsExpired.
        """
        with self.mapped("read"):
            return self._credential().source()

    # -- obstore -----------------------------------------------------------------------------------
    # -------------------

    @property
    def store(self) -> Any:
        """The obstore store for reading: retries twice, resumes a broken download, never cuts off
        one that moves.
        """
        # The limit for a whole request cannot be switched off; a day is the longest download there
        # is.
        return self._store(self.timeouts.read, 86400.0, _READ_RETRIES if self.attempts > 1 else 0)

    def store_for_put(self, size: int) -> Any:
        """The obstore store for a PUT of ``size`` bytes. It never retries: after a lost answer the
        caller has to look first.
        """
        limit = self.timeouts.read if size <= SMALL_PUT else self.timeouts.put
        return self._store(limit, limit, 0)

    def _store(self, read: float, whole: float, retries: int) -> Any:
        store = self._stores.get((read, whole, retries))
        if store is not None:
            return store
        with self._lock:
            if (read, whole, retries) not in self._stores:
                self._stores[read, whole, retries] = self._create_store(read, whole, retries)
            return self._stores[read, whole, retries]

    def _create_store(self, read: float, whole: float, retries: int) -> Any:
        from obstore.store import S3Store

        base, virtual = self._address()
        options: dict[str, Any] = {
            "connect_timeout": timedelta(seconds=self.timeouts.connect),
            "read_timeout": timedelta(seconds=read),
            "timeout": timedelta(seconds=whole),
            "allow_http": base.startswith("http://"),
        }
        if certificates := self._certificates():
            options["root_certificate"] = certificates
        # obstore reads AWS_* variables of its own, some with other names or precedence than
        # botocore: what is given here wins.
        return S3Store(
            self.bucket,
            config={
                "endpoint": base,
                "aws_endpoint_url_s3": base,
                "region": self.region,
                "virtual_hosted_style_request": virtual,
                "skip_signature": False,
            },
            client_options=options,  # type: ignore[arg-type]
            retry_config={"max_retries": retries, "retry_timeout": timedelta(seconds=60)},
            credential_provider=self._credential(),  # type: ignore[arg-type]
        )

    def _credential(self) -> Credentials:
        with self._lock:
            self.session  # noqa: B018 - makes the credentials too
            assert self._credentials is not None
            return self._credentials

    def _address(self) -> tuple[str, bool]:
        """Where botocore would send a request for an object: (the URL in front of the key, whether
        the bucket is in the host's name).

        Asked of botocore itself, by a client whose request is answered before it is sent: this
        covers custom endpoints, dots in bucket names, FIPS, dual-stack, accelerate and access
        points alike.
        """
        import botocore
        from botocore.awsrequest import AWSResponse, HeadersDict
        from botocore.config import Config

        urls: list[str] = []

        def answer(request: Any, **_: Any) -> AWSResponse:
            urls.append(request.url)
            return AWSResponse(request.url, 200, HeadersDict(), _Empty())

        client = self._create_client(Config(signature_version=botocore.UNSIGNED))
        client.meta.events.register("before-send.s3", answer)
        client.head_object(Bucket=self.bucket, Key="key")
        before_key = urls[0].removesuffix("/key")
        in_path = before_key.removesuffix("/" + self.bucket)
        return in_path, in_path == before_key

    def _create_client(self, config: Any = None) -> Any:
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        from .. import __version__

        ours = Config(
            connect_timeout=self.timeouts.connect,
            read_timeout=self.timeouts.read,
            retries={"mode": "standard", "total_max_attempts": self.attempts},
            max_pool_connections=self.max_connections,
            user_agent_extra=f"jupyter-wherobots/{__version__}",
        )
        try:
            # Every SDK but botocore reads AWS_REGION, the AWS CLI included.
            region = os.environ.get("AWS_REGION") or None
            return self.session.create_client(
                "s3", region, config=ours.merge(config) if config else ours
            )
        except (BotoCoreError, ValueError) as exc:
            raise NotConfigured(
                f"The AWS configuration cannot be used: {exc}",
                hint="Check AWS_REGION, AWS_PROFILE and AWS_ENDPOINT_URL_S3.",
            ) from exc

    def _certificates(self) -> bytes | None:
        name = self.session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
        if not name:
            return None
        path = Path(name)
        try:
            files = sorted(path.iterdir()) if path.is_dir() else [path]
            return b"\n".join(file.read_bytes() for file in files if file.is_file())
        except OSError as exc:
            raise NotConfigured(
                f"The CA bundle {name} cannot be read: {exc.strerror}.", hint="Check AWS_CA_BUNDLE."
            ) from exc

    # -- errors ------------------------------------------------------------------------------------
    # -------------------

    @contextmanager
    def mapped(self, action: str, key: str | None = None) -> Iterator[None]:
        """Turn what botocore and obstore raise inside into errors of ours. ``action`` is that of
        `errors.from_s3`.
        """
        try:
            yield
        except _failures() as exc:
            raise self.error(exc, action, key) from exc
        self.reached = True

    def error(self, exc: BaseException, action: str, key: str | None = None) -> WherobotsError:
        """The error of ours for one of botocore's or obstore's; after bad credentials the next
        request looks for new ones.
        """
        cause = exc
        if (
            type(exc).__name__ == "UnauthenticatedError"
            and self._credentials
            and self._credentials.failure
        ):
            cause = self._credentials.failure
        error = from_s3(cause, path=f"s3://{self.bucket}/{key or ''}", action=action)
        if isinstance(error, (CredentialsExpired, NoCredentials)):
            self._renew()
        return error

    def _renew(self) -> None:
        """Forget session and clients: a profile's keys and SSO sign-ins are renewed from outside,
        and botocore reads them only once.
        """
        with self._lock:
            now = time.monotonic()
            if now - self._renewed < _RENEW_INTERVAL:
                return
            self._renewed = now
            self._session = self._client = self._credentials = None
            self._stores.clear()

    def close(self) -> None:
        """Close idle connections. The object can be used again."""
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = None
            self._stores.clear()


class _Empty:
    """The body of an answer without one."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        return iter(())


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


def _failures() -> tuple[type[BaseException], ...]:
    from botocore.exceptions import BotoCoreError, ClientError
    from obstore.exceptions import BaseError

    # obstore raises FileNotFoundError for a missing object and NotImplementedError for HTTP's 501.
    return (BotoCoreError, ClientError, BaseError, OSError, NotImplementedError)
