"""The main job, as a person does it: open the panel, walk, copy a path, upload, make a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Seed
from tests.browser.lab import ORGANIZATION, OWN, USER, Panel, requests_of
from tests.strict_s3 import Access, StrictS3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.browser


def test_a_copied_path_reads_the_object(seed: Seed, panel: Panel, boto: S3Client) -> None:
    seed(f"{OWN}cities.geojson", body=b'{"type": "FeatureCollection"}')
    panel.enter("data", f"customer-{USER}")
    panel.button("Copy S3 path of cities.geojson").click()
    expect(panel.region.get_by_role("status")).to_contain_text("Copied")
    uri = panel.clipboard()
    assert uri == f"s3://strict-bucket/{ORGANIZATION}/{OWN}cities.geojson"
    place = urlsplit(uri)
    body = boto.get_object(Bucket=place.netloc, Key=place.path[1:])["Body"].read()
    assert body == b'{"type": "FeatureCollection"}'


def test_a_copied_folder_ends_with_a_slash(panel: Panel) -> None:
    panel.button("Copy S3 path of data").click()
    expect(panel.region.get_by_role("status")).to_contain_text("Copied")
    assert panel.clipboard() == f"s3://strict-bucket/{ORGANIZATION}/data/"


def test_the_roots_say_what_they_are(panel: Panel) -> None:
    panel.expect_rows("data", "notebooks", "spark-logs")
    assert "/data/ is read-only" in (panel.row("data").get_attribute("title") or "")
    for name in ("Upload", "New folder"):
        expect(panel.button(name)).to_be_disabled()
        assert "read-only" in (panel.button(name).get_attribute("title") or "")
    panel.enter("data")
    panel.expect_rows(f"customer-{USER}", "shared")
    assert "Private to you" in (panel.row(f"customer-{USER}").get_attribute("title") or "")
    expect(panel.row(f"customer-{USER}")).to_contain_text("private")
    expect(panel.row("shared").locator(".jp-Wherobots-badge")).to_have_text("shared")
    location = panel.region.locator("[aria-current=location]")
    panel.button("Go to your folder").click()
    expect(location).to_have_text(f"customer-{USER}")
    panel.button("Go to the shared folder").click()
    expect(location).to_have_text("shared")


def test_columns_say_size_and_date(seed: Seed, panel: Panel) -> None:
    seed(f"{OWN}big.bin", body=b"x" * 12_345)
    panel.enter("data", f"customer-{USER}")
    expect(panel.row("big.bin").get_by_role("gridcell").nth(1)).to_have_text("12 KB")
    assert "12,345 bytes" in (panel.row("big.bin").get_attribute("title") or "")


def test_the_keyboard_alone_walks_and_copies(seed: Seed, panel: Panel, page: Page) -> None:
    seed(*(f"{OWN}folder/{letter}{n}.txt" for letter in "abc" for n in range(40)))
    panel.grid.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    panel.expect_selected("data")
    page.keyboard.press("Enter")
    expect(panel.row("shared")).to_be_visible()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(panel.row("folder")).to_be_visible()
    page.keyboard.press("f")
    page.keyboard.press("Enter")
    expect(panel.row("a0.txt")).to_be_visible()
    page.keyboard.press("End")
    panel.expect_selected("c39.txt")
    page.keyboard.press("PageUp")
    page.keyboard.press("PageUp")
    expect(panel.row("c39.txt")).to_have_count(0)
    page.keyboard.type("b12")
    panel.expect_selected("b12.txt")
    page.keyboard.press("Control+c")
    expect(panel.region.get_by_role("status")).to_contain_text("Copied")
    assert panel.clipboard().endswith("/folder/b12.txt")
    page.keyboard.press("Backspace")
    expect(panel.row("folder")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Alt+ArrowUp")
    expect(panel.row(f"customer-{USER}")).to_have_attribute("aria-selected", "true")


def test_a_file_is_uploaded(panel: Panel, page: Page, s3: StrictS3, tmp_path: Path) -> None:
    file = tmp_path / "naïve name (1).csv"
    file.write_bytes(bytes(range(256)) * 1000)
    panel.go(OWN)
    with page.expect_file_chooser() as chooser:
        panel.button("Upload").click()
    chooser.value.set_files(file)
    expect(panel.row(file.name)).to_be_visible()
    assert s3.body(f"{ORGANIZATION}/{OWN}{file.name}") == file.read_bytes()


def test_a_folder_is_made(panel: Panel, page: Page, s3: StrictS3) -> None:
    panel.go(OWN)
    panel.button("New folder").click()
    page.keyboard.type("new/")
    expect(panel.region.get_by_role("alert")).to_have_text("A name cannot contain a slash.")
    page.keyboard.press("Backspace")
    page.keyboard.type(" one")
    page.keyboard.press("Enter")
    expect(panel.row("new one")).to_have_attribute("aria-selected", "true")
    assert s3.keys(f"{ORGANIZATION}/{OWN}") == [f"{ORGANIZATION}/{OWN}new one/"]
    page.keyboard.press("Enter")
    expect(panel.region.get_by_text("This folder is empty.")).to_be_visible()


def test_breadcrumbs_fold_and_lead_back(seed: Seed, panel: Panel, page: Page) -> None:
    names = ["one long name", "another long name", "a third long name", "the last name"]
    seed(f"{OWN}{'/'.join(names)}/file.txt")
    panel.enter("data", f"customer-{USER}", *names)
    crumbs = panel.region.get_by_role("navigation", name="Folders above")
    expect(crumbs.get_by_role("button", name=names[0])).to_have_count(0)
    crumbs.get_by_role("button", name="Hidden folders").click()
    page.get_by_role("menuitem", name=names[0]).click()
    expect(panel.row(names[1])).to_be_visible()


def test_an_error_says_what_and_retry_mends_it(seed: Seed, panel: Panel, s3: StrictS3) -> None:
    seed(f"{OWN}file.txt")
    s3.deny(f"{ORGANIZATION}/{OWN}", Access)
    panel.enter("data")
    panel.row(f"customer-{USER}").dblclick()
    alert = panel.region.get_by_role("alert")
    expect(alert).to_contain_text("Your role may not list")
    s3.allow_all()
    alert.get_by_role("button", name="Retry").click()
    expect(panel.row("file.txt")).to_be_visible()


def test_hidden_it_asks_for_nothing(seed: Seed, panel: Panel, page: Page, s3: StrictS3) -> None:
    seed(f"{OWN}before.txt")
    panel.go(OWN)
    expect(panel.row("before.txt")).to_be_visible()
    page.get_by_role("tab", name="File Browser").click()
    expect(panel.region).to_be_hidden()
    page.clock.install()
    with requests_of(page) as seen:
        page.clock.run_for(10 * 60 * 1000)
    assert seen == []
    seed(f"{OWN}after.txt")
    page.get_by_role("tab", name="Managed Storage").click()
    expect(panel.row("after.txt")).to_be_visible()


def test_whoever_comes_back_sees_what_a_notebook_wrote(
    seed: Seed, panel: Panel, page: Page
) -> None:
    """The panel was in sight all the time; what it shows is read again when it gets the focus, if that is a while ago."""
    panel.go(OWN)
    expect(panel.region.get_by_text("This folder is empty.")).to_be_visible()
    launcher = page.get_by_role("tab", name="Launcher")
    page.clock.install()
    with requests_of(page) as seen:
        launcher.click()
        panel.grid.focus()
        launcher.click()
        page.clock.run_for(60_000)
        assert [each for each in seen if "/storage/list" in each] == []
    seed(f"{OWN}written.csv")
    panel.grid.focus()
    expect(panel.row("written.csv")).to_be_visible()


def test_rows_stay_where_they_are_between_two_clicks(seed: Seed, panel: Panel, page: Page) -> None:
    """The first one brings the focus, and what it has read again must not come under the second one."""
    seed(f"{OWN}b/there.csv", f"{OWN}c/other.csv")
    panel.go(OWN)
    expect(panel.row("b")).to_be_visible()
    page.get_by_role("tab", name="Launcher").click()
    page.clock.install()
    page.clock.pause_at(page.evaluate("Date.now()") + 60_000)
    seed(f"{OWN}a/new.csv")
    with requests_of(page) as seen:
        panel.row("b").click()
        page.clock.run_for(400)
        panel.row("c").click()
        page.clock.run_for(400)
        panel.expect_selected("c")
        assert [each for each in seen if "/storage/list" in each] == []
        page.clock.run_for(200)
        panel.expect_rows("a", "b", "c")


def test_refresh_shows_what_others_did(seed: Seed, panel: Panel) -> None:
    panel.go(OWN)
    expect(panel.region.get_by_text("This folder is empty.")).to_be_visible()
    seed(f"{OWN}by-somebody-else.txt")
    panel.button("Refresh").click()
    expect(panel.row("by-somebody-else.txt")).to_be_visible()
