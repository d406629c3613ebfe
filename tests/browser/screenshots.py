"""Photographs of the panel, in every state and theme, to be looked at; the best ones are in the README.

python -m tests.browser.screenshots             the README's, into docs/images
python -m tests.browser.screenshots FOLDER      every state, into FOLDER
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.conftest import s3_settings
from tests.browser.lab import CHROMIUM, FLAGS, ORGANIZATION, OWN, PLACE, USER, Panel, lab, visit
from tests.conftest import REGION
from tests.jupyter_process import JupyterProcess
from tests.process.test_demo import demo
from tests.strict_s3 import Access, StrictS3

IMAGES = Path(__file__).parents[2] / "docs" / "images"

FILES = {
    "README.md": 2_140,
    "airports.geojson": 1_204_113,
    "buildings.parquet": 184_233_001,
    "elevation.tif": 73_400_320,
    "explore roads.ipynb": 48_211,
    "flights.csv": 9_830_400,
    "report, final (2).pdf": 812_006,
    "styles.json": 1_532,
}
FOLDERS = ("models", "sentinel-2", "warehouse")
LONG = (
    "a file whose name is so long that no sidebar could ever show it to the end.parquet",
    "ein Ordner mit einem sehr langen Namen, der auch noch Umlaute hat: äöü/x",
    "数据集 2026-最终版本.csv",
    "   leading spaces.txt",
    "percent%20sign & plus+.txt",
)


def seed(s3: StrictS3) -> None:
    """Storage worth looking at."""
    root = f"{ORGANIZATION}/"
    for name, size in FILES.items():
        s3.put_synthetic(f"{root}{OWN}{name}", size)
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

    def __call__(self, page: Page, name: str, *, width: int = 560, height: int = 600) -> None:
        path = self.folder / f"{self.prefix}{name}.png"
        page.mouse.move(900, 500)
        page.screenshot(path=path, clip={"x": 0, "y": 0, "width": width, "height": height})
        print(path)


State = Callable[[Panel, StrictS3, Camera], None]


def roots(panel: Panel, s3: StrictS3, take: Camera) -> None:
    take(panel.page, "roots")
    panel.enter("data")
    take(panel.page, "read-only")


def listing(panel: Panel, s3: StrictS3, take: Camera) -> None:
    panel.go(OWN)
    panel.row("flights.csv").click()
    panel.button("Copy S3 path of flights.csv").click()
    take(panel.page, "listing-default")
    panel.widen(190)
    take(panel.page, "listing-narrow")
    panel.widen(460)
    take(panel.page, "listing-wide")


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


def naming(panel: Panel, s3: StrictS3, take: Camera) -> None:
    panel.go(OWN)
    panel.button("New folder").click()
    panel.page.keyboard.type("a/b")
    take(panel.page, "naming")


def menu(panel: Panel, s3: StrictS3, take: Camera) -> None:
    panel.go(OWN)
    panel.row("flights.csv").click(button="right")
    expect(panel.page.get_by_role("menu")).to_be_visible()
    take(panel.page, "menu")


def filtering(panel: Panel, s3: StrictS3, take: Camera) -> None:
    panel.go(OWN)
    panel.button("Filter").click()
    panel.page.keyboard.type("e")
    take(panel.page, "filter")
    panel.page.keyboard.type("xyz")
    take(panel.page, "filter-nothing")


def selection(panel: Panel, s3: StrictS3, take: Camera) -> None:
    panel.go(OWN)
    panel.row("airports.geojson").click()
    panel.row("flights.csv").click(modifiers=["Shift"])
    take(panel.page, "selection")


STATES: tuple[State, ...] = (
    roots,
    listing,
    long_names,
    breadcrumbs,
    empty,
    error,
    naming,
    menu,
    filtering,
    selection,
)
THEMES = {
    "light": "JupyterLab Light",
    "dark": "JupyterLab Dark",
    "contrast": "JupyterLab Dark High Contrast",
}


@contextmanager
def server(s3: StrictS3, theme: str) -> Iterator[JupyterProcess]:
    """JupyterLab in a theme."""
    with (
        tempfile.TemporaryDirectory() as folder,
        lab(Path(folder), {**PLACE, **s3_settings(s3)}, theme=THEMES[theme]) as running,
    ):
        yield running


def every_state(browser: Browser, s3: StrictS3, folder: Path) -> None:
    for theme in THEMES:
        with server(s3, theme) as running:
            for state in STATES:
                with visit(browser, running) as page:
                    state(Panel(page).open(), s3, Camera(folder, f"{theme}-"))
    with (
        tempfile.TemporaryDirectory() as home,
        lab(Path(home), {"WHEROBOTS_BUCKET": "s3://wrong"}) as running,
        visit(browser, running) as page,
    ):
        page.get_by_role("tab", name="Managed Storage").click()
        expect(page.get_by_role("alert")).to_be_visible()
        Camera(folder, "")(page, "not-configured")


def for_readme(browser: Browser) -> None:
    """The demo after its notebook was run: the panel, the variables in use, home saved."""
    with tempfile.TemporaryDirectory() as folder, demo(Path(folder), "--json") as running:
        url = running.event("ready")["url"].replace("/lab?", "/lab/tree/Welcome.ipynb?")
        context = browser.new_context(viewport={"width": 1360, "height": 820})
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.goto(url)
        page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=60_000)
        panel = Panel(page).open().enter("data", "customer-ada").widen(380)
        expect(page.get_by_role("button", name=re.compile(r"\| Idle$"))).to_be_visible(
            timeout=60_000
        )
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.locator(".jp-OutputArea:visible").get_by_text("Written:").wait_for(timeout=60_000)
        page.keyboard.press("Control+s")
        expect(page.get_by_text(re.compile(r"^Saved \d"))).to_be_visible(timeout=30_000)
        page.locator(".jp-WindowedPanel-outer:visible").evaluate("outer => outer.scrollTo(0, 330)")
        panel.row("cities.geojson").click()
        panel.button("Copy S3 path of cities.geojson").click()
        Camera(IMAGES, "")(page, "panel-light", width=1360, height=820)
        context.close()


def main() -> None:
    with StrictS3(region=REGION) as s3, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        seed(s3)
        if len(sys.argv) > 1:
            every_state(browser, s3, Path(sys.argv[1]))
        else:
            for_readme(browser)
        browser.close()


if __name__ == "__main__":
    main()
