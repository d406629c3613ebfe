"""Sorting, filtering, searching, selecting, and coming back to where one was."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Seed
from tests.browser.lab import ORGANIZATION, OWN, USER, Panel, open_lab, visit
from tests.jupyter_process import JupyterProcess
from tests.strict_s3 import StrictS3

pytestmark = pytest.mark.browser


def test_columns_sort_both_ways(seed: Seed, panel: Panel) -> None:
    for name, size in (("a10", 1), ("a9", 300), ("B", 20)):
        seed(f"{OWN}{name}", body=b"x" * size)
    seed(f"{OWN}folder/x")
    panel.go(OWN)
    expect(panel.row("B")).to_be_visible()
    panel.expect_rows("folder", "a9", "a10", "B")
    header = panel.region.get_by_role("columnheader", name="Size")
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "descending")
    panel.expect_rows("folder", "a9", "B", "a10")
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "ascending")
    panel.expect_rows("folder", "a10", "B", "a9")


def test_the_filter_narrows_as_one_types(seed: Seed, panel: Panel, page: Page) -> None:
    seed(f"{OWN}roads.csv", f"{OWN}Roads.geojson", f"{OWN}rivers.csv")
    panel.go(OWN)
    panel.grid.focus()
    page.keyboard.press("Control+f")
    page.keyboard.type("road")
    expect(panel.row("rivers.csv")).to_have_count(0)
    panel.expect_rows("roads.csv", "Roads.geojson")
    page.keyboard.press("ArrowDown")
    expect(panel.grid).to_be_focused()
    panel.button("Filter").click()
    expect(panel.row("rivers.csv")).to_be_visible()


def test_what_a_filter_hides_is_left_alone(seed: Seed, panel: Panel, page: Page) -> None:
    """Selected before the filter hid it, a row is neither copied nor renamed; with it back, it is selected still."""
    seed(f"{OWN}alpha.csv", f"{OWN}beta.csv", f"{OWN}gamma.csv", f"{OWN}not-beta.csv")
    panel.go(OWN)
    panel.button("Copy S3 path of gamma.csv").click()
    panel.row("alpha.csv").click()
    page.keyboard.press("Control+f")
    page.keyboard.type("beta")
    panel.expect_rows("beta.csv", "not-beta.csv")
    page.keyboard.press("ArrowDown")
    expect(panel.grid).to_be_focused()
    for key in ("Control+c", "Control+x", "F2", "Delete"):
        page.keyboard.press(key)
    assert panel.clipboard().endswith("/gamma.csv")
    expect(panel.region.get_by_role("textbox")).to_have_count(0)
    panel.row("not-beta.csv").click(modifiers=["Shift"])
    panel.expect_selected("not-beta.csv")


def test_a_search_finds_what_lies_below(seed: Seed, panel: Panel, page: Page) -> None:
    seed(f"{OWN}a/b/needle one.csv", f"{OWN}c/NEEDLE.txt", f"{OWN}needle/x", f"{OWN}hay")
    panel.go(OWN)
    panel.button("Filter").click()
    page.keyboard.type("needle")
    page.keyboard.press("Enter")
    expect(panel.region.get_by_text("3 found")).to_be_visible()
    panel.expect_rows("needle one.csv", "NEEDLE.txt", "needle")
    expect(panel.row("needle one.csv")).to_contain_text("a/b/needle one.csv")
    panel.button("Copy S3 path of NEEDLE.txt").click()
    assert panel.clipboard() == f"s3://strict-bucket/{ORGANIZATION}/{OWN}c/NEEDLE.txt"
    panel.row("needle one.csv").click(button="right")
    page.get_by_role("menuitem", name="Show in Its Folder").click()
    expect(panel.region.locator("[aria-current=location]")).to_have_text("b")
    expect(panel.row("needle one.csv")).to_have_attribute("aria-selected", "true")


def test_a_search_can_be_stopped(panel: Panel, page: Page, s3: StrictS3) -> None:
    s3.generate(f"{ORGANIZATION}/{OWN}many/", 3_000_000)
    panel.go(OWN)
    panel.button("Filter").click()
    page.keyboard.type("no such name")
    page.keyboard.press("Enter")
    expect(panel.region.get_by_text("Searching…")).to_be_visible()
    panel.button("Stop").click()
    expect(panel.region.get_by_text("there may be more")).to_be_visible()
    before = s3.count("ListObjectsV2")
    panel.button("Show all").click()
    expect(panel.row("many")).to_be_visible()
    assert s3.count("ListObjectsV2") - before < 20


def test_what_was_found_is_sorted_too(seed: Seed, panel: Panel, page: Page) -> None:
    for name, size in (("a/needle 1", 1), ("b/needle 2", 300), ("needle 3", 20)):
        seed(f"{OWN}{name}", body=b"x" * size)
    panel.go(OWN).widen(460)
    panel.button("Filter").click()
    page.keyboard.type("needle")
    page.keyboard.press("Enter")
    expect(panel.region.get_by_text("3 found")).to_be_visible()
    panel.expect_rows("needle 1", "needle 2", "needle 3")
    panel.region.get_by_role("columnheader", name="Size").get_by_role("button").click()
    panel.expect_rows("needle 2", "needle 3", "needle 1")


def test_a_narrow_panel_sorts_by_date(seed: Seed, panel: Panel, page: Page) -> None:
    """There is no room for that column; the menu of the columns has it, and shows it then."""
    seed(f"{OWN}a.csv", f"{OWN}b.csv", f"{OWN}c.csv")
    panel.go(OWN)
    size = panel.region.get_by_role("columnheader", name="Size")
    modified = panel.region.get_by_role("columnheader", name="Modified")
    expect(size).to_be_visible()
    expect(modified).to_be_hidden()
    panel.row("b.csv").click()
    size.click(button="right")
    page.get_by_role("menuitem", name="Sort by Date").click()
    panel.expect_selected("b.csv")
    expect(modified).to_have_attribute("aria-sort", "descending")
    expect(size).to_be_hidden()
    expect(panel.row("a.csv").get_by_role("gridcell").nth(1)).to_have_text(re.compile(r"\d:\d"))
    modified.click(button="right")
    page.get_by_role("menuitem", name="Sort by Size").click()
    expect(size).to_have_attribute("aria-sort", "descending")


def test_several_are_selected_with_mouse_and_keyboard(seed: Seed, panel: Panel, page: Page) -> None:
    seed(*(f"{OWN}{letter}" for letter in "abcdef"))
    panel.go(OWN)
    panel.row("b").click()
    panel.row("d").click(modifiers=["Shift"])
    panel.expect_selected("b", "c", "d")
    panel.row("c").click(modifiers=["Control"])
    panel.expect_selected("b", "d")
    page.keyboard.press("Control+a")
    panel.expect_selected(*"abcdef")
    page.keyboard.press("Control+c")
    expect(panel.region.get_by_role("status")).to_contain_text("Copied 6 paths")
    base = f"s3://strict-bucket/{ORGANIZATION}/{OWN}"
    assert panel.clipboard() == "\n".join(base + letter for letter in "abcdef")
    page.keyboard.press("Escape")
    panel.expect_selected()
    page.keyboard.press("Home")
    page.keyboard.press("Shift+ArrowDown")
    panel.expect_selected("a", "b")


def test_a_reload_comes_back_to_the_folder(
    seed: Seed, panel: Panel, page: Page, lab_server: JupyterProcess
) -> None:
    seed(f"{OWN}deep/er/file.txt")
    panel.go(f"{OWN}deep/er/")
    # The place and the layout are written a moment after they changed.
    with page.expect_response(lambda response: "/api/workspaces/" in response.url):
        expect(panel.row("file.txt")).to_be_visible()
    open_lab(page, lab_server, "lab")
    expect(panel.row("file.txt")).to_be_visible()


def test_the_order_goes_along(
    seed: Seed, panel: Panel, page: Page, lab_server: JupyterProcess, s3: StrictS3
) -> None:
    """Into other folders and over a reload; a long one begins as it comes, and its header says so."""
    for name, size in (("a", 1), ("b", 300), ("deep/c", 1), ("deep/d", 300)):
        seed(f"{OWN}{name}", body=b"x" * size)
    s3.generate(f"{ORGANIZATION}/{OWN}many/", 1500)
    panel.go(OWN)
    columns = {
        name: panel.region.get_by_role("columnheader", name=name) for name in ("Name", "Size")
    }
    columns["Size"].get_by_role("button").click()
    panel.expect_rows("deep", "many", "b", "a")
    panel.enter("deep")
    panel.expect_rows("d", "c")
    with page.expect_response(lambda response: "/api/workspaces/" in response.url):
        page.keyboard.press("Backspace")
        panel.expect_rows("deep", "many", "b", "a")
    open_lab(page, lab_server, "lab")
    panel.expect_rows("deep", "many", "b", "a")
    expect(columns["Size"]).to_have_attribute("aria-sort", "descending")
    panel.enter("many")
    expect(panel.row("00000000.bin")).to_be_visible()
    expect(columns["Name"]).to_have_attribute("aria-sort", "ascending")
    columns["Size"].get_by_role("button").click()
    expect(panel.region.get_by_text("1,500 items")).to_be_visible()
    expect(columns["Size"]).to_have_attribute("aria-sort", "descending")


def test_a_reload_comes_back_to_the_row(
    seed: Seed, panel: Panel, page: Page, lab_server: JupyterProcess
) -> None:
    """Where it was in sight, not where the list would be scrolled for it."""
    seed(*(f"{OWN}folder/{n:03}" for n in range(300)))
    with page.expect_response(lambda response: "/api/workspaces/" in response.url):
        panel.go(f"{OWN}folder/")
        expect(panel.row("000")).to_be_visible()
    panel.grid.focus()
    page.keyboard.type("150")
    panel.expect_selected("150")
    before = panel.grid.evaluate("grid => { grid.scrollTop += 390; return grid.scrollTop; }")
    expect(panel.row("164")).to_be_visible()
    open_lab(page, lab_server, "lab")
    panel.expect_selected("150")
    after = panel.grid.evaluate("grid => grid.scrollTop")
    assert abs(after - before) < 30


def test_a_link_leads_to_a_path(seed: Seed, page: Page, lab_server: JupyterProcess) -> None:
    seed("data/shared/a folder/file.txt")
    open_lab(page, lab_server, "lab?managed-storage=/data/shared/a%20folder/file.txt")
    panel = Panel(page)
    expect(panel.row("file.txt")).to_have_attribute("aria-selected", "true")
    assert "managed-storage" not in page.url
    panel.row("file.txt").click(button="right")
    page.get_by_role("menuitem", name="Copy Link").click()
    assert panel.clipboard().endswith("/lab?managed-storage=/data/shared/a%20folder/file.txt")


def test_two_tabs_see_each_others_jobs(
    seed: Seed, panel: Panel, browser: Browser, lab_server: JupyterProcess, s3: StrictS3
) -> None:
    seed(*(f"{OWN}folder/{n}" for n in range(20)))
    panel.go(OWN)
    gate = s3.gate("DeleteObjects")
    panel.row("folder").click()
    panel.page.keyboard.press("Delete")
    panel.page.get_by_role("button", name="Delete for good").click()
    gate.wait_for_arrivals(1)
    with visit(browser, lab_server) as page:
        other = Panel(page).open()
        expect(other.region.get_by_role("region", name="Transfers")).to_contain_text(
            "Delete folder"
        )
        other.go(OWN)
        expect(other.row("folder")).to_be_visible()
        gate.release()
        expect(other.row("folder")).to_have_count(0)
    expect(panel.row("folder")).to_have_count(0)


def test_no_foreign_folder_is_reachable(
    panel: Panel, page: Page, lab_server: JupyterProcess
) -> None:
    open_lab(page, lab_server, f"lab?managed-storage=/data/customer-{USER}-other/")
    alert = Panel(page).region.get_by_role("alert")
    expect(alert).to_contain_text("private to another user")
