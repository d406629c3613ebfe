"""One Chromium and one JupyterLab for all tests of the page; a page and a folder of its own for each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.lab import CHROMIUM, FLAGS, ORGANIZATION, PLACE, Panel, lab, visit
from tests.conftest import ACCESS_KEY, REGION, SECRET_KEY, Endpoint
from tests.jupyter_process import JupyterProcess
from tests.strict_s3 import StrictS3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Seed:
    """Puts objects where the page finds them; paths are without the first slash."""

    def __init__(self, s3: StrictS3) -> None:
        self._s3 = s3

    def __call__(self, *paths: str, body: bytes = b"data") -> None:
        self._s3.put_many({f"{ORGANIZATION}/{path}": body for path in paths})


def s3_settings(server: Endpoint) -> dict[str, str]:
    """The environment that points the server, and nobody else, to an S3 server."""
    return {
        "AWS_ENDPOINT_URL_S3": server.url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "WHEROBOTS_BUCKET": server.bucket,
        "NO_PROXY": "127.0.0.1,localhost",
    }


def s3_client(server: Endpoint) -> S3Client:
    """boto3, as a notebook would use it."""
    return boto3.client(
        "s3",
        endpoint_url=server.url,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name=REGION,
    )


# pytest-jupyter gives every test an event loop and takes it away; in this thread Playwright's own runs already. For the
# same reason Chromium is closed before the tests of other folders go on.
@pytest.fixture(autouse=True)
def jp_asyncio_loop() -> None:
    """No loop but Playwright's."""


@pytest.fixture(autouse=True)
def jp_server_cleanup() -> None:
    """The server is a process of its own."""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def s3_of_lab() -> Iterator[StrictS3]:
    with StrictS3(region=REGION) as server:
        yield server


@pytest.fixture(scope="package")
def lab_server(
    s3_of_lab: StrictS3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[JupyterProcess]:
    with lab(tmp_path_factory.mktemp("lab"), {**PLACE, **s3_settings(s3_of_lab)}) as server:
        yield server


@pytest.fixture
def s3(s3_of_lab: StrictS3) -> StrictS3:
    """The storage behind the page, emptied: keys are ``ORGANIZATION + path``."""
    s3_of_lab.reset()
    return s3_of_lab


@pytest.fixture
def boto(s3: StrictS3) -> S3Client:
    return s3_client(s3)


@pytest.fixture
def page(browser: Browser, lab_server: JupyterProcess, s3: StrictS3) -> Iterator[Page]:
    """JupyterLab in a fresh browser profile."""
    with visit(browser, lab_server) as page:
        yield page


@pytest.fixture
def panel(page: Page) -> Panel:
    return Panel(page).open()


@pytest.fixture
def seed(s3: StrictS3) -> Seed:
    return Seed(s3)
