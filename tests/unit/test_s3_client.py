"""What the AWS configuration means for both clients. Strict S3 and canned answers; most tests send
nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pytest

from jupyter_wherobots.errors import (
    CredentialsExpired,
    NoCredentials,
    NotConfigured,
    PreconditionFailed,
    Unreachable,
    WherobotsError,
)
from jupyter_wherobots.s3.client import S3, Timeouts
from jupyter_wherobots.s3.listing import page
from jupyter_wherobots.s3.objects import absent, get, put
from tests.canned import Canned
from tests.conftest import S3Environment, Server
from tests.strict_s3 import StrictS3
from tests.tls import TlsFront

Clients = dict[str, Callable[[S3], object]]
CLIENTS: Clients = {
    "obstore": lambda s3: put(s3, "key", b"", metadata={}),
    "boto3": lambda s3: page(s3, ""),
}
BOTH = pytest.mark.parametrize("use", CLIENTS.values(), ids=CLIENTS)


@pytest.fixture
def s3(strict_s3: StrictS3, s3_env: S3Environment) -> Iterator[S3]:
    s3_env(strict_s3)
    client = S3(strict_s3.bucket, attempts=1)
    yield client
    client.close()


@pytest.fixture
def environment(
    s3_env: S3Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., None]:
    """Set variables on top of keys and nothing else; ``config`` is the text of the AWS
    configuration file.
    """
    s3_env(Server("http://127.0.0.1:9", "bucket"))
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)

    def apply(config: str = "", **variables: str) -> None:
        if config:
            (tmp_path / "config").write_text(config)
            monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return apply


# -- importing and making


def test_importing_the_rooms_imports_neither_library() -> None:
    code = (
        "import sys, pkgutil, importlib, jupyter_wherobots.s3 as rooms\n"
        "for each in pkgutil.iter_modules(rooms.__path__, rooms.__name__ + '.'):\n"
        "    importlib.import_module(each.name)\n"
        "from jupyter_wherobots.s3.client import S3\n"
        "S3('bucket')\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('boto3', 'botocore', 'obstore')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_many_threads_make_one_client(s3: S3) -> None:
    with ThreadPoolExecutor(20) as pool:
        clients = list(pool.map(lambda _: s3.client, range(20)))
        stores = list(pool.map(lambda _: s3.store, range(20)))
    assert len({id(client) for client in clients}) == len({id(store) for store in stores}) == 1


@BOTH
def test_a_closed_client_can_be_used_again(s3: S3, use: Callable[[S3], object]) -> None:
    """Strict S3."""
    use(s3)
    s3.close()
    use(s3)


# -- where requests go

ADDRESSES = [
    (
        "bucket",
        {"AWS_DEFAULT_REGION": "us-west-2"},
        "https://bucket.s3.us-west-2.amazonaws.com",
        True,
    ),
    ("b.dots", {"AWS_DEFAULT_REGION": "us-west-2"}, "https://s3.us-west-2.amazonaws.com", False),
    (
        "bucket",
        {
            "AWS_DEFAULT_REGION": "us-west-2",
            "AWS_USE_FIPS_ENDPOINT": "true",
            "AWS_USE_DUALSTACK_ENDPOINT": "true",
        },
        "https://bucket.s3-fips.dualstack.us-west-2.amazonaws.com",
        True,
    ),
    ("bucket", {"AWS_ENDPOINT_URL_S3": "http://10.1.2.3:9000"}, "http://10.1.2.3:9000", False),
    ("bucket", {"AWS_ENDPOINT_URL_S3": "https://s3.corp/root/"}, "https://s3.corp/root", False),
    ("bucket", {"AWS_ENDPOINT_URL": "https://s3.corp"}, "https://s3.corp", False),
    (
        "arn:aws:s3:us-west-2:123456789012:accesspoint/mine",
        {"AWS_DEFAULT_REGION": "us-west-2"},
        "https://mine-123456789012.s3-accesspoint.us-west-2.amazonaws.com",
        True,
    ),
]


@pytest.mark.parametrize(("bucket", "variables", "endpoint", "virtual"), ADDRESSES)
def test_obstore_goes_where_botocore_goes(
    environment: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    bucket: str,
    variables: dict[str, str],
    endpoint: str,
    virtual: bool,
) -> None:
    environment(**variables)
    s3 = S3(bucket)
    monkeypatch.setattr(s3._session, "_region_asked", True)  # this is about addresses: send nothing
    config = s3.store.config
    assert config["endpoint"] == endpoint
    assert str(config["virtual_hosted_style_request"]) == str(virtual).lower()
    assert config["region"] == s3.region


@pytest.mark.parametrize(
    "config",
    [
        "[default]\nendpoint_url = https://s3.corp",
        "[default]\nservices = corp\n[services corp]\ns3 =\n  endpoint_url = https://s3.corp",
    ],
)
def test_endpoints_of_a_profile_count_for_both(
    environment: Callable[..., None], config: str
) -> None:
    environment(config)
    s3 = S3("bucket")
    assert s3.endpoint_url == "https://s3.corp"
    assert s3.store.config["endpoint"] == "https://s3.corp"


def test_the_addressing_style_of_a_profile_counts_for_both(
    environment: Callable[..., None],
) -> None:
    environment(
        "[default]\ns3 =\n  addressing_style = virtual", AWS_ENDPOINT_URL_S3="https://s3.corp"
    )
    assert S3("bucket").store.config["endpoint"] == "https://bucket.s3.corp"


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({}, "us-east-1"),
        ({"AWS_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-1"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2"),
        ({"config": "[default]\nregion = eu-west-3"}, "eu-west-3"),
    ],
)
def test_the_region_is_read_in_the_standard_order(
    environment: Callable[..., None], variables: dict[str, str], region: str
) -> None:
    environment(AWS_ENDPOINT_URL_S3="http://10.1.2.3", **variables)
    s3 = S3("bucket")
    assert s3.region == s3.store.config["region"] == region


def test_variables_that_obstore_alone_knows_change_nothing(
    s3: S3, strict_s3: StrictS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strict S3, which takes no request without a signature."""
    for name, value in {
        "AWS_ENDPOINT": "http://127.0.0.1:9",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
        "AWS_CONDITIONAL_PUT": "disabled",
        "AWS_BUCKET": "other",
        "AWS_TOKEN": "other",
    }.items():
        monkeypatch.setenv(name, value)
    put(s3, "key", b"1", metadata={}, condition=absent())
    with pytest.raises(PreconditionFailed):
        put(s3, "key", b"2", metadata={}, condition=absent())
    assert strict_s3.body("key") == b"1"


