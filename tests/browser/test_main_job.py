"""The whole way, on the demo, as a person goes it: browse, copy a path, run a notebook, find it saved, stop, lose nothing.

Stores: moto in the demo's process (all of S3's conditions), `rclone serve s3` (ignores them, and the page says so).
"""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.lab import Panel
from tests.conftest import ACCESS_KEY, SECRET_KEY
from tests.process.test_demo import HOME, Bucket, demo
from tests.process.test_demo import request as ask

pytestmark = pytest.mark.browser

OWN_URI = "s3://wherobots-demo/acmegeo/data/customer-ada/"


def open_demo(browser: Browser, url: str) -> Page:
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=origin)
    page = context.new_page()
    # jupyter_server calls a folder missing if a file in it is renamed while it is listed, and JupyterLab says so.
    missing = page.get_by_role("dialog", name="Directory not found")
    page.add_locator_handler(missing, lambda _: page.keyboard.press("Enter"))
    page.goto(url)
    page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=60_000)
    return page


@pytest.mark.timeout(240)
@pytest.mark.parametrize("store", ["embedded", "rclone"])
def test_the_main_job(
    store: str, browser: Browser, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    arguments = ["--json", "--keep-s3"]
    environment = {}
    if store == "rclone":
        arguments += ["--endpoint-url", request.getfixturevalue("rclone_url")]
        arguments += ["--home", str(tmp_path / "home")]
        environment = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    with demo(tmp_path / "demo", *arguments, **environment) as running:
        ready = running.event("ready")
        home, bucket = Path(ready["home"]), Bucket(ready)
        page = open_demo(browser, ready["url"])

        copy_a_path_and_read_it(page, bucket)
        run_and_save_a_notebook(page)
        find_it_in_the_panel(page)
        tells_the_truth_about_the_endpoint(ready, store)

        (home / "the last edit.txt").write_text("written as the server was told to stop")
        os.kill(ready["lab_pid"], signal.SIGTERM)
        ended = running.event("ended")
        assert (ended["saved"], ended["missing"], ended["different"]) == (True, [], [])
        remote = bucket.contents(HOME)
        assert remote["the last edit.txt"] == b"written as the server was told to stop"
        assert b"acmegeo/data/customer-ada/" in remote["Mine.ipynb"]
        page.context.close()
        assert running.stop() == 0


def copy_a_path_and_read_it(page: Page, bucket: Bucket) -> None:
    panel = Panel(page).open()
    panel.enter("data", "customer-ada")
    files = panel.region.locator("[role=row][data-type=FILE]")
    name = (files.first.get_attribute("aria-label") or "").partition(",")[0]
    panel.button(f"Copy S3 path of {name}").click()
    expect(panel.region.get_by_role("status")).to_contain_text("Copied")
    assert panel.clipboard() == OWN_URI + name
    key = urlsplit(panel.clipboard()).path[1:]
    assert bucket.contents(key)[""]


def run_and_save_a_notebook(page: Page) -> None:
    page.get_by_role("menuitem", name="File", exact=True).click()
    page.locator(".lm-Menu-item:visible", has_text=re.compile("^New Launcher")).click()
    page.locator(".jp-LauncherCard:visible", has_text="Python 3").first.click()
    notebook = page.locator(".jp-NotebookPanel:visible")
    expect(page.get_by_role("button", name=re.compile(r"\| Idle$"))).to_be_visible(timeout=60_000)
    page.keyboard.press("Enter")
    page.keyboard.type("%env USER_S3_PATH")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("import os; print('shared', os.environ['USER_S3_SHARED_PATH'])")
    page.keyboard.press("Shift+Enter")
    expect(notebook.get_by_text(f"'{OWN_URI}'")).to_be_visible(timeout=60_000)
    expect(notebook.get_by_text("shared s3://wherobots-demo/acmegeo/data/shared/")).to_be_visible()
    page.keyboard.press("Control+s")
    rename = page.get_by_role("dialog")
    rename.get_by_role("textbox").fill("Mine.ipynb")
    rename.get_by_role("button", name="Rename").click()
    expect(rename).to_be_hidden()


def find_it_in_the_panel(page: Page) -> None:
    """Without asking for it: only Refresh is pressed until it is there, nobody starts a synchronisation."""
    panel = Panel(page)
    panel.go("notebooks/customer-ada/")

    def refresh_until_there() -> None:
        expect(panel.row("Mine.ipynb")).to_be_visible(timeout=1_000)

    for _ in range(20):
        panel.button("Refresh").click()
        try:
            refresh_until_there()
        except AssertionError:
            continue
        return
    refresh_until_there()


def tells_the_truth_about_the_endpoint(ready: dict[str, object], store: str) -> None:
    notes = " ".join(ask(ready, "wherobots/sync")["notes"])
    assert ("ignores If-Match on PUT" in notes) == (store == "rclone"), notes
