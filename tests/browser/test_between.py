"""Between JupyterLab's own file browser, its notebooks, and the panel."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Seed
from tests.browser.lab import ORGANIZATION, OWN, Panel
from tests.jupyter_process import JupyterProcess
from tests.strict_s3 import Gate, StrictS3

pytestmark = pytest.mark.browser


@pytest.fixture
def home(lab_server: JupyterProcess) -> Iterator[Path]:
    """Home, emptied of what a test put there."""
    before = set(lab_server.home.iterdir())
    yield lab_server.home
    for path in set(lab_server.home.iterdir()) - before:
        # Other extensions put folders of their own there (.npm) whenever they like.
        if path.is_file():
            path.unlink()
        elif not path.name.startswith("."):
            shutil.rmtree(path)


def own_file(page: Page, name: str) -> Locator:
    """A file in JupyterLab's file browser."""
    return page.locator("#filebrowser .jp-DirListing-item", has_text=name)


def show_files(page: Page) -> None:
    page.get_by_title("Refresh the file browser").click()


def drag_into_the_panel(item: Locator, panel: Panel) -> None:
    """JupyterLab's own kind of dragging, which the browser knows nothing of."""
    mouse = panel.page.mouse
    item.hover()
    mouse.down()
    target = panel.grid.bounding_box()
    assert target is not None
    mouse.move(target["x"] + 100, target["y"] + 200, steps=10)
    mouse.up()


def test_a_file_of_home_is_shared_from_the_file_browser(
    home: Path, page: Page, s3: StrictS3
) -> None:
    (home / "study.csv").write_text("mine")
    show_files(page)
    own_file(page, "study.csv").click(button="right")
    page.get_by_role("menuitem", name="Share a Copy in Managed Storage").click()
    s3.wait_until(lambda: s3.object(f"{ORGANIZATION}/data/shared/study.csv") is not None)
    assert s3.body(f"{ORGANIZATION}/data/shared/study.csv") == b"mine"
    assert Panel(page).clipboard() == f"s3://strict-bucket/{ORGANIZATION}/data/shared/study.csv"
    # The panel is not in sight: what came of it is said in JupyterLab's own way.
    toast = page.locator(".jp-toast-message")
    expect(toast.filter(has_text="Done: Copy study.csv")).to_be_visible()
    own_file(page, "study.csv").click(button="right")
    page.get_by_role("menuitem", name="Share a Copy in Managed Storage").click()
    expect(toast.filter(has_text="Not done: Copy study.csv")).to_contain_text("already exists")
    page.get_by_role("button", name="Show", exact=True).click()
    panel = Panel(page)
    expect(panel.region.get_by_role("button", name="Keep both")).to_be_visible()


def test_a_row_is_copied_home(home: Path, seed: Seed, panel: Panel, page: Page) -> None:
    seed(f"{OWN}results.csv", body=b"theirs")
    panel.go(OWN)
    panel.row("results.csv").click(button="right")
    page.get_by_role("menuitem", name="Copy to Home").click()
    expect(panel.region.get_by_role("region", name="Transfers")).to_contain_text("All done")
    assert (home / "results.csv").read_bytes() == b"theirs"
    assert panel.clipboard() == str(home / "results.csv")


def test_rows_are_moved_by_dragging_them_onto_a_folder(
    seed: Seed, panel: Panel, s3: StrictS3
) -> None:
    seed(f"{OWN}a.csv", f"{OWN}folder/there.csv")
    panel.go(OWN)
    panel.row("a.csv").drag_to(panel.row("folder"))
    dialog = panel.page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 file, 4 B")
    dialog.get_by_role("button", name="Move").click()
    expect(panel.row("a.csv")).to_have_count(0)
    assert s3.keys(f"{ORGANIZATION}/{OWN}") == [
        f"{ORGANIZATION}/{OWN}folder/a.csv",
        f"{ORGANIZATION}/{OWN}folder/there.csv",
    ]


def test_a_row_dragged_into_an_editor_becomes_its_path(
    seed: Seed, panel: Panel, page: Page
) -> None:
    seed(f"{OWN}notes.txt", body=b"")
    seed(f"{OWN}tiles.csv")
    panel.go(OWN)
    panel.row("notes.txt").dblclick()
    editor = page.locator(".jp-FileEditor:visible .cm-content")
    expect(editor).to_be_visible()
    panel.row("tiles.csv").drag_to(editor)
    expect(editor).to_have_text(f'"s3://strict-bucket/{ORGANIZATION}/{OWN}tiles.csv"')


