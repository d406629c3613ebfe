"""The whole panel without a mouse: every flow begins and ends with the keyboard somewhere one can go on from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Seed
from tests.browser.lab import ORGANIZATION, OWN, USER, Panel
from tests.strict_s3 import StrictS3

pytestmark = pytest.mark.browser


@pytest.fixture
def panel(seed: Seed, page: Page) -> Panel:
    """Opened from the command palette, in the user's own folder."""
    seed(f"{OWN}alpha.csv", f"{OWN}beta.csv", f"{OWN}gamma.csv", f"{OWN}folder/needle.csv")
    panel = Panel(page)
    command(page, "Show Managed Storage")
    expect(panel.row("data")).to_be_visible()
    expect(panel.grid).to_be_focused()
    for key in ("Home", "Enter"):
        page.keyboard.press(key)
    expect(panel.row(f"customer-{USER}")).to_be_visible()
    for key in ("Home", "Enter"):
        page.keyboard.press(key)
    expect(panel.row("alpha.csv")).to_be_visible()
    return panel


def command(page: Page, words: str) -> None:
    """Run a command of the palette."""
    page.keyboard.press("Control+Shift+c")
    expect(page.locator(".lm-CommandPalette-input:focus")).to_be_visible()
    page.keyboard.type(words)
    page.keyboard.press("Enter")


def active_row(panel: Panel) -> Locator:
    """The row the keyboard is on, as assistive technology finds it."""
    row_id = panel.grid.get_attribute("aria-activedescendant")
    assert row_id
    return panel.page.locator(f"#{row_id}")


def tab_to(page: Page, target: Locator, key: str = "Tab") -> None:
    """Press Tab (or Shift+Tab) until an element has the focus."""
    for _ in range(30):
        if target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError("not reachable")


def test_find_and_copy(panel: Panel, page: Page) -> None:
    page.keyboard.press("Control+f")
    page.keyboard.type("needle")
    page.keyboard.press("Enter")
    expect(panel.region.get_by_text("1 found")).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(panel.grid).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Control+c")
    expect(panel.region.get_by_role("status")).to_contain_text("Copied")
    assert panel.clipboard() == f"s3://strict-bucket/{ORGANIZATION}/{OWN}folder/needle.csv"
    page.keyboard.press("Control+f")
    page.keyboard.press("Escape")
    expect(panel.grid).to_be_focused()
    expect(panel.row("alpha.csv")).to_be_visible()


def test_the_filter_is_come_back_to(panel: Panel, page: Page) -> None:
    """The same keys that open it lead back into it, with what was typed: to change it or to type over it."""
    box = panel.region.get_by_role("searchbox", name="Filter by name")
    page.keyboard.press("Control+f")
    page.keyboard.type("bet")
    panel.expect_rows("beta.csv")
    page.keyboard.press("ArrowDown")
    expect(panel.grid).to_be_focused()
    page.keyboard.press("Control+f")
    expect(box).to_be_focused()
    expect(box).to_have_value("bet")
    page.keyboard.type("gam")
    panel.expect_rows("gamma.csv")


def test_rename_and_delete(panel: Panel, page: Page, s3: StrictS3) -> None:
    page.keyboard.type("beta")
    page.keyboard.press("F2")
    page.keyboard.type("delta")
    page.keyboard.press("Enter")
    expect(panel.grid).to_be_focused()
    expect(panel.row("delta.csv")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Delete")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(panel.grid).to_be_focused()
    page.keyboard.press("Delete")
    tab_to(page, dialog.get_by_role("button", name="Delete for good"))
    page.keyboard.press("Enter")
    expect(panel.row("delta.csv")).to_have_count(0)
    expect(panel.grid).to_be_focused()
    # On the row after it, which is not selected: the same key does not delete that one too.
    expect(active_row(panel)).to_have_accessible_name(re.compile("^gamma.csv, "))
    page.keyboard.press("Delete")
    page.keyboard.press("F2")
    expect(dialog).to_have_count(0)
    expect(panel.region.get_by_role("textbox")).to_have_count(0)
    page.keyboard.press("ArrowUp")
    panel.expect_selected("alpha.csv")
    assert s3.keys(f"{ORGANIZATION}/{OWN}") == [
        f"{ORGANIZATION}/{OWN}{name}" for name in ("alpha.csv", "folder/needle.csv", "gamma.csv")
    ]


def test_the_menu_is_about_the_active_row(panel: Panel, page: Page) -> None:
    page.keyboard.type("gamma")
    page.keyboard.press("Shift+F10")
    menu = page.get_by_role("menu").last
    expect(menu).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel.grid).to_be_focused()
    page.keyboard.press("Shift+F10")
    expect(menu).to_be_visible()
    wanted = page.locator(".lm-Menu-item.lm-mod-active", has_text="Copy Path as Code")
    for _ in range(20):
        page.keyboard.press("ArrowDown")
        if wanted.count() == 1:
            break
    page.keyboard.press("Enter")
    expect(panel.region.get_by_role("status")).to_contain_text("Copied")
    assert panel.clipboard() == 'os.environ["USER_S3_PATH"] + "gamma.csv"'
    expect(panel.grid).to_be_focused()
    panel.expect_selected("gamma.csv")


