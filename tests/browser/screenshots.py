"""Photographs of the panel, in every state and theme, to be looked at; the best ones are in the README.

python -m tests.browser.screenshots                         those of README and guides, into docs/images
python -m tests.browser.screenshots FOLDER [STATE ...]      every state (or those named), into FOLDER
"""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser import scenes_of_home
from tests.browser.conftest import s3_settings
from tests.browser.lab import CHROMIUM, FLAGS, PLACE, Panel, lab, visit
from tests.browser.scenes import STATES, Camera, seed
from tests.conftest import REGION
from tests.jupyter_process import JupyterProcess
from tests.process.test_demo import demo
from tests.strict_s3 import StrictS3

IMAGES = Path(__file__).parents[2] / "docs" / "images"

SIZE = (1280, 620)
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
        lab(Path(folder), {**PLACE, **s3_settings(s3)}, theme=theme) as running,
    ):
        yield running


def every_state(
    browser: Browser,
    s3: StrictS3,
    folder: Path,
    chosen: Sequence[str] = (),
    themes: Sequence[str] = tuple(THEMES),
) -> None:
    """Those whose names are chosen, or all, in these themes."""
    for name in themes:
        theme = THEMES[name]
        take = Camera(folder, f"{name}-")
        states = [each for each in STATES if not chosen or each.__name__ in chosen]
        if states:
            with server(s3, theme) as running:
                for state in states:
                    seed(s3)
                    with visit(browser, running, size=SIZE) as page:
                        state(Panel(page).open(), s3, take)
        if not chosen or "home" in chosen:
            seed(s3)
            with tempfile.TemporaryDirectory() as place:
                scenes_of_home.every_state(Path(place), s3, browser, theme, take)
    if not chosen or "not_configured" in chosen:
        with (
            tempfile.TemporaryDirectory() as home,
            lab(Path(home), {"WHEROBOTS_BUCKET": "s3://wrong"}) as running,
            visit(browser, running, size=SIZE) as page,
        ):
            page.get_by_role("tab", name="Managed Storage").click()
            expect(page.get_by_role("alert")).to_be_visible()
            Camera(folder, "")(page, "not-configured")


PICKED = {
    ("transfers", "dark"): ("dark-transfers-running.png", "transfers.png"),
    ("home", "light"): ("light-home-changed-elsewhere.png", "home.png"),
}
"""For the guides: which state in which theme, the photograph of it, and its name there."""


def for_guides(browser: Browser, s3: StrictS3) -> None:
    """Those of every state that explain something."""
    with tempfile.TemporaryDirectory() as folder:
        for (state, theme), (taken, name) in PICKED.items():
            every_state(browser, s3, Path(folder), [state], [theme])
            shutil.copy(Path(folder) / taken, IMAGES / name)


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


def arguments() -> argparse.Namespace:
    """What was asked for on the command line."""
    names = [*(state.__name__ for state in STATES), "home", "not_configured"]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER")
    states = f"of: {', '.join(names)}"
    parser.add_argument("states", nargs="*", metavar="STATE", help=states)
    given = parser.parse_args()
    if unknown := set(given.states) - set(names):
        parser.error(f"no such state: {', '.join(sorted(unknown))}")
    return given


def main() -> None:
    given = arguments()
    with StrictS3(region=REGION) as s3, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        if given.folder:
            every_state(browser, s3, given.folder, given.states)
        else:
            for_readme(browser)
            for_guides(browser, s3)
        browser.close()


if __name__ == "__main__":
    main()
