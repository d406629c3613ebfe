"""JupyterLab for a person with a browser: a real server, real Chromium, and the panel as that person finds it.

Everything is found by role and accessible name, the contract with assistive technology, never by class.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Error, Locator, Page, Request, expect
from playwright.sync_api import TimeoutError as TooLate

from tests.jupyter_process import TOKEN, JupyterProcess, jupyter

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

ORGANIZATION = "org-4711"
USER = "abc123"
PLACE = {
    "WHEROBOTS_ORGANIZATION": ORGANIZATION,
    "WHEROBOTS_USER": USER,
    "WHEROBOTS_LAYOUT": "2024",
    "WHEROBOTS_HOME_PERSISTENCE": "off",
}
OWN = f"data/customer-{USER}/"

_SETTINGS = {
    # Asks the network for news otherwise, and shows what it finds over the page.
    "notification": {"fetchNews": "false", "checkForUpdates": False},
    "themes": {"theme": "JupyterLab Light"},
}


@contextmanager
def lab(
    folder: Path,
    environment: Mapping[str, str],
    *,
    arguments: Sequence[str] = (),
    theme: str = "JupyterLab Light",
    port: int = 0,
    python: str = sys.executable,
) -> Iterator[JupyterProcess]:
    """JupyterLab with its own home and configuration, without what would ask the network."""
    settings = folder / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True, exist_ok=True)
    for name, values in {**_SETTINGS, "themes": {"theme": theme}}.items():
        (settings / f"{name}.jupyterlab-settings").write_text(json.dumps(values))
    with jupyter(
        folder, environment, app="lab", arguments=arguments, port=port, python=python
    ) as server:
        yield server


@contextmanager
def visit(
    browser: Browser,
    server: JupyterProcess,
    *,
    size: tuple[int, int] = (1280, 800),
    path: str = "lab?reset",
) -> Iterator[Page]:
    """JupyterLab open in a browser of its own; an error the page throws fails the test."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(server.url))
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=origin)
    page = context.new_page()
    thrown: list[Error] = []

    def note(error: Error) -> None:
        thrown.append(error)

    page.on("pageerror", note)
    # Playwright diverts file dialogs while somebody listens, and does not wait until Chromium has been told: the dialog
    # of a key pressed at once could still go to the screen there is not. So somebody listens from the beginning.
    page.on("filechooser", lambda _: None)
    open_lab(page, server, path)
    yield page
    context.close()
    assert not thrown, thrown


def open_lab(page: Page, server: JupyterProcess, path: str = "lab?reset") -> None:
    """Load JupyterLab and wait until it can be used."""
    mark = "&" if "?" in path else "?"
    page.goto(f"{server.url}{path}{mark}token={TOKEN}")
    page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=60_000)
    page.wait_for_selector(".jp-Launcher, .jp-Document", timeout=60_000)


_NAMES_ARE = """
([region, names]) => {
  const rows = [...region.querySelectorAll('[role=row][data-type]')];
  rows.sort((a, b) => Number(a.ariaRowIndex) - Number(b.ariaRowIndex));
  return JSON.stringify(rows.map(row => row.ariaLabel.split(',')[0])) === JSON.stringify(names);
}
"""


class Panel:
    """The managed storage panel of a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.region = page.get_by_role("region", name="Managed Storage")
        self.grid = self.region.get_by_role("grid")

    def open(self) -> Panel:
        """Click the tab and wait for the roots."""
        self.page.get_by_role("tab", name="Managed Storage").click()
        expect(self.row("data")).to_be_visible()
        return self

    def row(self, name: str) -> Locator:
        """The row of a file or folder."""
        return self.region.get_by_role("row", name=re.compile(rf"^{re.escape(name)}, "))

    def expect_rows(self, *names: str) -> None:
        """Wait until these are the names in sight, top to bottom."""
        arguments = [self.region.element_handle(), list(names)]
        try:
            self.page.wait_for_function(_NAMES_ARE, arg=arguments)
        except TooLate:
            labels = self.region.locator("[role=row][data-type]").evaluate_all(
                "rows => rows.map(row => row.ariaLabel)"
            )
            raise AssertionError(f"{labels} instead of {names}") from None

    def expect_selected(self, *names: str) -> None:
        """Wait until exactly these rows (in sight) are selected."""
        selected = self.region.locator("[role=row][aria-selected=true]")
        patterns = [re.compile(rf"^{re.escape(name)}, ") for name in names]
        expect(selected).to_have_count(len(names))
        for pattern in patterns:
            expect(selected.and_(self.region.get_by_role("row", name=pattern))).to_have_count(1)

    def enter(self, *names: str) -> Panel:
        """Open folder after folder."""
        for name in names:
            self.row(name).dblclick()
            expect(self.region.locator("[aria-current=location]")).to_have_text(name)
        return self

    def go(self, path: str) -> Panel:
        """Walk from the root, for instance to ``data/shared/``."""
        self.region.get_by_role("button", name="All managed storage").click()
        return self.enter(*path.strip("/").split("/"))

    def button(self, name: str) -> Locator:
        """A button of the panel, by its exact name."""
        return self.region.get_by_role("button", name=name, exact=True)

    def widen(self, width: int) -> Panel:
        """Drag the edge of the sidebar until the panel is about this many pixels wide."""
        box = self.region.bounding_box()
        assert box is not None
        edge, middle = box["x"] + box["width"] + 1, box["y"] + box["height"] / 2
        self.page.mouse.move(edge, middle)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + width, middle, steps=4)
        self.page.mouse.up()
        return self

    def clipboard(self) -> str:
        """What the system clipboard holds."""
        text: str = self.page.evaluate("navigator.clipboard.readText()")
        return text


@contextmanager
def requests_of(page: Page) -> Iterator[list[str]]:
    """Collect the requests to our own API while the block runs."""
    seen: list[str] = []

    def note(request: Request) -> None:
        if "/wherobots/" in request.url:
            seen.append(f"{request.method} {request.url}")

    page.on("request", note)
    yield seen
    page.remove_listener("request", note)


@contextmanager
def console_of(page: Page) -> Iterator[list[str]]:
    """Collect errors and warnings of the console while the block runs."""
    seen: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            seen.append(message.text)

    page.on("console", note)
    yield seen
    page.remove_listener("console", note)
