"""The same walk in the oldest JupyterLab and Notebook 7 supported, and in today's."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Seed, s3_settings
from tests.browser.lab import ORGANIZATION, OWN, PLACE, Panel, console_of, lab, open_lab, visit
from tests.jupyter_process import TOKEN, JupyterProcess, jupyter
from tests.strict_s3 import StrictS3

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
FLOOR = ("jupyterlab==4.1.*", "notebook==7.1.*", "jupyter_server==2.10.*", "ipykernel")
OURS = ("boto3", "jsonschema", "obstore", "pathspec", "pyyaml", "watchfiles")


def python_with(name: str, *install: str, below: Sequence[Path | str] = ()) -> str:
    """The Python of an environment that is kept beside the one of the tests, with this tree and ``below`` on its path."""
    folder = Path(sys.prefix) / name
    python, done = folder / "bin" / "python", folder / "done"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *install], check=True)
        (site,) = folder.glob("lib/python*/site-packages")
        (site / "jupyter_wherobots.pth").write_text("".join(f"{each}\n" for each in (*below, ROOT)))
        done.touch()
    return str(python)


@pytest.fixture(scope="session")
def floor_python() -> str:
    """The oldest JupyterLab and Notebook 7."""
    return python_with("floor", *FLOOR, *OURS)


@pytest.fixture(scope="session")
def todays_python() -> str:
    """The environment of the tests, and today's Notebook 7 on top of it."""
    # It wants the JupyterLab that is there: a newer one would be another version to test.
    install = ("--no-deps", "notebook>=7.6,<8")
    return python_with("notebook", *install, below=[sysconfig.get_path("purelib")])


def version(page: Page) -> tuple[int, ...]:
    """The version of the application that the page is."""
    element = page.locator("#jupyter-config-data")
    told = json.loads(element.text_content() or "{}")["appVersion"]
    return tuple(int(part) for part in told.split(".")[:2])


def environment(s3: StrictS3) -> dict[str, str]:
    return {
        **PLACE,
        **s3_settings(s3),
        # The extensions, and what enables them, are those of the environment of the tests.
        "JUPYTER_PATH": str(Path(sys.prefix) / "share" / "jupyter"),
        "JUPYTER_CONFIG_PATH": str(Path(sys.prefix) / "etc" / "jupyter"),
    }


def free_port() -> int:
    # The oldest servers do not say which port they got.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def walk(panel: Panel, s3: StrictS3) -> None:
    """Browse, copy, make a folder, rename, delete."""
    page = panel.page
    panel.go(OWN)
    panel.button("Copy S3 path of table.csv").click()
    assert panel.clipboard() == f"s3://strict-bucket/{ORGANIZATION}/{OWN}table.csv"
    panel.button("New folder").click()
    page.keyboard.type("made")
    page.keyboard.press("Enter")
    expect(panel.row("made")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("F2")
    page.keyboard.press("Control+a")
    page.keyboard.type("renamed")
    page.keyboard.press("Enter")
    expect(panel.row("renamed")).to_have_attribute("aria-selected", "true")
    panel.grid.focus()
    page.keyboard.press("Delete")
    page.get_by_role("button", name="Delete for good").click()
    expect(panel.row("renamed")).to_have_count(0)
    assert s3.keys(f"{ORGANIZATION}/{OWN}") == [f"{ORGANIZATION}/{OWN}table.csv"]
    panel.row("table.csv").click(button="right")
    expect(page.get_by_role("menuitem", name="Copy S3 Path")).to_be_visible()
    page.keyboard.press("Escape")


@contextmanager
def oldest_lab(folder: Path, s3: StrictS3, python: str) -> Iterator[JupyterProcess]:
    with lab(folder, environment(s3), port=free_port(), python=python) as server:
        yield server


def test_the_oldest_jupyterlab(
    browser: Browser, seed: Seed, s3: StrictS3, floor_python: str, tmp_path: Path
) -> None:
    seed(f"{OWN}table.csv", body=b"a,b\n1,2\n")
    with oldest_lab(tmp_path, s3, floor_python) as server, visit(browser, server) as page:
        with console_of(page) as said:
            open_lab(page, server)
            assert version(page) == (4, 1)
            walk(Panel(page).open(), s3)
            Panel(page).row("table.csv").dblclick()
            expect(page.get_by_role("tab", name="table.csv")).to_be_visible()
        # Made for today's versions, the bundle would warn about each package it shares.
        assert [line for line in said if "Unsatisfied version" in line] == []


@pytest.mark.parametrize("age", ["floor", "todays"])
def test_notebook_7(
    browser: Browser,
    seed: Seed,
    s3: StrictS3,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    age: str,
) -> None:
    seed(f"{OWN}table.csv", body=b"a,b\n1,2\n")
    python = request.getfixturevalue(f"{age}_python")
    variables = environment(s3)
    if age == "todays":
        variables["JUPYTERLAB_DIR"] = str(Path(sys.prefix) / "share" / "jupyter" / "lab")
    running = jupyter(tmp_path, variables, app="notebook", port=free_port(), python=python)
    with running as server, notebook(browser, server) as page:
        if age == "floor":
            assert version(page) == (7, 1)
        else:
            assert version(page) >= (7, 6)
        page.get_by_role("menuitem", name="View").click()
        page.locator(".lm-Menu-item", has_text="Left Sidebar").click()
        page.locator(".lm-Menu-item", has_text="Managed Storage").click()
        panel = Panel(page)
        expect(panel.row("data")).to_be_visible()
        walk(panel, s3)
        with page.context.expect_page() as opened:
            panel.row("table.csv").dblclick()
        expect(opened.value).to_have_url(re.compile("managed(:|%3A)data/customer-.*/table.csv"))


@contextmanager
def notebook(browser: Browser, server: JupyterProcess) -> Iterator[Page]:
    """The tree page of Notebook 7."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{server.url}tree?token={TOKEN}")
    page.wait_for_selector(".jp-DirListing")
    yield page
    context.close()


def test_todays_jupyterlab(seed: Seed, panel: Panel, s3: StrictS3) -> None:
    assert version(panel.page) >= (4, 6)
    seed(f"{OWN}table.csv", body=b"a,b\n1,2\n")
    walk(panel, s3)
