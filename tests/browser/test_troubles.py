"""When something is wrong, the page says what, where and what next, and mends itself when it is over."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Seed, s3_settings
from tests.browser.lab import OWN, PLACE, Panel, lab, open_lab, requests_of, visit
from tests.jupyter_process import JupyterProcess
from tests.strict_s3 import Access, StrictS3

pytestmark = pytest.mark.browser


def test_without_configuration_it_says_exactly_what_is_missing(
    browser: Browser, tmp_path: Path
) -> None:
    with (
        lab(tmp_path, {"WHEROBOTS_BUCKET": "some-bucket"}) as server,
        visit(browser, server) as page,
    ):
        page.get_by_role("tab", name="Managed Storage").click()
        panel = Panel(page)
        alert = panel.region.get_by_role("alert")
        expect(alert).to_contain_text("not set up")
        expect(alert).to_contain_text("organization is not set")
        expect(alert).to_contain_text("WHEROBOTS_ORGANIZATION")
        expect(alert).to_contain_text("WHEROBOTS_USER")
        expect(alert).not_to_contain_text("WHEROBOTS_BUCKET")
        for name in ("Upload", "New folder"):
            expect(panel.button(name)).to_be_disabled()
        expect(page.get_by_role("button", name="Not synchronised")).to_be_visible()


def test_a_bucket_that_does_not_exist_is_named(
    browser: Browser, tmp_path: Path, s3: StrictS3
) -> None:
    environment = {**PLACE, **s3_settings(s3), "WHEROBOTS_BUCKET": "no-such-bucket"}
    with lab(tmp_path, environment) as server, visit(browser, server) as page:
        panel = Panel(page).open()
        panel.enter("data")
        panel.row("shared").dblclick()
        alert = panel.region.get_by_role("alert")
        expect(alert).to_contain_text("no-such-bucket")
        expect(alert).to_contain_text("WHEROBOTS_BUCKET")


@pytest.mark.parametrize(
    ("code", "words", "hint"),
    [
        ("ExpiredToken", "credentials have expired", "Renew the credentials"),
        ("SlowDown", "asked to slow down", "try again in a moment"),
        ("InternalError", "did not answer", "Check the network"),
    ],
)
def test_each_failure_of_s3_has_its_words(
    seed: Seed, panel: Panel, s3: StrictS3, code: str, words: str, hint: str
) -> None:
    seed(f"{OWN}file.txt")
    s3.fail("ListObjectsV2", code=code, times=None)
    panel.enter("data")
    panel.row("shared").dblclick()
    alert = panel.region.get_by_role("alert")
    expect(alert).to_contain_text(words, timeout=60_000)
    expect(alert).to_contain_text(hint)
    s3.heal()
    alert.get_by_role("button", name="Retry").click()
    expect(panel.region.get_by_text("This folder is empty.")).to_be_visible()


def test_credentials_that_expired_are_said_by_whatever_needs_them(
    seed: Seed, panel: Panel, page: Page, s3: StrictS3, tmp_path: Path
) -> None:
    """Opening, a new folder, a new name, an upload: what was not done, why, and what next."""
    seed(f"{OWN}a.txt")
    (tmp_path / "b.txt").write_text("b")
    panel.go(OWN)
    expect(panel.row("a.txt")).to_be_visible()
    s3.fail(code="ExpiredToken", times=None)
    dialog = page.get_by_role("dialog")

    def expect_said(title: str) -> None:
        expect(dialog).to_contain_text(title)
        expect(dialog).to_contain_text("credentials have expired")
        expect(dialog).to_contain_text("Renew the credentials")
        dialog.get_by_role("button", name="Close").click()
        expect(dialog).to_have_count(0)

    panel.row("a.txt").click()
    page.keyboard.press("F2")
    page.keyboard.type("c")
    page.keyboard.press("Enter")
    expect_said("“a.txt” was not renamed")
    panel.button("New folder").click()
    page.keyboard.type("made")
    page.keyboard.press("Enter")
    expect_said("“made” was not created")
    panel.row("a.txt").dblclick()
    expect_said("“a.txt” was not opened")
    with page.expect_file_chooser() as chooser:
        panel.button("Upload").click()
    chooser.value.set_files([tmp_path / "b.txt"])
    transfers = panel.region.get_by_role("region", name="Transfers")
    expect(transfers.get_by_role("alert")).to_contain_text("credentials have expired")
    expect(transfers.get_by_role("alert")).to_contain_text("Renew the credentials")
    s3.heal()
    transfers.get_by_role("button", name="Retry the upload of b.txt").click()
    expect(panel.row("b.txt")).to_be_visible()
    assert s3.keys(f"org-4711/{OWN}") == [f"org-4711/{OWN}a.txt", f"org-4711/{OWN}b.txt"]


def test_what_is_gone_is_said_wherever_one_comes_from(
    seed: Seed, page: Page, lab_server: JupyterProcess, s3: StrictS3
) -> None:
    """By a link, by opening, by a folder that somebody deleted; and the keyboard has somewhere to go on."""
    seed(f"{OWN}folder/a.csv", f"{OWN}folder/b.csv")
    open_lab(page, lab_server, f"lab?managed-storage=/{OWN}folder/no-such.csv")
    panel = Panel(page)
    alert = panel.region.get_by_role("alert")
    expect(alert).to_contain_text("“no-such.csv” is not in this folder")
    s3.delete(f"org-4711/{OWN}folder/a.csv")
    panel.row("a.csv").dblclick()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("“a.csv” was not opened")
    expect(dialog).to_contain_text("does not exist")
    dialog.get_by_role("button", name="Close").click()
    expect(panel.row("a.csv")).to_have_count(0)
    s3.delete(f"org-4711/{OWN}folder/b.csv")
    s3.deny(f"org-4711/{OWN}", Access)
    panel.button("Refresh").focus()
    page.keyboard.press("Enter")
    expect(alert).to_contain_text("may not list")
    s3.allow_all()
    alert.get_by_role("button", name="Retry").click()
    expect(panel.region.get_by_text(f"There is no folder /{OWN}folder/.")).to_be_visible()
    panel.button("Go to the folder above").click()
    expect(panel.region.locator("[aria-current=location]")).to_have_text("customer-abc123")
    s3.deny(f"org-4711/{OWN}", Access)
    panel.grid.focus()
    page.keyboard.press("Backspace")
    expect(panel.row("shared")).to_be_visible()
    page.keyboard.press("Enter")
    expect(panel.button("Retry")).to_be_focused()


def test_a_page_that_fails_leaves_what_is_there(panel: Panel, page: Page, s3: StrictS3) -> None:
    s3.generate(f"org-4711/{OWN}many/", 5000)
    panel.go(OWN)
    panel.enter("many")
    expect(panel.row("00000000.bin")).to_be_visible()
    s3.deny("org-4711/data/", [Access.LIST])
    panel.grid.focus()
    for _ in range(4):
        page.keyboard.press("End")
    alert = panel.region.get_by_role("alert")
    expect(alert).to_contain_text("may not list")
    page.keyboard.press("Home")
    expect(panel.row("00000000.bin")).to_be_visible()
    s3.allow_all()
    alert.get_by_role("button", name="Retry").click()
    expect(alert).to_have_count(0)


def test_a_server_restarted_under_the_page(
    browser: Browser, tmp_path: Path, seed: Seed, s3: StrictS3
) -> None:
    seed(f"{OWN}file.txt", "data/shared/later.txt")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**PLACE, **s3_settings(s3)}
    with (
        lab(tmp_path, environment, port=port) as first,
        visit(browser, first) as page,
    ):
        panel = Panel(page).open()
        panel.go(OWN)
        expect(panel.row("file.txt")).to_be_visible()
        first.stop()
        panel.button("Refresh").click()
        alert = panel.region.get_by_role("alert")
        expect(alert).to_contain_text("The Jupyter server does not answer.")
        expect(panel.row("file.txt")).to_be_visible()
        with lab(tmp_path, environment, port=port):
            alert.get_by_role("button", name="Retry").click()
            expect(alert).to_have_count(0)
            panel.go("data/shared/")
            expect(panel.row("later.txt")).to_be_visible()


def test_a_hidden_document_asks_for_nothing(seed: Seed, panel: Panel, page: Page) -> None:
    seed(f"{OWN}file.txt")
    panel.go(OWN)
    expect(panel.row("file.txt")).to_be_visible()
    page.evaluate(
        """() => {
          Object.defineProperty(document, 'hidden', { get: () => true });
          document.dispatchEvent(new Event('visibilitychange'));
        }"""
    )
    page.clock.install()
    with requests_of(page) as seen:
        page.clock.run_for(60 * 60 * 1000)
    assert seen == []


def test_behind_a_hub_under_its_base_url(
    browser: Browser, tmp_path: Path, seed: Seed, s3: StrictS3
) -> None:
    seed(f"{OWN}file.txt", body=b"content")
    environment = {**PLACE, **s3_settings(s3)}
    arguments = ["--ServerApp.base_url=/user/someone@example.org/"]
    with lab(tmp_path, environment, arguments=arguments) as server, visit(browser, server) as page:
        panel = Panel(page).open()
        panel.go(OWN)
        panel.button("New folder").click()
        page.keyboard.type("made")
        page.keyboard.press("Enter")
        expect(panel.row("made")).to_be_visible()
        panel.row("file.txt").click(button="right")
        with page.expect_download() as download:
            page.get_by_role("menuitem", name="Download").click()
        assert download.value.path().read_bytes() == b"content"
        panel.row("file.txt").dblclick()
        expect(page.locator(".jp-FileEditor .cm-content")).to_have_text("content")
