"""Rename, delete, move, copy, share, download: the words are true, and nothing happens unasked."""

from __future__ import annotations

import io
import re
import zipfile

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Seed
from tests.browser.lab import ORGANIZATION, OWN, USER, Panel, requests_of
from tests.strict_s3 import StrictS3

pytestmark = pytest.mark.browser


def keys(s3: StrictS3, path: str = OWN) -> list[str]:
    prefix = f"{ORGANIZATION}/{path}"
    return [key.removeprefix(prefix) for key in s3.keys(prefix)]


def menu(panel: Panel, row: str, item: str) -> None:
    """Choose from the context menu of a row."""
    panel.row(row).click(button="right")
    panel.page.get_by_role("menuitem", name=item).click()


def test_a_file_is_renamed_in_place(seed: Seed, panel: Panel, page: Page, s3: StrictS3) -> None:
    seed(f"{OWN}old name.csv", f"{OWN}other.csv", body=b"content")
    panel.go(OWN)
    panel.row("old name.csv").click()
    page.keyboard.press("F2")
    field = panel.region.get_by_role("textbox", name="New name")
    expect(field).to_have_value("old name.csv")
    page.keyboard.type("new")  # the part before the extension is selected
    page.keyboard.press("Enter")
    expect(panel.row("new.csv")).to_have_attribute("aria-selected", "true")
    expect(panel.row("old name.csv")).to_have_count(0)
    assert keys(s3) == ["new.csv", "other.csv"]
    assert s3.body(f"{ORGANIZATION}/{OWN}new.csv") == b"content"


def test_renaming_onto_a_name_that_is_taken_is_refused(
    seed: Seed, panel: Panel, page: Page, s3: StrictS3
) -> None:
    seed(f"{OWN}a.csv", body=b"a")
    seed(f"{OWN}b.csv", body=b"b")
    panel.go(OWN)
    panel.row("a.csv").click()
    page.keyboard.press("F2")
    page.keyboard.press("Control+a")
    page.keyboard.type("b.csv")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("already exists. Choose another name.")
    assert s3.body(f"{ORGANIZATION}/{OWN}b.csv") == b"b"
    assert keys(s3) == ["a.csv", "b.csv"]
    dialog.get_by_role("button", name="Close").click()
    # It was said; no question is left behind, and credentials that expired are no news to be told thrice.
    transfers = panel.region.get_by_role("region", name="Transfers")
    expect(transfers).to_have_count(0)
    expect(panel.grid).to_have_attribute("aria-busy", "false")
    s3.fail(code="ExpiredToken", times=None)
    with requests_of(page) as seen:
        panel.row("a.csv").click()
        page.keyboard.press("F2")
        page.keyboard.type("c")
        page.keyboard.press("Enter")
        expect(dialog).to_contain_text("credentials have expired")
        dialog.get_by_role("button", name="Close").click()
        expect(dialog).to_have_count(0)
    s3.heal()
    assert not [each for each in seen if "/storage/list" in each]
    expect(transfers).to_have_count(0)
    expect(panel.region.get_by_role("alert")).to_have_count(0)


def test_escape_leaves_the_name_as_it_was(
    seed: Seed, panel: Panel, page: Page, s3: StrictS3
) -> None:
    seed(f"{OWN}a.csv")
    panel.go(OWN)
    panel.row("a.csv").click()
    page.keyboard.press("F2")
    page.keyboard.type("b")
    page.keyboard.press("Escape")
    expect(panel.grid).to_be_focused()
    assert keys(s3) == ["a.csv"]


def test_deleting_says_how_much_it_is_and_that_it_is_for_good(
    seed: Seed, panel: Panel, page: Page, s3: StrictS3
) -> None:
    seed(*(f"{OWN}folder/{n}.csv" for n in range(25)), body=b"x" * 1024)
    seed(f"{OWN}keep.csv", f"{OWN}gone.csv", body=b"x" * 1024)
    panel.go(OWN)
    panel.row("folder").click()
    panel.row("gone.csv").click(modifiers=["Control"])
    page.keyboard.press("Delete")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("26 files, 26 KB")
    expect(dialog).to_contain_text("deleted for good")
    dialog.get_by_role("button", name="Cancel").click()
    assert len(keys(s3)) == 27
    panel.grid.focus()
    page.keyboard.press("Delete")
    dialog.get_by_role("button", name="Delete for good").click()
    expect(panel.row("folder")).to_have_count(0)
    expect(panel.row("keep.csv")).to_be_visible()
    assert keys(s3) == ["keep.csv"]