@pytest.fixture
def side_by_side(seed: Seed, page: Page, lab_server: JupyterProcess) -> Iterator[Panel]:
    """The file browser on the left, the panel on the right, in the user's own folder."""
    seed(f"{OWN}there.csv", body=b"theirs")
    page.get_by_role("tab", name="Managed Storage").click(button="right")
    page.get_by_role("menuitem", name="Switch Sidebar Side").click()
    panel = Panel(page)
    expect(panel.row("data")).to_be_visible()
    panel.go(OWN)
    expect(panel.row("there.csv")).to_be_visible()
    yield panel
    # The side is a setting, which would outlive the page.
    settings = Path(lab_server.environment["JUPYTER_CONFIG_DIR"]) / "lab" / "user-settings"
    shutil.rmtree(settings / "@jupyterlab" / "application-extension")


def test_files_are_dragged_from_the_file_browser_into_the_panel(
    home: Path, side_by_side: Panel, page: Page, s3: StrictS3
) -> None:
    (home / "mine.csv").write_text("mine")
    show_files(page)
    drag_into_the_panel(own_file(page, "mine.csv"), side_by_side)
    expect(side_by_side.row("mine.csv")).to_be_visible()
    assert s3.body(f"{ORGANIZATION}/{OWN}mine.csv") == b"mine"
    assert (home / "mine.csv").exists()


def test_rows_are_dragged_into_the_file_browser(
    home: Path, side_by_side: Panel, page: Page, s3: StrictS3
) -> None:
    listing = page.locator("#filebrowser .jp-DirListing")
    side_by_side.row("there.csv").drag_to(listing)
    expect(own_file(page, "there.csv")).to_be_visible()
    expect(listing).not_to_have_class(re.compile("drop"))
    assert (home / "there.csv").read_bytes() == b"theirs"
    assert s3.keys(f"{ORGANIZATION}/{OWN}") == [f"{ORGANIZATION}/{OWN}there.csv"]


def transfers(panel: Panel) -> Locator:
    return panel.region.get_by_role("region", name="Transfers")


def cancel(panel: Panel, gate: Gate, title: str) -> None:
    """Cancel a job that is held up in the middle of its work."""
    gate.wait_for_arrivals(1, 60)
    expect(transfers(panel).get_by_role("progressbar", name="Progress")).to_be_visible()
    transfers(panel).get_by_role("button", name=f"Cancel “Copy {title}").click()
    gate.release()
    expect(transfers(panel)).to_contain_text(re.compile(r"Cancelled after \d"))


def test_folders_are_dragged_from_the_file_browser_and_can_be_cancelled(
    home: Path, side_by_side: Panel, page: Page, s3: StrictS3
) -> None:
    for folder in ("many", "study"):
        (home / folder / "deep").mkdir(parents=True)
        for n in range(40 if folder == "many" else 2):
            (home / folder / "deep" / f"{n}.csv").write_text(f"{n}")
    show_files(page)
    gate = s3.gate("PutObject")
    drag_into_the_panel(own_file(page, "many"), side_by_side)
    cancel(side_by_side, gate, "many")
    assert len(s3.keys(f"{ORGANIZATION}/{OWN}many/")) < 40
    drag_into_the_panel(own_file(page, "study"), side_by_side)
    expect(side_by_side.row("study")).to_be_visible()
    expect(transfers(side_by_side)).to_contain_text("Done, 1 cancelled")
    assert s3.contents(f"{ORGANIZATION}/{OWN}study/") == {
        f"{ORGANIZATION}/{OWN}study/deep/{n}.csv": b"%d" % n for n in range(2)
    }


def test_folders_are_dragged_into_the_file_browser_and_can_be_cancelled(
    home: Path, side_by_side: Panel, seed: Seed, page: Page, s3: StrictS3
) -> None:
    seed(*(f"{OWN}many/deep/{n}.csv" for n in range(40)), f"{OWN}study/deep/a.csv")
    side_by_side.button("Refresh").click()
    listing = page.locator("#filebrowser .jp-DirListing")
    gate = s3.gate("GetObject")
    side_by_side.row("many").drag_to(listing)
    cancel(side_by_side, gate, "many")
    assert len(list(home.glob("many/deep/*.csv"))) < 40
    side_by_side.row("study").drag_to(listing)
    expect(own_file(page, "study")).to_be_visible()
    expect(transfers(side_by_side)).to_contain_text("Done, 1 cancelled")
    assert (home / "study" / "deep" / "a.csv").read_bytes() == b"data"
