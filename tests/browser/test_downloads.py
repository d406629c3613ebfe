"""What the browser saves by itself: whatever keeps it from being whole is said."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Seed
from tests.browser.lab import ORGANIZATION, OWN, Panel
from tests.strict_s3 import Access, StrictS3

pytestmark = pytest.mark.browser

KEY = f"{ORGANIZATION}/{OWN}"


def select_all(panel: Panel, page: Page) -> Locator:
    """Go to the own folder and select everything there; gives the first row."""
    panel.go(OWN)
    row = panel.region.locator("[role=row][data-type]").first
    expect(row).to_be_visible()
    panel.grid.focus()
    page.keyboard.press("Control+a")
    expect(row).to_have_attribute("aria-selected", "true")
    return row


def ask_for_zip(row: Locator) -> None:
    row.click(button="right")
    row.page.get_by_role("menuitem", name="Download as Zip", exact=True).click()


def told(page: Page, title: str) -> Locator:
    return page.get_by_role("alert").filter(has_text=title)


@pytest.mark.parametrize("count", [2, 60], ids=["link", "form"])
def test_a_zip_that_is_refused_is_said(
    seed: Seed, panel: Panel, page: Page, s3: StrictS3, count: int
) -> None:
    """By the time the browser asks, a file is gone. Many names go through a hidden frame, where nobody reads an answer."""
    names = [f"{n:03} {'long name ' * 12}.csv" for n in range(count)]
    seed(*(OWN + name for name in names))
    row = select_all(panel, page)
    s3.delete(KEY + names[-1])
    ask_for_zip(row)
    alert = told(page, f"The download of {count} items failed")
    alert.get_by_role("button", name="Details").click()
    expect(page.get_by_role("dialog")).to_contain_text(f"{names[-1]} does not exist")


def test_what_a_zip_lacks_is_said(seed: Seed, panel: Panel, page: Page, s3: StrictS3) -> None:
    seed(f"{OWN}a.csv", f"{OWN}folder/b.csv", f"{OWN}folder/c.csv")
    row = select_all(panel, page)
    with page.expect_download() as download:
        ask_for_zip(row)
    expect(panel.region.get_by_text("Downloaded:")).to_be_visible()
    assert download.value.failure() is None
    expect(told(page, "2 items")).to_have_count(0)
    s3.deny(f"{KEY}folder/b", (Access.READ,))
    with page.expect_download():
        ask_for_zip(row)
    expect(told(page, "The zip of 2 items is not complete")).to_contain_text(
        "1 file could not be read and is not in it."
    )