def test_a_version_somebody_wrote_meanwhile_is_not_deleted(
    seed: Seed, panel: Panel, page: Page, s3: StrictS3
) -> None:
    seed(f"{OWN}a.csv", body=b"old")
    panel.go(OWN)
    panel.row("a.csv").click()
    s3.put(f"{ORGANIZATION}/{OWN}a.csv", b"somebody's")
    page.keyboard.press("Delete")
    page.get_by_role("button", name="Delete for good").click()
    transfers = panel.region.get_by_role("region", name="Transfers")
    expect(transfers.get_by_role("alert")).to_contain_text("a.csv")
    assert s3.body(f"{ORGANIZATION}/{OWN}a.csv") == b"somebody's"


def test_spark_logs_ask_first(seed: Seed, panel: Panel, page: Page, s3: StrictS3) -> None:
    seed("spark-logs/app/events.log")
    panel.enter("spark-logs")
    expect(panel.region.get_by_text("may affect your experience")).to_be_visible()
    panel.row("app").click()
    page.keyboard.press("Delete")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("may affect your experience")
    dialog.get_by_role("button", name="Delete for good").click()
    expect(panel.row("app")).to_have_count(0)
    panel.button("New folder").click()
    page.keyboard.type("mine")
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("may affect your experience")
    dialog.get_by_role("button", name="Cancel").click()
    assert keys(s3, "spark-logs/") == []


def test_cut_and_paste_moves_copy_and_paste_copies(
    seed: Seed, panel: Panel, page: Page, s3: StrictS3
) -> None:
    seed(f"{OWN}a.csv", body=b"a")
    seed(f"{OWN}b.csv", body=b"b")
    seed(f"{OWN}target/there.csv")
    panel.go(OWN)
    panel.row("a.csv").click()
    page.keyboard.press("Control+x")
    expect(panel.region.get_by_role("row", name=re.compile(r"^a\.csv, .*, cut$"))).to_be_visible()
    panel.enter("target")
    panel.grid.focus()
    page.keyboard.press("Control+v")
    expect(panel.row("a.csv")).to_be_visible()
    expect(panel.region.get_by_role("row", name=re.compile(", cut$"))).to_have_count(0)
    page.keyboard.press("Backspace")
    panel.row("b.csv").click()
    page.keyboard.press("Control+c")
    panel.enter("target")
    panel.grid.focus()
    page.keyboard.press("Control+v")
    expect(panel.row("b.csv")).to_be_visible()
    s3.wait_until(lambda: keys(s3) == ["b.csv", "target/a.csv", "target/b.csv", "target/there.csv"])


def test_what_the_button_of_a_row_copied_can_be_pasted(
    seed: Seed, panel: Panel, page: Page, s3: StrictS3
) -> None:
    """As what Ctrl+C copied; any other text is not, and that is said."""
    seed(f"{OWN}a.csv", f"{OWN}target/there.csv")
    panel.go(OWN)
    panel.button("Copy S3 path of a.csv").click()
    expect(panel.region.get_by_role("status")).to_contain_text("Copied")
    panel.enter("target")
    panel.grid.focus()
    page.keyboard.press("Control+v")
    expect(panel.row("a.csv")).to_be_visible()
    assert keys(s3) == ["a.csv", "target/a.csv", "target/there.csv"]
    page.evaluate("navigator.clipboard.writeText('a word')")
    page.keyboard.press("Control+v")
    expect(panel.region.get_by_role("status")).to_contain_text("Copy or cut files here")


def test_a_name_taken_at_the_destination_is_asked_about(
    seed: Seed, panel: Panel, page: Page, s3: StrictS3
) -> None:
    seed(f"{OWN}a.csv", body=b"new")
    seed(f"{OWN}target/a.csv", body=b"old")
    panel.go(OWN)
    panel.row("a.csv").click()
    page.keyboard.press("Control+c")
    panel.enter("target")
    panel.grid.focus()
    page.keyboard.press("Control+v")
    transfers = panel.region.get_by_role("region", name="Transfers")
    expect(transfers.get_by_role("alert")).to_contain_text("already exists")
    assert s3.body(f"{ORGANIZATION}/{OWN}target/a.csv") == b"old"
    transfers.get_by_role("button", name="Keep both").click()
    expect(panel.row("a (1).csv")).to_be_visible()
    assert keys(s3, f"{OWN}target/") == ["a (1).csv", "a.csv"]


