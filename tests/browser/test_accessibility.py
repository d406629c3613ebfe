"""axe-core finds nothing serious in any state, in any theme."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Seed, s3_settings
from tests.browser.lab import ORGANIZATION, OWN, PLACE, USER, Panel, lab, visit
from tests.jupyter_process import JupyterProcess
from tests.strict_s3 import Access, StrictS3

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[2] / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
THEMES = ("JupyterLab Light", "JupyterLab Dark", "JupyterLab Dark High Contrast")

RUN = """
async selector => {
  const { violations } = await axe.run(selector, { resultTypes: ['violations'] });
  return violations.map(each => ({
    rule: each.id, impact: each.impact, nodes: each.nodes.map(node => node.html + ' ' + node.failureSummary)
  }));
}
"""


def check(page: Page, selector: str) -> None:
    """No serious or critical finding below an element."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text())
    found: list[dict[str, Any]] = page.evaluate(RUN, selector)
    assert [each for each in found if each["impact"] in ("serious", "critical")] == []


# Elements that would move for some time, whatever the person asked of the system.
MOVING = """
selector => [...document.querySelectorAll(`${selector}, ${selector} *`)].filter(element => {
  const { transitionDuration, animationDuration } = getComputedStyle(element);
  return [transitionDuration, animationDuration].some(text => text.split(', ').some(each => each !== '0s'));
}).map(element => element.outerHTML.slice(0, 200))
"""


@pytest.fixture(scope="module", params=THEMES)
def themed(
    request: pytest.FixtureRequest,
    s3_of_lab: StrictS3,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[JupyterProcess]:
    environment = {**PLACE, **s3_settings(s3_of_lab), "WHEROBOTS_HOME_PERSISTENCE": "sync"}
    with lab(tmp_path_factory.mktemp("themed"), environment, theme=request.param) as server:
        yield server


@pytest.fixture
def panel(browser: Browser, themed: JupyterProcess, s3: StrictS3) -> Iterator[Panel]:
    with visit(browser, themed) as page:
        yield Panel(page).open()


REGION = ".jp-Wherobots"
DIALOG = ".jp-Dialog"


def test_listings(seed: Seed, panel: Panel, s3: StrictS3) -> None:
    check(panel.page, REGION)
    panel.enter("data")
    check(panel.page, REGION)
    seed(f"{OWN}a.csv", f"{OWN}b.csv", f"{OWN}folder/x")
    panel.enter(f"customer-{USER}")
    panel.row("a.csv").click()
    panel.row("b.csv").click(modifiers=["Control"])
    panel.page.keyboard.press("Control+c")
    check(panel.page, REGION)
    panel.button("New folder").click()
    panel.page.keyboard.type("a/")
    check(panel.page, REGION)
    panel.page.keyboard.press("Escape")
    panel.button("Filter").click()
    panel.page.keyboard.type("nothing like it")
    check(panel.page, REGION)
    panel.page.emulate_media(reduced_motion="reduce")
    assert panel.page.evaluate(MOVING, REGION) == []


def test_empty_and_failing(seed: Seed, panel: Panel, s3: StrictS3) -> None:
    panel.go("data/shared/")
    expect(panel.region.get_by_text("This folder is empty.")).to_be_visible()
    check(panel.page, REGION)
    s3.deny(f"{ORGANIZATION}/{OWN}", Access)
    panel.region.get_by_role("button", name="data", exact=True).click()
    panel.row(f"customer-{USER}").dblclick()
    expect(panel.region.get_by_role("alert")).to_be_visible()
    check(panel.page, REGION)


def test_transfers_and_dialogs(seed: Seed, panel: Panel, s3: StrictS3, tmp_path: Path) -> None:
    seed(f"{OWN}taken.csv", f"{OWN}data.bin", body=b"\0")
    files = [tmp_path / name for name in ("taken.csv", "refused.csv", "fine.csv")]
    for file in files:
        file.write_text("x")
    s3.deny(f"{ORGANIZATION}/{OWN}refused")
    panel.go(OWN)
    with panel.page.expect_file_chooser() as chooser:
        panel.button("Upload").click()
    chooser.value.set_files(files)
    expect(panel.region.get_by_role("group")).to_be_visible()
    expect(panel.row("fine.csv")).to_be_visible()
    expect(panel.region.get_by_role("alert")).to_be_visible()
    check(panel.page, REGION)
    panel.row("taken.csv").click()
    panel.page.keyboard.press("Delete")
    expect(panel.page.get_by_role("dialog")).to_contain_text("1 file")
    check(panel.page, DIALOG)
    panel.page.get_by_role("button", name="Cancel", exact=True).click()
    panel.row("data.bin").dblclick()
    expect(panel.page.get_by_role("dialog")).to_contain_text("no viewer")
    check(panel.page, DIALOG)


def test_the_view_of_home(panel: Panel) -> None:
    panel.page.locator(".jp-Wherobots-saved").click()
    view = panel.page.locator(".jp-Wherobots-sync")
    view.get_by_role("button", name="Look for changes in S3").click()
    expect(view.get_by_role("heading", name="Changed in S3")).to_be_visible()
    check(panel.page, ".jp-Wherobots-sync")
    check(panel.page, ".jp-Wherobots-statusItem")