def test_a_bucket_in_another_region_is_asked_for_once(
    environment: Callable[..., None],
) -> None:
    """A canned AWS behind a proxy. botocore would follow by itself; obstore has to be told."""
    listing = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
    headers = {"x-amz-bucket-region": "eu-west-3", "ETag": '"x"', "Content-Type": "text/xml"}
    with Canned(200, listing, headers) as aws:
        environment(
            AWS_ENDPOINT_URL_S3="http://s3.us-east-1.amazonaws.com", HTTP_PROXY=aws.url, NO_PROXY=""
        )
        s3 = S3("bucket", attempts=1)
        assert s3.region == "eu-west-3"
        assert s3.store.config["region"] == "eu-west-3"
        assert s3.sibling(attempts=2).region == "eu-west-3"
        for use in CLIENTS.values():
            use(s3)
    assert aws.seen == [
        "HEAD http://s3.us-east-1.amazonaws.com/bucket",
        "PUT http://s3.us-east-1.amazonaws.com/bucket/key",
        "GET http://s3.us-east-1.amazonaws.com/bucket"
        "?list-type=2&prefix=&max-keys=1000&delimiter=%2F&encoding-type=url",
    ]


# -- proxies and certificates


@pytest.mark.parametrize(
    ("variables", "through"),
    [
        ({"HTTP_PROXY": "{proxy}"}, True),
        ({"http_proxy": "{proxy}"}, True),
        ({"HTTPS_PROXY": "{proxy}"}, False),
        ({"ALL_PROXY": "{proxy}"}, False),
        ({"HTTP_PROXY": "{proxy}", "NO_PROXY": "no-such-host.invalid"}, False),
        ({"HTTP_PROXY": "{proxy}", "NO_PROXY": ".invalid"}, False),
        ({"HTTP_PROXY": "{proxy}", "NO_PROXY": "*"}, False),
    ],
)
@BOTH
def test_proxies_are_those_of_botocore_for_both(
    environment: Callable[..., None],
    use: Callable[[S3], object],
    variables: dict[str, str],
    through: bool,
) -> None:
    """A canned proxy."""
    with Canned(502) as proxy:
        settings = {"NO_PROXY": ""} | {
            name: value.format(proxy=proxy.url) for name, value in variables.items()
        }
        environment(AWS_ENDPOINT_URL_S3="http://no-such-host.invalid", **settings)
        with pytest.raises(Unreachable):
            use(S3("bucket", attempts=1))
    assert bool(proxy.seen) is through


