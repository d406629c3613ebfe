"""The states of the panel worth a photograph: each brings the panel into one, and takes it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser.lab import ORGANIZATION, OWN, USER, Panel
from tests.strict_s3 import Access, StrictS3

FILES = {
    "README.md": 2_140,
    "airports.geojson": 1_204_113,
    "buildings.parquet": 184_233_001,
    "elevation.tif": 73_400_320,
    "flights.csv": 9_830_400,
    "report, final (2).pdf": 812_006,
    "styles.json": 1_532,
}
NOTEBOOK = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    "cells": [{"cell_type": "markdown", "id": "one", "metadata": {}, "source": ["# Roads"]}],
}
FOLDERS = ("models", "sentinel-2", "warehouse")
LONG = (
    "a file whose name is so long that no sidebar could ever show it to the end.parquet",
    "ein Ordner mit einem sehr langen Namen, der auch noch Umlaute hat: äöü/x",
    "数据集 2026-最终版本.csv",
    "   leading spaces.txt",
    "percent%20sign & plus+.txt",
    "odd//empty name.txt",
)


def seed(s3: StrictS3) -> None:
    """Storage worth looking at, in place of what was there."""
    s3.heal()
    s3.allow_all()
    s3.reset()
    root = f"{ORGANIZATION}/"
    for name, size in FILES.items():
        s3.put_synthetic(f"{root}{OWN}{name}", size)
    s3.put(f"{root}{OWN}explore roads.ipynb", json.dumps(NOTEBOOK).encode())
    for name in FOLDERS:
        s3.put(f"{root}{OWN}{name}/part-0.parquet", b"x" * 1000)
    for name in LONG:
        s3.put(f"{root}{OWN}models/{name}", b"x" * 4321)
    deep = "sentinel-2/2026/tiles of the northern hemisphere/32UPU/bands/"
    s3.put(f"{root}{OWN}{deep}B04.tif", b"x")
    s3.put(f"{root}{OWN}empty/", b"")
    s3.put(f"{root}spark-logs/app-20261120/events.log", b"x")
    s3.put(f"{root}data/shared/plan.md", b"x")


class Camera:
    """Takes pictures of the page's left side, or of all of it."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self.folder = folder
        self.prefix = prefix
        folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, page: Page, name: str, *, width: int = 500, height: int = 620) -> None:
        path = self.folder / f"{self.prefix}{name}.png"
        page.screenshot(path=path, clip={"x": 0, "y": 0, "width": width, "height": height})
        print(path, flush=True)

    def whole(self, page: Page, name: str) -> None:
        """All of the page: for dialogs and documents."""
        self(page, name, width=1280)


def _files(take: Camera) -> Path:
    """Where files to upload are made."""
    folder = take.folder / ".files"
    folder.mkdir(exist_ok=True)
    return folder


def send(panel: Panel, *names: str, size: int = 1000, folder: Path) -> None:
    """Choose files to upload."""
    files = []
    for name in names:
        file = folder / name
        with file.open("wb") as stream:
            stream.truncate(size)
        files.append(file)
    with panel.page.expect_file_chooser() as chooser:
        panel.button("Upload").click()
    chooser.value.set_files(files)


def roots(panel: Panel, s3: StrictS3, take: Camera) -> None:
    take(panel.page, "roots")
    panel.enter("data")
    panel.button("Upload").hover()
    take(panel.page, "read-only")


def listing(panel: Panel, s3: StrictS3, take: Camera) -> None:
    panel.go(OWN)
    panel.row("flights.csv").click()
    panel.button("Copy S3 path of flights.csv").click()
    take(panel.page, "listing-default")
    panel.widen(190)
    take(panel.page, "listing-narrow")
    panel.region.get_by_role("columnheader", name="Size").click(button="right")
    panel.page.get_by_role("menuitem", name="Sort by Date").hover()
    take(panel.page, "menu-of-columns")
    panel.page.keyboard.press("Enter")
    expect(panel.region.get_by_role("columnheader", name="Modified")).to_be_visible()
    take(panel.page, "listing-narrow-by-date")
    panel.widen(460)
    take(panel.page, "listing-wide", width=560)


def keyboard(panel: Panel, s3: StrictS3, take: Camera) -> None:
    panel.go(OWN)
    panel.grid.focus()
    for key in ("ArrowDown", "ArrowDown", "Control+ArrowDown", "Control+ArrowDown"):
        panel.page.keyboard.press(key)
    take(panel.page, "focus-in-the-list")
    panel.button("New folder").focus()
    panel.page.keyboard.press("Shift+Tab")
    take(panel.page, "focus-on-a-button")


