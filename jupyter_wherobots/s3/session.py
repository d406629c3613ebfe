"""What the standard AWS configuration decides, asked of one botocore session: endpoint, region,
credentials, addressing style, proxies, CA bundle, checksums. botocore's clients and obstore's
stores are made here, so that both agree.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import NotConfigured
from . import libraries
from .credentials import Credentials

_RENEW_INTERVAL = 30.0  # seconds between two looks for new credentials after a refusal
_AWS = (".amazonaws.com", ".amazonaws.com.cn")


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


class Session:
    """The AWS configuration for one bucket, read at first use. Safe to use from many threads."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self.generation = 0
        """Grows when the configuration has been read anew: clients and stores of before are stale.
        """
        self._lock = threading.RLock()
        self._botocore: Any = None
        self._credentials: Credentials | None = None
        self._address: tuple[str, bool] | None = None
        self._region: str | None = None
        self._region_asked = False
        self._renewed = -_RENEW_INTERVAL

    @property
    def botocore(self) -> Any:
        """The botocore session itself."""
        with self._lock:
            if self._botocore is None:
                libraries.load()
                import botocore.session

                session = botocore.session.Session()
                loader = _loader(session.get_config_variable("data_path"))
                session.register_component("data_loader", loader)
                parsers = session.get_component("response_parser_factory")
                parsers.set_parser_defaults(timestamp_parser=_timestamp)
                if region := os.environ.get("AWS_REGION"):
                    # Every SDK but botocore reads it, the AWS CLI included.
                    session.set_config_variable("region", region)
                self._botocore = session
            return self._botocore

    @property
    def credentials(self) -> Credentials:
        """The credentials of the session: also obstore's provider."""
        with self._lock:
            if self._credentials is None:
                self._credentials = Credentials(self.botocore)
            return self._credentials

    def renew(self) -> None:
        """Read configuration and credentials anew, at most every 30 s.

        For when they were refused: the keys of a profile are renewed from outside, and botocore
        reads them only once.
        """
        with self._lock:
            now = time.monotonic()
            if now - self._renewed >= _RENEW_INTERVAL:
                self._renewed = now
                self.generation += 1
                self._botocore = self._credentials = self._address = None

    # -- botocore

    def client(self, timeouts: Timeouts, *, attempts: int, max_connections: int) -> Any:
        """A new S3 client in the bucket's region. Raises NotConfigured, and what botocore does for
        bad credentials.
        """
        with self._lock:
            client = self._client(timeouts, attempts, max_connections)
            endpoint = urlsplit(client.meta.endpoint_url)
            if endpoint.scheme == "https":
                self._certificates()  # botocore would find out late, and blame the certificate
            if (endpoint.hostname or "").endswith(_AWS) and not self._region_asked:
                # botocore follows a bucket to its region, obstore does not: so both are told where
                # it lies.
                self._region_asked = True
                self._region = self._bucket_region(timeouts)
                if self._region not in (None, client.meta.region_name):
                    client = self._client(timeouts, attempts, max_connections)
            return client

    def _client(
        self, timeouts: Timeouts, attempts: int, max_connections: int, **options: Any
    ) -> Any:
        from botocore.config import Config

        from .. import __version__

        config = Config(
            connect_timeout=timeouts.connect,
            read_timeout=timeouts.read,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=max_connections,
            user_agent_extra=f"jupyter-wherobots/{__version__}",
            **options,
        )
        try:
            return self.botocore.create_client("s3", self._region, config=config)
        except ValueError as exc:
            raise NotConfigured(
                f"The AWS configuration cannot be used ({exc}).",
                hint="Check AWS_REGION and AWS_ENDPOINT_URL_S3.",
            ) from exc

    def _bucket_region(self, timeouts: Timeouts) -> str | None:
        """Where AWS says that the bucket lies: it does so in any answer, to whomever asks."""
        import botocore
        from botocore.exceptions import BotoCoreError, ClientError

        client = self._client(timeouts, 1, 1, signature_version=botocore.UNSIGNED)
        try:
            answer = client.head_bucket(Bucket=self.bucket)
        except ClientError as exc:
            answer = exc.response
        except BotoCoreError:
            return None  # the request that needs the region will say what is wrong
        region = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("x-amz-bucket-region")
        return None if region is None else str(region)

    def address(self, timeouts: Timeouts) -> tuple[str, bool]:
        """Where requests for objects go: (the URL in front of the key, whether the bucket is in the
        host's name).

        Asked of botocore itself, by a request that is answered before it is sent: this covers
        custom endpoints, dots in bucket names, FIPS, dual-stack, accelerate and access points
        alike.
        """
        import botocore
        from botocore.awsrequest import AWSResponse

        if self._address is not None:
            return self._address
        urls: list[str] = []

        def answer(request: Any, **_: Any) -> AWSResponse:
            urls.append(request.url)
            headers: Any = {}
            return AWSResponse(request.url, 200, headers, _Empty())

        client = self._client(timeouts, 1, 1, signature_version=botocore.UNSIGNED)
        client.meta.events.register("before-send.s3", answer)
        client.head_object(Bucket=self.bucket, Key="key")
        with_bucket = urls[0].removesuffix("/key")
        endpoint = with_bucket.removesuffix("/" + self.bucket)
        self._address = (endpoint, endpoint == with_bucket)
        return self._address

    # -- obstore

    def store(
        self, region: str, timeouts: Timeouts, *, read: float, whole: float, retries: int
    ) -> Any:
        """A new obstore store.

        ``read`` and ``whole``: seconds for the next piece of an answer, and for a request as a
        whole.
        """
        libraries.load()
        from obstore.store import S3Store

        endpoint, virtual = self.address(timeouts)
        options: Any = {
            "connect_timeout": timedelta(seconds=timeouts.connect),
            "read_timeout": timedelta(seconds=read),
            "timeout": timedelta(seconds=whole),
            # Shorter than the patience of S3 and of the NATs on the way, which forget in silence.
            "pool_idle_timeout": timedelta(seconds=20),
            "allow_http": endpoint.startswith("http://"),
        }
        options |= _proxy(endpoint)
        if endpoint.startswith("https://") and (certificates := self._certificates()):
            options["root_certificate"] = certificates
        credentials: Any = self.credentials
        return S3Store(
            self.bucket,
            # obstore reads AWS_* variables too, with names and a precedence of its own: what is
            # given here wins.
            config={
                "endpoint": endpoint,
                "aws_endpoint_url_s3": endpoint,
                "region": region,
                "virtual_hosted_style_request": virtual,
                "conditional_put": "etag",
                "skip_signature": False,
                "unsigned_payload": False,
                "s3_express": False,
            },
            client_options=options,
            retry_config={"max_retries": retries, "retry_timeout": timedelta(seconds=60)},
            credential_provider=credentials,
        )

    def _certificates(self) -> bytes | None:
        name = self.botocore.get_config_variable("ca_bundle") or os.environ.get(
            "REQUESTS_CA_BUNDLE"
        )
        if not name:
            return None
        path = Path(name)
        try:
            files = sorted(path.iterdir()) if path.is_dir() else [path]
            return b"\n".join(file.read_bytes() for file in files)
        except OSError as exc:
            raise NotConfigured(
                f"The CA bundle {name} cannot be read ({exc.strerror}).",
                hint="Check AWS_CA_BUNDLE.",
            ) from exc