@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "*"])
@BOTH
def test_an_address_can_be_kept_from_the_proxy(
    s3: S3, monkeypatch: pytest.MonkeyPatch, use: Callable[[S3], object], no_proxy: str
) -> None:
    """Strict S3, and a proxy that does not exist."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    use(s3)


@pytest.fixture
def secure(strict_s3: StrictS3, s3_env: S3Environment, tmp_path: Path) -> Iterator[TlsFront]:
    with TlsFront(strict_s3.port, tmp_path) as front:
        s3_env(Server(front.url, strict_s3.bucket))
        yield front


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
@BOTH
def test_an_authority_of_ones_own_is_trusted_by_both(
    secure: TlsFront,
    strict_s3: StrictS3,
    monkeypatch: pytest.MonkeyPatch,
    use: Callable[[S3], object],
    variable: str,
) -> None:
    """Strict S3 behind TLS."""
    monkeypatch.setenv(variable, str(secure.authority))
    use(S3(strict_s3.bucket, attempts=1))


@BOTH
def test_an_unknown_authority_is_named(
    secure: TlsFront, strict_s3: StrictS3, use: Callable[[S3], object]
) -> None:
    """Strict S3 behind TLS."""
    with pytest.raises(Unreachable, match="UntrustedCertificate") as caught:
        use(S3(strict_s3.bucket, attempts=1))
    assert "AWS_CA_BUNDLE" in caught.value.hint


@BOTH
def test_a_port_without_tls_is_not_taken_for_a_wrong_certificate(
    s3_env: S3Environment, use: Callable[[S3], object]
) -> None:
    """A server that answers in plain HTTP, and ends."""

    class Plain(StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.read1()
            self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

    with ThreadingTCPServer(("127.0.0.1", 0), Plain) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        s3_env(Server(f"https://127.0.0.1:{server.server_address[1]}", "bucket"))
        with pytest.raises(Unreachable) as caught:
            use(S3("bucket", attempts=1))
        server.shutdown()
    assert "AWS_ENDPOINT_URL_S3" in caught.value.hint
    assert "certificate" not in caught.value.hint


@BOTH
def test_a_bundle_that_is_not_there_is_named(
    secure: TlsFront,
    strict_s3: StrictS3,
    monkeypatch: pytest.MonkeyPatch,
    use: Callable[[S3], object],
) -> None:
    """Strict S3 behind TLS."""
    monkeypatch.setenv("AWS_CA_BUNDLE", "/no/such/bundle.pem")
    with pytest.raises(NotConfigured, match=r"/no/such/bundle\.pem"):
        use(S3(strict_s3.bucket, attempts=1))


# -- credentials


def test_a_session_that_cannot_be_made_is_named(environment: Callable[..., None]) -> None:
    environment(AWS_CONFIG_FILE=__file__)
    with pytest.raises(NotConfigured):
        _ = S3("bucket").session


class Wallet:
    """A program that prints credentials, as ``credential_process`` wants them, and counts how often
    it ran.
    """

    def __init__(self, folder: Path) -> None:
        self._answer = folder / "answer.json"
        self._count = folder / "count"
        self._program = folder / "wallet.py"
        self._program.write_text(
            f"open({str(self._count)!r}, 'a').write('.')\nprint(open({str(self._answer)!r}).read())"
        )
        self.config = f"[default]\ncredential_process = {sys.executable} {self._program}"

    def fill(self, key: str, seconds: float | None) -> datetime | None:
        """What it prints from now on; gives the expiry."""
        answer = {"Version": 1, "AccessKeyId": key, "SecretAccessKey": "s", "SessionToken": "t"}
        expires = None
        if seconds is not None:
            expires = datetime.now(timezone.utc) + timedelta(seconds=seconds)
            answer["Expiration"] = expires.isoformat()
        self._answer.write_text(json.dumps(answer))
        return expires

    @property
    def runs(self) -> int:
        return len(self._count.read_text()) if self._count.exists() else 0


@pytest.fixture
def wallet(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wallet:
    """Where the credentials of new clients come from."""
    wallet = Wallet(tmp_path)
    (tmp_path / "config").write_text(wallet.config)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    return wallet


def test_keys_of_the_environment_have_no_end(s3: S3) -> None:
    source = s3.credential_source()
    assert (source.method, source.expires_at, source.refreshable) == ("env", None, False)
    assert "test-secret-key" not in repr(source)


def test_keys_of_a_profile_have_no_end(
    environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment("[default]\naws_access_key_id = a\naws_secret_access_key = b")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert S3("bucket").credential_source().method == "profile"


def test_the_end_of_credentials_is_the_real_one(s3: S3, wallet: Wallet) -> None:
    expires = wallet.fill("key", 3600)
    source = S3(s3.bucket).credential_source()
    assert (source.method, source.expires_at) == ("custom-process", expires)
    assert source.refreshable


def test_an_assumed_role_works_for_both(
    strict_s3: StrictS3,
    moto_server: Server,
    environment: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Strict S3, with moto's STS."""
    environment(
        "[default]\nrole_arn = arn:aws:iam::123456789012:role/notebook\nsource_profile = keys\n"
        "[profile keys]\naws_access_key_id = a\naws_secret_access_key = b",
        AWS_ENDPOINT_URL_S3=strict_s3.url,
        AWS_ENDPOINT_URL_STS=moto_server.url,
        AWS_REGION="eu-west-1",  # and no AWS_DEFAULT_REGION: STS needs one too
    )
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    role = S3(strict_s3.bucket)
    for use in CLIENTS.values():
        use(role)
    source = role.credential_source()
    assert source.method == "assume-role"
    assert source.expires_at is not None
    assert timedelta(0) < source.expires_at - datetime.now(timezone.utc) <= timedelta(hours=1)