def long_names(panel: Panel, s3: StrictS3, take: Camera) -> None:
    panel.go(f"{OWN}models/")
    take(panel.page, "long-names")
    panel.enter("ein Ordner mit einem sehr langen Namen, der auch noch Umlaute hat: äöü")
    take(panel.page, "long-crumbs")


def breadcrumbs(panel: Panel, s3: StrictS3, take: Camera) -> None:
    panel.go(f"{OWN}sentinel-2/2026/tiles of the northern hemisphere/32UPU/bands/")
    panel.button("Hidden folders").click()
    take(panel.page, "crumbs")


def empty(panel: Panel, s3: StrictS3, take: Camera) -> None:
    panel.go(f"{OWN}empty/")
    expect(panel.region.get_by_text("This folder is empty.")).to_be_visible()
    take(panel.page, "empty")


def error(panel: Panel, s3: StrictS3, take: Camera) -> None:
    s3.deny(f"{ORGANIZATION}/{OWN}", Access)
    panel.enter("data")
    panel.row(f"customer-{USER}").dblclick()
    expect(panel.region.get_by_role("alert")).to_be_visible()
    take(panel.page, "error")
    s3.allow_all()
    s3.fail("ListObjectsV2", code="ExpiredToken", times=None)
    panel.button("Refresh").click()
    expect(panel.region.get_by_role("alert")).to_contain_text("expired")
    take(panel.page, "expired-credentials")


def naming(panel: Panel, s3: StrictS3, take: Camera) -> None:
    panel.go(OWN)
    panel.button("New folder").click()
    panel.page.keyboard.type("a/b")
    take(panel.page, "naming")
    panel.page.keyboard.press("Escape")
    panel.row("flights.csv").click()
    panel.page.keyboard.press("F2")
    take(panel.page, "renaming")


def menus(panel: Panel, s3: StrictS3, take: Camera) -> None:
    panel.go(OWN)
    panel.row("flights.csv").click(button="right")
    expect(panel.page.get_by_role("menu")).to_be_visible()
    take(panel.page, "menu")
    panel.page.keyboard.press("Escape")
    panel.go("data/")
    panel.row("shared").click(button="right")
    take(panel.page, "menu-read-only")


def filtering(panel: Panel, s3: StrictS3, take: Camera) -> None:
    panel.go(OWN)
    panel.button("Filter").click()
    panel.page.keyboard.type("e")
    take(panel.page, "filter")
    panel.page.keyboard.type("xyz")
    take(panel.page, "filter-nothing")
    panel.page.keyboard.press("Control+a")
    panel.page.keyboard.type("part")
    panel.page.keyboard.press("Enter")
    expect(panel.region.get_by_text("3 found")).to_be_visible()
    take(panel.page, "search")


def selection(panel: Panel, s3: StrictS3, take: Camera) -> None:
    panel.go(OWN)
    panel.row("airports.geojson").click()
    panel.row("flights.csv").click(modifiers=["Shift"])
    take(panel.page, "selection")


def transfers(panel: Panel, s3: StrictS3, take: Camera) -> None:
    folder = _files(take)
    s3.deny(f"{ORGANIZATION}/{OWN}refused")
    panel.go(OWN)
    send(panel, "fine.csv", "refused, with a name that is rather long.csv", folder=folder)
    expect(panel.region.get_by_text("1000 B, uploaded")).to_be_visible()
    expect(panel.region.get_by_role("alert")).to_be_visible()
    take(panel.page, "transfers-failed-and-done")
    gate = s3.gate("UploadPart")
    send(panel, "large 1.tif", "large 2.tif", size=60 * 2**20, folder=folder)
    gate.wait_for_arrivals(2, 60)
    panel.button("Pause the upload of large 2.tif").click()
    expect(panel.region.get_by_text(re.compile("paused"))).to_be_visible()
    take(panel.page, "transfers-running")
    gate.release()
    panel.button("Cancel the upload of large 2.tif").click()
    expect(panel.row("large 1.tif")).to_be_visible()
    s3.allow_all()


def conflicts(panel: Panel, s3: StrictS3, take: Camera) -> None:
    folder = _files(take)
    panel.go(OWN)
    send(panel, "flights.csv", "styles.json", folder=folder)
    expect(panel.region.get_by_role("group")).to_have_count(2)
    take(panel.page, "conflicts")
    panel.widen(190)
    take(panel.page, "conflicts-narrow")