_PROXY_VARIABLES = [
    name for each in ("http_proxy", "https_proxy", "all_proxy") for name in (each, each.upper())
]


def _timestamp(value: Any) -> datetime:
    """A date in an answer of S3. botocore's own way, by dateutil, takes two thirds of the time of
    reading a listing.
    """
    from botocore.utils import parse_timestamp

    if isinstance(value, str) and value[10:11] == "T" and value.endswith("Z"):
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(f"{value[:-1]}+00:00")
    found: datetime = parse_timestamp(value)
    return found


@functools.cache
def _loader(path: str | None) -> Any:
    """botocore's reader of service descriptions: shared, since reading S3's takes most of the time
    of making a client.
    """
    from botocore.loaders import create_loader

    return create_loader(path)


def _proxy(url: str) -> dict[str, str]:
    """What botocore makes of HTTP_PROXY, HTTPS_PROXY and NO_PROXY for this URL, as obstore's
    options.
    """
    from botocore.utils import get_environ_proxies

    proxy = get_environ_proxies(url).get(urlsplit(url).scheme)
    if proxy:
        return {"proxy_url": proxy}
    if not any(os.environ.get(name) for name in _PROXY_VARIABLES):
        return {}
    # Left alone obstore would read the variables by rules of its own (ALL_PROXY, networks in
    # NO_PROXY). It has no word for "no proxy"; "*" alone excludes names, not addresses.
    return {"proxy_url": "http://127.0.0.1:9", "proxy_excludes": "*,0.0.0.0/0,::/0"}


class _Empty:
    """The body of an answer without one."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        return iter(())
