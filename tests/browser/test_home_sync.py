"""The status bar and the view of home tell the truth about what is saved, with the real mirror behind them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import s3_settings
from tests.browser.lab import ORGANIZATION, PLACE, USER, Panel, lab, visit
from tests.conftest import REGION
from tests.jupyter_process import JupyterProcess
from tests.strict_s3 import StrictS3

pytestmark = pytest.mark.browser

HOME = f"{ORGANIZATION}/notebooks/customer-{USER}/"
SAVED = re.compile(r"^Saved \d\d:\d\d:\d\d$")


@pytest.fixture(scope="module")
def s3_of_home() -> Iterator[StrictS3]:
    with StrictS3(region=REGION) as server:
        yield server


@pytest.fixture(scope="module")
def synchronised(
    s3_of_home: StrictS3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[JupyterProcess]:
    environment = {
        **PLACE,
        **s3_settings(s3_of_home),
        "WHEROBOTS_HOME_PERSISTENCE": "sync",
        "WHEROBOTS_SYNC_INTERVAL": "5",
    }
    with lab(tmp_path_factory.mktemp("synchronised"), environment) as server:
        yield server


@pytest.fixture
def page(browser: Browser, synchronised: JupyterProcess) -> Iterator[Page]:
    with visit(browser, synchronised) as page:
        yield page


def item(page: Page) -> Locator:
    return (
        page.get_by_role("contentinfo")
        .or_(page.locator("#jp-main-statusbar"))
        .get_by_role("button", name=re.compile("Saved|to save|Not synchronised|Looking"))
    )


def open_view(page: Page) -> Locator:
    item(page).click()
    expect(page.get_by_role("heading", name="Home directory")).to_be_visible()
    return page.locator(".jp-Wherobots-sync")


def test_a_saved_notebook_is_in_s3_and_the_status_says_when(
    page: Page, synchronised: JupyterProcess, s3_of_home: StrictS3
) -> None:
    expect(item(page)).to_have_text(SAVED, timeout=30_000)
    (synchronised.home / "work.txt").write_text("precious")
    s3_of_home.wait_until(lambda: s3_of_home.object(f"{HOME}work.txt") is not None, 30)
    assert s3_of_home.body(f"{HOME}work.txt") == b"precious"
    expect(item(page)).to_have_text(SAVED, timeout=30_000)
    panel = Panel(page).open()
    panel.enter("notebooks", f"customer-{USER}")
    expect(panel.row("work.txt")).to_be_visible()


def test_what_waits_is_counted_and_named(
    page: Page, synchronised: JupyterProcess, s3_of_home: StrictS3
) -> None:
    s3_of_home.deny(f"{HOME}refused")
    try:
        for name in ("refused-1.txt", "refused-2.txt", "refused/.hidden", ".netrc"):
            (synchronised.home / name).parent.mkdir(exist_ok=True)
            (synchronised.home / name).write_text("x")
        expect(item(page)).to_have_text("3 to save", timeout=30_000)
        view = open_view(page)
        expect(view).to_contain_text("refused-1.txt", timeout=20_000)
        view.get_by_text(re.compile("^Not saved on purpose")).click()
        skipped = view.get_by_role("listitem").filter(has_text=".netrc")
        expect(skipped).to_contain_text("Credentials are not put")
        view.get_by_role("button", name="refused/.hidden").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("does not open hidden files")
        dialog.get_by_role("button", name="Close").click()
    finally:
        s3_of_home.allow_all()
    view.get_by_role("button", name="Save now").click()
    expect(view.get_by_role("status")).to_have_text("Everything is saved.", timeout=30_000)
    assert s3_of_home.body(f"{HOME}refused-2.txt") == b"x"


def test_an_unsaved_document_is_not_saved(
    page: Page, synchronised: JupyterProcess, s3_of_home: StrictS3
) -> None:
    (synchronised.home / "draft.txt").write_text("old ")
    s3_of_home.wait_until(lambda: s3_of_home.object(f"{HOME}draft.txt") is not None, 30)
    page.get_by_title("Refresh the file browser").click()
    page.locator("#filebrowser .jp-DirListing-item", has_text="draft.txt").dblclick()
    editor = page.locator(".jp-FileEditor:visible .cm-content")
    editor.click()
    page.keyboard.press("Control+End")
    page.keyboard.type("new")
    expect(item(page)).to_have_text(re.compile("to save"))
    view = open_view(page)
    expect(view).to_contain_text("draft.txt")
    view.get_by_role("button", name="Save now").click()
    expect(view.get_by_role("status")).to_have_text("Everything is saved.", timeout=30_000)
    assert s3_of_home.body(f"{HOME}draft.txt") == b"old new"


def test_a_change_made_in_s3_is_shown_and_brought_here(
    page: Page, synchronised: JupyterProcess, s3_of_home: StrictS3
) -> None:
    (synchronised.home / "plan.txt").write_text("mine")
    s3_of_home.wait_until(lambda: s3_of_home.object(f"{HOME}plan.txt") is not None, 30)
    s3_of_home.put(f"{HOME}plan.txt", b"from elsewhere")
    s3_of_home.put(f"{HOME}new/plan.txt", b"from elsewhere")
    view = open_view(page)
    view.get_by_role("button", name="Look for changes in S3").click()
    expect(view).to_contain_text("plan.txt", timeout=30_000)
    view.get_by_role("button", name="Bring it here: plan.txt").click()
    expect(page.get_by_role("heading", name="Home directory")).to_be_visible()
    brought: list[Path] = []

    def arrived() -> bool:
        brought[:] = [
            path
            for path in synchronised.home.glob("plan*.txt")
            if path.read_bytes() == b"from elsewhere"
        ]
        return bool(brought)

    s3_of_home.wait_until(arrived, 30)
    assert (synchronised.home / "plan.txt").read_text() == "mine"
    # What only S3 had is the same on both sides then: nothing to decide, and nothing to bring any more.
    bring = view.get_by_role("button", name="Bring it here: new/plan.txt")
    bring.click()
    expect(bring).to_have_count(0)
    s3_of_home.wait_until((synchronised.home / "new" / "plan.txt").exists, 30)
    view.get_by_role("button", name="Save now").click()
    expect(view.get_by_role("status")).to_have_text("Everything is saved.", timeout=30_000)
    expect(view.get_by_role("heading", name="Changed on both sides")).to_have_count(0)
    assert s3_of_home.keys(f"{HOME}new/") == [f"{HOME}new/plan.txt"]


def test_a_conflict_keeps_both_and_says_where(
    page: Page, synchronised: JupyterProcess, s3_of_home: StrictS3
) -> None:
    file = synchronised.home / "both.txt"
    file.write_text("first")
    s3_of_home.wait_until(lambda: s3_of_home.object(f"{HOME}both.txt") is not None, 30)
    s3_of_home.put(f"{HOME}both.txt", b"theirs")
    file.write_text("mine, later")
    s3_of_home.wait_until(lambda: s3_of_home.body(f"{HOME}both.txt") == b"mine, later", 30)
    view = open_view(page)
    expect(view.get_by_role("heading", name="Changed on both sides")).to_be_visible()
    expect(view).to_contain_text("both.txt")
    view.get_by_role("button", name=re.compile("^Open the other version")).first.click()
    expect(page.locator(".jp-FileEditor:visible .cm-content")).to_have_text("theirs")


def test_what_was_deleted_in_s3_is_saved_again(
    page: Page, synchronised: JupyterProcess, s3_of_home: StrictS3
) -> None:
    (synchronised.home / "wanted.txt").write_text("mine")
    s3_of_home.wait_until(lambda: s3_of_home.object(f"{HOME}wanted.txt") is not None, 60)
    expect(item(page)).to_have_text(SAVED)
    s3_of_home.delete(f"{HOME}wanted.txt")
    view = open_view(page)
    view.get_by_role("button", name="Look for changes in S3").click()
    again = view.get_by_role("button", name="Save again: wanted.txt")
    again.click()
    s3_of_home.wait_until(lambda: s3_of_home.object(f"{HOME}wanted.txt") is not None, 60)
    expect(again).to_have_count(0)
    assert s3_of_home.body(f"{HOME}wanted.txt") == b"mine"


def test_when_nearly_all_is_gone_a_person_is_asked(
    page: Page, synchronised: JupyterProcess, s3_of_home: StrictS3
) -> None:
    names = [f"part-{n:02}.csv" for n in range(40)]
    for name in names:
        (synchronised.home / name).write_text("x")
    s3_of_home.wait_until(lambda: len(s3_of_home.keys(f"{HOME}part-")) == len(names), 60)
    expect(item(page)).to_have_text(SAVED)
    for name in names:
        (synchronised.home / name).unlink()
    view = open_view(page)
    button = view.get_by_role("button", name="Delete all 40 in S3 too")
    expect(button).to_be_visible(timeout=60_000)
    expect(view).to_contain_text("part-00.csv")
    assert len(s3_of_home.keys(f"{HOME}part-")) == len(names)
    button.click()
    s3_of_home.wait_until(lambda: s3_of_home.keys(f"{HOME}part-") == [], 60)
    expect(button).to_have_count(0)


def test_what_the_last_stop_could_not_save_is_named(
    browser: Browser, tmp_path: Path, s3_of_home: StrictS3
) -> None:
    user = f"{USER}-stopped"
    environment = {
        **PLACE,
        **s3_settings(s3_of_home),
        "WHEROBOTS_USER": user,
        "WHEROBOTS_HOME_PERSISTENCE": "sync",
        "WHEROBOTS_STOP_TIMEOUT": "5",
    }
    precious = f"{ORGANIZATION}/notebooks/customer-{user}/precious"
    s3_of_home.deny(precious)
    try:
        with lab(tmp_path, environment) as server:
            (server.home / "precious.csv").write_text("x")
            server.stop()
        with lab(tmp_path, environment) as server, visit(browser, server) as page:
            view = open_view(page)
            expect(view.get_by_role("heading", name="What the last stop")).to_be_visible()
            expect(view.get_by_role("button", name="precious.csv").last).to_be_visible()
    finally:
        s3_of_home.allow_all()


def test_the_lease_is_taken_over_from_another_instance(
    browser: Browser, tmp_path: Path, s3_of_home: StrictS3
) -> None:
    """Only after a question that says what it means; from then on this one overwrites and deletes."""
    user = f"{USER}-twice"
    home = f"{ORGANIZATION}/notebooks/customer-{user}/"
    body = {"engine": "another", "host": "the-other-machine", "process": 1}
    s3_of_home.put(f"{home}.wherobots/lease.json", json.dumps(body).encode())
    s3_of_home.clock.freeze()  # or it would run out while a slow machine gets here
    environment = {
        **PLACE,
        **s3_settings(s3_of_home),
        "WHEROBOTS_USER": user,
        "WHEROBOTS_HOME_PERSISTENCE": "sync",
        "WHEROBOTS_SYNC_INTERVAL": "5",
    }
    try:
        with lab(tmp_path, environment) as server, visit(browser, server) as page:
            (server.home / "work.txt").write_text("first")
            s3_of_home.wait_until(lambda: s3_of_home.object(f"{home}work.txt") is not None, 60)
            (server.home / "work.txt").write_text("second")
            view = open_view(page)
            expect(view).to_contain_text("the-other-machine", timeout=30_000)
            expect(view.get_by_role("heading", name="Waiting to be saved")).to_be_visible()
            button = view.get_by_role("button", name="Take over…")
            button.click()
            dialog = page.get_by_role("dialog")
            expect(dialog).to_contain_text("the-other-machine")
            dialog.get_by_role("button", name="Cancel").click()
            assert s3_of_home.body(f"{home}work.txt") == b"first"
            button.click()
            dialog.get_by_role("button", name="Take over").click()
            expect(button).to_have_count(0)
            s3_of_home.wait_until(lambda: s3_of_home.body(f"{home}work.txt") == b"second", 60)
            expect(item(page)).to_have_text(re.compile(r"^Saved"), timeout=30_000)
    finally:
        s3_of_home.clock.run()