def dialogs(panel: Panel, s3: StrictS3, take: Camera) -> None:
    page = panel.page
    panel.go(OWN)
    panel.row("models").click()
    panel.row("buildings.parquet").click(modifiers=["Control"])
    page.keyboard.press("Delete")
    expect(page.get_by_role("dialog")).to_contain_text("files,")
    take.whole(page, "delete")
    page.keyboard.press("Escape")
    panel.row("buildings.parquet").dblclick()
    expect(page.get_by_role("dialog")).to_be_visible()
    take.whole(page, "instead")
    page.keyboard.press("Escape")
    panel.go("spark-logs/")
    take(page, "spark-logs")
    panel.row("app-20261120").click()
    page.keyboard.press("Delete")
    expect(page.get_by_role("dialog")).to_contain_text("1 file")
    take.whole(page, "spark-logs-delete")


def jobs(panel: Panel, s3: StrictS3, take: Camera) -> None:
    page = panel.page
    panel.go(OWN)
    panel.row("styles.json").click(button="right")
    page.get_by_role("menuitem", name="Share a Copy").click()
    drawer = panel.region.get_by_role("region", name="Transfers")
    expect(drawer).to_contain_text("All done")
    take(page, "share")
    panel.row("styles.json").click(button="right")
    page.get_by_role("menuitem", name="Share a Copy").click()
    expect(drawer.get_by_role("alert")).to_contain_text("already exists")
    take(page, "job-conflict")
    gate = s3.gate("DeleteObjects")
    panel.row("models").click()
    page.keyboard.press("Delete")
    page.get_by_role("button", name="Delete for good").click()
    gate.wait_for_arrivals(1, 60)
    expect(drawer.get_by_role("button", name=re.compile("Cancel “Delete"))).to_be_visible()
    take(page, "job-running")
    gate.release()
    expect(panel.row("models")).to_have_count(0)


def drops(panel: Panel, s3: StrictS3, take: Camera) -> None:
    """Files of this computer over the list, over a folder, and let go where nothing may be put."""
    page = panel.page
    folder = _files(take)
    (folder / "dropped.csv").write_text("x")
    dragged = {"items": [], "files": [str(folder / "dropped.csv")], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)

    def drag(kind: str, over: Locator, *, down: float = 0.5) -> None:
        box = over.bounding_box()
        assert box is not None
        at = {"x": box["x"] + 100, "y": box["y"] + down * box["height"]}
        session.send("Input.dispatchDragEvent", {"type": kind, **at, "data": dragged})

    panel.go(OWN)
    expect(panel.row("models")).to_be_visible()
    marked = re.compile("jp-mod-dropTarget")
    for kind in ("dragEnter", "dragOver", "dragOver"):
        drag(kind, panel.grid, down=0.9)
    expect(panel.region.locator(".jp-Wherobots-listing")).to_have_class(marked)
    take(page, "drop-here")
    for kind in ("dragOver", "dragOver"):
        drag(kind, panel.row("models"))
    expect(panel.row("models")).to_have_class(marked)
    take(page, "drop-into-a-folder")
    drag("dragCancel", panel.grid)
    panel.go("data/")
    for kind in ("dragEnter", "dragOver", "dragOver"):
        drag(kind, panel.grid, down=0.9)
    take(page, "drop-not-allowed")
    drag("drop", panel.grid, down=0.9)
    # Chromium lets go of nothing where it may not; a paste is refused in words.
    panel.grid.evaluate(
        """grid => {
          const data = new DataTransfer();
          data.items.add(new File(['x'], 'pasted.csv'));
          const options = { bubbles: true, cancelable: true, clipboardData: data };
          grid.dispatchEvent(new ClipboardEvent('paste', options));
        }"""
    )
    expect(page.get_by_role("dialog")).to_contain_text("read-only")
    take.whole(page, "paste-refused")


def asked(panel: Panel, s3: StrictS3, take: Camera) -> None:
    """The other questions: a kind nobody shows, a large zip, a move of a folder, an upload into the logs."""
    page = panel.page
    dialog = page.get_by_role("dialog")
    panel.go(OWN)
    panel.row("elevation.tif").dblclick()
    expect(dialog).to_contain_text("not opened here")
    take.whole(page, "instead-too-large")
    page.keyboard.press("Escape")
    s3.put(f"{ORGANIZATION}/{OWN}weights.bin", b"\0\1" * 400)
    panel.button("Refresh").click()
    panel.row("weights.bin").dblclick()
    expect(dialog).to_contain_text("no viewer")
    take.whole(page, "instead-unknown")
    page.keyboard.press("Escape")
    s3.put_synthetic(f"{ORGANIZATION}/{OWN}models/huge.bin", 3 * 2**30)
    panel.row("models").click(button="right")
    page.get_by_role("menuitem", name="Download as Zip").click()
    expect(dialog).to_contain_text("The zip holds")
    take.whole(page, "zip")
    page.keyboard.press("Escape")
    panel.row("models").click()
    page.keyboard.press("Control+x")
    take(page, "cut")
    panel.go("data/shared/")
    panel.grid.focus()
    page.keyboard.press("Control+v")
    expect(dialog).to_contain_text("files,")
    take.whole(page, "move")
    page.keyboard.press("Escape")
    panel.go("spark-logs/")
    send(panel, "log.txt", folder=_files(take))
    expect(dialog).to_contain_text("Upload into")
    take.whole(page, "spark-logs-upload")