def test_a_move_says_how_much_it_is_and_loses_nothing_when_cancelled(
    seed: Seed, panel: Panel, page: Page, s3: StrictS3
) -> None:
    names = [f"{n:02}.csv" for n in range(30)]
    seed(*(f"{OWN}folder/{name}" for name in names))
    seed(f"{OWN}target/there.csv")
    panel.go(OWN)
    panel.row("folder").click()
    page.keyboard.press("Control+x")
    panel.enter("target")
    panel.grid.focus()
    page.keyboard.press("Control+v")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("30 files, 120 B")
    expect(dialog).to_contain_text(f"To /{OWN}target/")
    dialog.get_by_role("button", name="Cancel").click()
    expect(panel.grid).to_be_focused()
    page.keyboard.press("Control+v")
    gate = s3.gate("CopyObject")
    dialog.get_by_role("button", name="Move").click()
    gate.wait_for_arrivals(1, 60)
    panel.region.get_by_role("button", name=re.compile("^Cancel “Move")).click()
    gate.release()
    transfers = panel.region.get_by_role("region", name="Transfers")
    expect(transfers).to_contain_text(re.compile(r"Cancelled after \d+"))
    left = {key.rpartition("/")[2] for key in keys(s3)}
    assert left == {*names, "there.csv"}


def test_a_delete_is_cancelled_while_it_runs(panel: Panel, page: Page, s3: StrictS3) -> None:
    """What is gone is gone, and it says how much; the rest stays."""
    s3.generate(f"{ORGANIZATION}/{OWN}many/", 30_000)
    panel.go(OWN)
    panel.row("many").click()
    page.keyboard.press("Delete")
    gate = s3.gate("DeleteObjects")
    page.get_by_role("button", name="Delete for good").click()
    gate.wait_for_arrivals(1, 60)
    transfers = panel.region.get_by_role("region", name="Transfers")
    transfers.get_by_role("button", name="Cancel “Delete many").click()
    gate.release()
    expect(transfers).to_contain_text(re.compile(r"Cancelled after [\d,]+; what was done stays"))
    expect(panel.row("many")).to_be_visible()
    told = re.search(r"Cancelled after ([\d,]+)", transfers.inner_text())
    assert told is not None
    assert len(keys(s3)) == 30_000 - int(told[1].replace(",", ""))
    assert keys(s3)


def test_share_puts_a_copy_beside_everybody_and_its_path_into_the_clipboard(
    seed: Seed, panel: Panel, page: Page, s3: StrictS3
) -> None:
    seed(f"{OWN}study.ipynb", body=b"{}")
    panel.go(OWN)
    menu(panel, "study.ipynb", "Share a Copy")
    s3.wait_until(lambda: keys(s3, "data/shared/") == ["study.ipynb"])
    uri = f"s3://strict-bucket/{ORGANIZATION}/data/shared/study"
    assert panel.clipboard() == f"{uri}.ipynb"
    assert keys(s3) == ["study.ipynb"]
    # That path is of another file when the name was taken.
    menu(panel, "study.ipynb", "Share a Copy")
    transfers = panel.region.get_by_role("region", name="Transfers")
    transfers.get_by_role("button", name="Keep both").click()
    copy = transfers.get_by_role("button", name=re.compile("^Copy the new path"))
    expect(copy).to_have_count(2)
    panel.button("Copy S3 path of study.ipynb").click()
    copy.first.click()
    assert panel.clipboard() == f"{uri} (1).ipynb"


def test_several_are_downloaded_as_one_zip(seed: Seed, panel: Panel, page: Page) -> None:
    seed(f"{OWN}folder/a.csv", f"{OWN}b.csv", body=b"content")
    panel.go(OWN)
    panel.row("folder").click()
    panel.row("b.csv").click(modifiers=["Control"])
    with page.expect_download() as download:
        menu(panel, "b.csv", "Download as Zip")
    archive = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes()))
    assert sorted(archive.namelist()) == ["b.csv", "folder/a.csv"]
    assert archive.read("b.csv") == b"content"