def test_upload_and_its_drawer(panel: Panel, page: Page, s3: StrictS3, tmp_path: Path) -> None:
    file = tmp_path / "large.bin"
    with file.open("wb") as stream:
        stream.truncate(40 * 2**20)
    upload = panel.button("Upload")
    tab_to(page, upload, "Shift+Tab")
    gate = s3.gate("UploadPart")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(file)
    gate.wait_for_arrivals(1, 60)
    expect(upload).to_be_focused()
    pause = panel.button("Pause the upload of large.bin")
    tab_to(page, pause)
    page.keyboard.press("Enter")
    resume = panel.button("Resume the upload of large.bin")
    expect(resume).to_be_visible()
    drawer = panel.region.get_by_role("region", name="Transfers")
    expect(drawer.locator(":focus")).to_have_count(1)  # not lost with the button that is gone
    gate.release()
    tab_to(page, resume)
    page.keyboard.press("Enter")
    expect(drawer).to_contain_text("All done", timeout=60_000)
    expect(drawer.locator(":focus")).to_have_count(1)
    clear = panel.button("Remove finished transfers")
    tab_to(page, clear, "Shift+Tab")
    page.keyboard.press("Enter")
    expect(drawer).to_have_count(0)
    expect(panel.grid).to_be_focused()


def test_a_command_brings_the_panel_to_the_front(panel: Panel, page: Page) -> None:
    """From the palette, with another sidebar in its place: a name nobody sees would be typed nowhere."""
    page.keyboard.type("beta")
    page.get_by_role("tab", name="File Browser").click()
    expect(panel.region).to_be_hidden()
    command(page, "Managed Storage Rename")
    expect(panel.region.get_by_role("textbox", name="New name")).to_be_focused()
    page.keyboard.press("Escape")
    expect(panel.grid).to_be_focused()
    page.get_by_role("tab", name="File Browser").click()
    command(page, "Managed Storage New Folder")
    expect(panel.region.get_by_role("textbox", name="Name of the new folder")).to_be_focused()
    page.keyboard.type("made")
    page.keyboard.press("Enter")
    expect(panel.row("made")).to_have_attribute("aria-selected", "true")
    page.get_by_role("tab", name="File Browser").click()
    command(page, "Managed Storage Copy S3 Path")
    expect(panel.region.get_by_role("status")).to_contain_text("Copied")
    expect(panel.grid).to_be_focused()


def test_the_palette_has_all_of_it(panel: Panel, page: Page) -> None:
    said = panel.region.get_by_role("status")
    command(page, "Managed Storage Select All")
    panel.expect_selected("folder", "alpha.csv", "beta.csv", "gamma.csv")
    expect(panel.grid).to_be_focused()
    page.keyboard.type("beta")
    command(page, "Managed Storage Copy Link")
    expect(said).to_contain_text("managed-storage=/")
    command(page, "Managed Storage Cut")
    expect(said).to_contain_text("paste it into another folder")
    command(page, "Managed Storage Sort by Size")
    size = panel.region.get_by_role("columnheader", name="Size")
    expect(size).to_have_attribute("aria-sort", "descending")
    command(page, "Managed Storage Filter by Name")
    expect(panel.region.get_by_role("searchbox")).to_be_focused()
    page.keyboard.press("Escape")
    expect(panel.grid).to_be_focused()
    page.keyboard.type("folder")
    command(page, "Managed Storage Open")
    expect(panel.row("needle.csv")).to_be_visible()
    command(page, "Managed Storage Move beta.csv Here")
    expect(panel.row("beta.csv")).to_be_visible()
    command(page, "Managed Storage Go to the Parent Folder")
    panel.expect_rows("folder", "alpha.csv", "gamma.csv")
    panel.expect_selected("folder")


def test_the_view_of_home_and_the_way_back(panel: Panel, page: Page) -> None:
    page.keyboard.type("beta")
    command(page, "Show What of Home Is Saved")
    expect(page.locator(".jp-Wherobots-sync")).to_contain_text("Home is not synchronised")
    command(page, "Show Managed Storage")
    expect(panel.grid).to_be_focused()
    panel.expect_selected("beta.csv")


def test_the_menu_of_hidden_folders(seed: Seed, page: Page) -> None:
    """Escape leaves the keyboard where it was."""
    seed(f"{OWN}a folder with a name/that leaves/no room/for the others/deep/x.csv")
    panel = Panel(page).open()
    panel.go(f"{OWN}a folder with a name/that leaves/no room/for the others/deep/")
    hidden = panel.button("Hidden folders")
    tab_to(page, hidden, "Shift+Tab")
    page.keyboard.press("Enter")
    menu = page.get_by_role("menu").last
    expect(menu).to_contain_text("that leaves")
    page.keyboard.press("Escape")
    expect(hidden).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(panel.region.locator("[aria-current=location]")).to_have_text("data")
    expect(panel.region.locator(":focus")).to_have_count(1)


def test_what_happens_is_heard(panel: Panel, page: Page, s3: StrictS3, tmp_path: Path) -> None:
    """How much there is, that nothing was found, and that an upload wants an answer or is done."""
    heard = panel.region.locator("[aria-live=polite]")
    expect(heard.filter(has_text="4 items")).to_have_count(1)
    page.keyboard.press("Control+f")
    page.keyboard.type("needle")
    expect(heard.filter(has_text="Nothing found")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(heard.filter(has_text="1 found")).to_have_count(1)
    page.keyboard.press("Escape")
    file = tmp_path / "alpha.csv"
    file.write_text("other")
    with page.expect_file_chooser() as chooser:
        panel.button("Upload").click()
    chooser.value.set_files(file)
    expect(heard.filter(has_text="1 upload needs an answer")).to_have_count(1)
    panel.button("Keep both").click()
    expect(heard.filter(has_text="All done")).to_have_count(1)