def downloads(panel: Panel, s3: StrictS3, take: Camera) -> None:
    page = panel.page
    panel.go(OWN)
    panel.row("README.md").click()
    panel.row("styles.json").click(modifiers=["Control"])
    s3.delete(f"{ORGANIZATION}/{OWN}styles.json")
    panel.row("styles.json").click(button="right")
    page.get_by_role("menuitem", name="Download as Zip").click()
    toast = page.get_by_role("alert").filter(has_text="failed")
    expect(toast).to_be_visible()
    take.whole(page, "download-failed")
    toast.get_by_role("button", name="Details").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    take.whole(page, "download-details")


def gone(panel: Panel, s3: StrictS3, take: Camera) -> None:
    """A folder that somebody deleted, a name that is taken, a file that cannot be opened any more."""
    page = panel.page
    panel.go(f"{OWN}warehouse/")
    s3.delete(f"{ORGANIZATION}/{OWN}warehouse/part-0.parquet")
    panel.button("Refresh").click()
    expect(panel.region.get_by_text("There is no folder")).to_be_visible()
    take(page, "gone")
    panel.go(OWN)
    panel.row("flights.csv").click()
    page.keyboard.press("F2")
    page.keyboard.press("Control+a")
    page.keyboard.type("styles.json")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("was not renamed")
    take.whole(page, "name-taken")


def resuming(panel: Panel, s3: StrictS3, take: Camera) -> None:
    """What a reload left of an upload."""
    page = panel.page
    panel.go(OWN)
    page.on("dialog", lambda dialog: dialog.accept())
    gate = s3.gate("UploadPart")
    send(panel, "large 3.tif", size=60 * 2**20, folder=_files(take))
    gate.wait_for_arrivals(1, 60)
    page.reload()
    page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=60_000)
    expect(page.locator(".jp-Launcher")).to_be_visible()  # and the sidebar as it was
    gate.release()
    if not panel.region.is_visible():
        page.get_by_role("tab", name="Managed Storage").click()
    expect(panel.region.get_by_text("before the page was left")).to_be_visible()
    take(page, "resume")
    panel.button("Cancel the upload of large 3.tif").click()
    expect(panel.region.get_by_role("region", name="Transfers")).to_contain_text("cancelled")


def zoomed(panel: Panel, s3: StrictS3, take: Camera) -> None:
    """At 200 %, a page has half the pixels."""
    page = panel.page
    panel.go(OWN)
    page.set_viewport_size({"width": 640, "height": 400})
    take(page, "zoomed", width=640, height=400)
    panel.row("flights.csv").click()
    page.keyboard.press("Delete")
    expect(page.get_by_role("dialog")).to_contain_text("1 file")
    take(page, "zoomed-dialog", width=640, height=400)


def home_off(panel: Panel, s3: StrictS3, take: Camera) -> None:
    panel.page.locator(".jp-Wherobots-saved").click()
    expect(panel.page.locator(".jp-Wherobots-sync")).to_be_visible()
    take.whole(panel.page, "home-off")


def document(panel: Panel, s3: StrictS3, take: Camera) -> None:
    panel.go(OWN)
    panel.row("explore roads.ipynb").dblclick()
    expect(panel.page.get_by_text("In managed storage:")).to_be_visible()
    expect(panel.page.get_by_role("heading", name="Roads")).to_be_visible()
    take.whole(panel.page, "document")


State = Callable[[Panel, StrictS3, Camera], None]
STATES: Sequence[State] = (
    roots,
    listing,
    keyboard,
    long_names,
    breadcrumbs,
    empty,
    error,
    naming,
    menus,
    filtering,
    selection,
    transfers,
    conflicts,
    dialogs,
    jobs,
    document,
    drops,
    asked,
    downloads,
    gone,
    resuming,
    zoomed,
    home_off,
)