def test_hundreds_of_long_names_are_counted_and_downloaded(
    seed: Seed, panel: Panel, page: Page
) -> None:
    """More than an address can hold on its way to the server."""
    names = [f"{n:03} {'long name ' * 12}.csv" for n in range(300)]
    seed(*(OWN + name for name in names), f"{OWN}folder/last.csv", body=b"x")
    panel.go(OWN)
    expect(panel.row(names[0])).to_be_visible()
    panel.grid.focus()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("301 files, 301 B")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    with page.expect_download() as download:
        menu(panel, "folder", "Download as Zip")
    archive = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes()))
    assert sorted(archive.namelist()) == [*names, "folder/last.csv"]


def test_what_is_being_typed_stays_while_rows_come(
    seed: Seed, panel: Panel, page: Page, s3: StrictS3
) -> None:
    seed(f"{OWN}m.csv")
    panel.go(OWN)
    panel.row("m.csv").click()
    page.keyboard.press("F2")
    page.keyboard.type("new")
    seed(*(f"{OWN}{letter}.csv" for letter in "abc"))
    page.evaluate("document.querySelector('[aria-label=Refresh]').click()")  # as an upload would
    expect(panel.row("c.csv")).to_be_visible()
    field = panel.region.get_by_role("textbox", name="New name")
    expect(field).to_have_value("new.csv")
    expect(field).to_be_focused()
    page.keyboard.press("Enter")
    expect(panel.row("new.csv")).to_have_attribute("aria-selected", "true")
    assert keys(s3) == ["a.csv", "b.csv", "c.csv", "new.csv"]


def test_one_question_is_about_all_places(
    seed: Seed, panel: Panel, page: Page, s3: StrictS3
) -> None:
    """Found by a search, a selection can lie in folders with different rules; what is gone is found no more."""
    seed(f"{OWN}needle-1", "spark-logs/needle-2", "spark-logs/app/needle-3")
    panel.button("Filter").click()
    page.keyboard.type("needle")
    page.keyboard.press("Enter")
    expect(panel.region.get_by_text("3 found")).to_be_visible()
    panel.row("needle-1").click()
    panel.row("needle-2").click(modifiers=["Control"])
    page.keyboard.press("Delete")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("may affect your experience")
    dialog.get_by_role("button", name="Delete for good").click()
    expect(panel.region.get_by_text("1 found")).to_be_visible()
    panel.expect_rows("needle-3")
    assert keys(s3, "") == ["spark-logs/app/needle-3"]


def test_what_is_protected_cannot_be_touched(panel: Panel, page: Page) -> None:
    """In the read-only folders every item of the menu that would change something is disabled."""
    panel.enter("data")
    for name in (f"customer-{USER}", "shared"):
        panel.row(name).click(button="right")
        for item in ("Rename", "Cut", "Delete", "New Folder", "Upload Files", "Upload Folder"):
            entry = page.get_by_role("menuitem", name=item)
            expect(entry).to_have_attribute("aria-disabled", "true")
        page.keyboard.press("Escape")
    panel.row("shared").click()
    for key in ("Delete", "F2"):
        page.keyboard.press(key)
        expect(panel.region.get_by_role("status")).to_contain_text("not deleted or renamed")
        page.keyboard.press("Control+c")
        expect(panel.region.get_by_role("status")).to_contain_text("Copied")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(panel.region.get_by_role("textbox")).to_have_count(0)


def test_no_command_of_the_file_browser_is_in_the_menu(
    seed: Seed, panel: Panel, page: Page
) -> None:
    """They would act on whatever is selected in the other browser."""
    seed(f"{OWN}a.csv")
    panel.go(OWN)
    panel.row("a.csv").click(button="right")
    commands = page.locator(".lm-Menu-item[data-type=command]").evaluate_all(
        "items => items.map(item => item.dataset.command)"
    )
    assert commands
    foreign = [each for each in commands if not each.startswith("jupyter-wherobots:")]
    assert foreign == ["__internal:context-menu-info"]  # how to get the browser's own menu
    page.keyboard.press("Escape")
    for part in ("toolbar", "navigation"):
        panel.region.get_by_role(part).click(button="right", position={"x": 120, "y": 5})
        expect(page.locator(".lm-Menu-item[data-command^=filebrowser]")).to_have_count(0)
        page.keyboard.press("Escape")