def test_the_role_of_a_container_works_for_both(
    strict_s3: StrictS3, environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strict S3, with a canned agent of the container."""
    expires = datetime.now(timezone.utc) + timedelta(hours=6)
    answer = {
        "AccessKeyId": "a",
        "SecretAccessKey": "b",
        "Token": "t",
        "Expiration": expires.isoformat(),
    }
    with Canned(200, json.dumps(answer).encode(), {"Content-Type": "application/json"}) as agent:
        environment(
            AWS_ENDPOINT_URL_S3=strict_s3.url, AWS_CONTAINER_CREDENTIALS_FULL_URI=agent.url + "/"
        )
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        role = S3(strict_s3.bucket)
        for use in CLIENTS.values():
            use(role)
        source = role.credential_source()
    assert (source.method, source.expires_at) == ("container-role", expires)
    assert len(agent.seen) == 1


def test_both_clients_and_all_siblings_share_the_credentials(s3: S3, wallet: Wallet) -> None:
    """Strict S3."""
    wallet.fill("key", 3600)
    shared = S3(s3.bucket)
    for each in (shared, shared.bounded(5), shared.sibling(attempts=1)):
        for use in CLIENTS.values():
            use(each)
    assert wallet.runs == 1


@BOTH
def test_credentials_are_renewed_before_they_end(
    s3: S3, strict_s3: StrictS3, wallet: Wallet, use: Callable[[S3], object]
) -> None:
    """Strict S3, taking one key only. Four minutes before their end, no client uses credentials any
    more.
    """
    wallet.fill("first", 240)
    strict_s3.signatures.access_key = "first"
    shared = S3(s3.bucket, attempts=1)
    use(shared)
    wallet.fill("second", 3600)
    strict_s3.signatures.access_key = "second"
    deadline = time.monotonic() + 5
    # obstore asks for new ones a tenth of a second after the last time at the earliest.
    while True:
        try:
            use(shared)
        except NoCredentials:
            assert time.monotonic() < deadline
        else:
            break


@pytest.mark.parametrize("expired", [True, False])
@BOTH
def test_keys_that_are_replaced_from_outside_are_found(
    s3: S3,
    strict_s3: StrictS3,
    environment: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    use: Callable[[S3], object],
    expired: bool,
) -> None:
    """Strict S3. Keys in a file have no end for botocore: it would use them until the server is
    started again.
    """
    profile = "[default]\naws_access_key_id = {}\naws_secret_access_key = b"
    environment(profile.format("first"), AWS_ENDPOINT_URL_S3=strict_s3.url)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    shared = S3(strict_s3.bucket, attempts=1)
    use(shared)
    if expired:
        strict_s3.signatures.expired = True
    else:
        strict_s3.signatures.access_key = "second"
    with pytest.raises(CredentialsExpired if expired else NoCredentials):
        use(shared)
    strict_s3.signatures.expired = False
    strict_s3.signatures.access_key = "second"
    environment(profile.format("second"))
    use(shared)


def test_a_storm_of_refusals_reads_the_configuration_once(
    s3: S3, strict_s3: StrictS3, wallet: Wallet
) -> None:
    """Strict S3."""
    wallet.fill("key", 3600)
    strict_s3.signatures.access_key = "other"
    shared = S3(s3.bucket, attempts=1)

    def refused(number: int) -> type[WherobotsError]:
        with pytest.raises(WherobotsError) as caught:
            list(CLIENTS.values())[number % 2](shared)
        return caught.type

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(refused, range(64))) == {NoCredentials}
    assert wallet.runs <= 3


# -- time


def test_bounded_is_as_short_as_it_says(s3: S3) -> None:
    assert s3.bounded(2).timeouts == Timeouts(connect=2, read=2, put=2)
    assert s3.bounded(60).timeouts == Timeouts(connect=5, read=30, put=60)
    assert s3.bounded(2).attempts == 1


@BOTH
def test_bounded_ends_in_time_and_tries_once(
    s3: S3, strict_s3: StrictS3, use: Callable[[S3], object]
) -> None:
    """Strict S3, holding every answer."""
    with strict_s3.gate() as gate:
        started = time.monotonic()
        with pytest.raises(Unreachable):
            use(s3.bounded(0.2))
        assert time.monotonic() - started < 3
        assert len(gate.wait_for_arrivals(1)) == 1


def test_passing_failures_are_tried_again_for_reads(s3: S3, strict_s3: StrictS3) -> None:
    """Strict S3."""
    strict_s3.put("key", b"1")
    for operation, request in (
        ("GetObject", lambda: get(S3(s3.bucket), "key").read()),
        ("ListObjectsV2", lambda: page(S3(s3.bucket), "").objects),
    ):
        strict_s3.fail(operation, code="SlowDown", times=1)
        assert request()
