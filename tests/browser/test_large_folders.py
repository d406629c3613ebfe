"""A folder of 100,000 objects opens, scrolls and sorts without a stutter."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import s3_client, s3_settings
from tests.browser.lab import ORGANIZATION, OWN, PLACE, Panel, lab, open_lab, visit
from tests.conftest import ACCESS_KEY, SECRET_KEY, Endpoint, Server
from tests.jupyter_process import JupyterProcess
from tests.strict_s3 import StrictS3

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

COUNT = 100_000
FIRST_ROW_MS = 1000
LONG_TASK_MS = 100
DOM_NODES = 2000

OPEN = """
([grid, name]) => new Promise(resolve => {
  const row = [...grid.querySelectorAll('[role=row]')].find(row => row.ariaLabel.startsWith(name));
  const begin = performance.now();
  const look = () => {
    const first = grid.querySelector('[role=row][data-index="0"]');
    const there = first && first.ariaLabel.startsWith('00000000');
    if (there) { resolve(performance.now() - begin); } else { requestAnimationFrame(look); }
  };
  row.dispatchEvent(new MouseEvent('dblclick', { bubbles: true }));
  look();
})
"""

# Down a screen a frame, as fast as the rows come, to the very end.
SCROLL = """
grid => new Promise((resolve, reject) => {
  let most = 0, idle = 0;
  const step = () => {
    most = Math.max(most, document.querySelectorAll('*').length);
    const before = grid.scrollTop;
    grid.scrollTop += grid.clientHeight * 8;
    const end = grid.scrollTop === before;
    idle = end ? idle + 1 : 0;
    if (end && grid.ariaRowCount !== '-1') { resolve(most); }
    else if (idle > 3000) { reject(new Error('it never ended')); }
    else { requestAnimationFrame(step); }
  };
  step();
})
"""


@pytest.fixture
def large(s3: StrictS3, panel: Panel) -> Panel:
    s3.generate(f"{ORGANIZATION}/{OWN}large/", COUNT)
    panel.go(OWN)
    expect(panel.row("large")).to_be_visible()
    return panel


class Tasks:
    """The tasks of the page's main thread while a block runs.

    What counts is the processor time of each: on a busy machine the same task takes as long as the others let it.
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        self.cpu: list[float] = []
        """Milliseconds of each."""
        self.wall: list[float] = []

    def __enter__(self) -> Tasks:
        self._browser = self._page.context.browser
        assert self._browser is not None
        self._browser.start_tracing(page=self._page, categories=["toplevel"])
        return self

    def __exit__(self, *_: object) -> None:
        assert self._browser is not None
        events = json.loads(self._browser.stop_tracing())["traceEvents"]
        threads = {
            (each["pid"], each["tid"])
            for each in events
            if each["name"] == "thread_name" and each["args"]["name"] == "CrRendererMain"
        }
        for each in events:
            if (each["pid"], each["tid"]) in threads and "tdur" in each:
                self.cpu.append(each["tdur"] / 1000)
                self.wall.append(each["dur"] / 1000)

    def __str__(self) -> str:
        longest = sorted(zip(self.cpu, self.wall, strict=True), reverse=True)[:3]
        words = ", ".join(f"{cpu:.0f} ms of CPU in {wall:.0f} ms" for cpu, wall in longest)
        return f"{len(self.cpu)} tasks, the longest {words}"

    @property
    def longest(self) -> float:
        return max(self.cpu)


def opened(panel: Panel, server: JupyterProcess) -> float:
    """Open the folder; the milliseconds until its first row is there, the least of three tries if others delay it."""
    tries: list[float] = []
    while not tries or (tries[-1] > FIRST_ROW_MS and len(tries) < 3):
        if tries:
            open_lab(panel.page, server)
            panel.open().go(OWN)
        expect(panel.row("large")).to_be_visible()
        tries.append(panel.page.evaluate(OPEN, [panel.grid.element_handle(), "large"]))
    return min(tries)


def test_it_opens_scrolls_to_the_end_and_stays_small(
    large: Panel, page: Page, lab_server: JupyterProcess
) -> None:
    # An order kept from elsewhere does not have all of it read first.
    large.region.get_by_role("columnheader", name="Size").get_by_role("button").click()
    first = opened(large, lab_server)
    with Tasks(page) as tasks:
        most = page.evaluate(SCROLL, large.grid.element_handle())
    print(f"first row {first:.0f} ms, {most} DOM nodes, {tasks}")
    expect(large.row("00099999.bin")).to_be_visible()
    expect(large.region.get_by_text("100,000 items")).to_be_visible()
    assert first <= FIRST_ROW_MS
    assert most <= DOM_NODES
    assert tasks.longest <= LONG_TASK_MS


def test_it_sorts_and_filters_without_freezing(large: Panel, page: Page) -> None:
    large.enter("large")
    with Tasks(page) as tasks:
        large.region.get_by_role("columnheader", name="Name").get_by_role("button").click()
        expect(large.region.get_by_text("100,000 items")).to_be_visible(timeout=60_000)
        expect(large.row("00099999.bin")).to_be_visible(timeout=30_000)
        large.button("Filter").click()
        page.keyboard.type("4242")
        expect(large.row("00042420.bin")).to_be_visible()
        expect(large.region.get_by_text("20 items")).to_be_visible()
        page.keyboard.press("Escape")
        expect(large.region.get_by_text("100,000 items")).to_be_visible()
    print(tasks)
    assert tasks.longest <= LONG_TASK_MS


def test_all_of_it_is_selected_and_has_a_menu(large: Panel, page: Page) -> None:
    """What each item of the menu can do depends on every row that is selected."""
    large.enter("large")
    large.region.get_by_role("columnheader", name="Name").get_by_role("button").click()
    last = large.row("00099999.bin")
    expect(last).to_be_visible(timeout=60_000)
    large.grid.focus()
    with Tasks(page) as tasks:
        page.keyboard.press("Control+a")
        expect(large.region.get_by_text("100,000 of 100,000 selected")).to_be_visible()
        last.click(button="right")
        expect(page.get_by_role("menuitem", name="Copy S3 Paths")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("menu")).to_have_count(0)
        page.keyboard.press("ArrowDown")
        expect(large.region.get_by_text("100,000 items")).to_be_visible()
    print(tasks)
    assert tasks.longest <= LONG_TASK_MS


def test_the_keyboard_reaches_the_end_of_what_is_here(large: Panel, page: Page) -> None:
    large.enter("large")
    expect(large.row("00000000.bin")).to_be_visible()
    large.grid.focus()
    with Tasks(page) as tasks:
        for _ in range(3):
            page.keyboard.press("End")
            selected = large.grid.locator("[role=row][aria-selected=true]")
            expect(selected).to_have_count(1)
            expect(selected).to_be_in_viewport()
            expect(selected).to_have_attribute("data-index", re.compile(r"999$"))
    print(tasks)
    assert tasks.longest <= LONG_TASK_MS


@pytest.fixture(scope="module")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """`rclone serve s3 :memory:` with 100,000 objects, which it copies into its memory itself: by S3 it takes many minutes."""
    root = tmp_path_factory.mktemp("rclone")
    folder = root / ORGANIZATION / OWN / "large"
    folder.mkdir(parents=True)
    for n in range(COUNT):
        (folder / f"{n:08}.bin").write_bytes(b"x")
    program = str(Path(sys.executable).with_name("rclone"))
    command = [program, "serve", "s3", ":memory:", "--addr", "127.0.0.1:0", "--config", os.devnull]
    command += ["--auth-key", f"{ACCESS_KEY},{SECRET_KEY}"]
    command += ["--rc", "--rc-no-auth", "--rc-addr", "127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        told = re.compile(r"(control|s3 server) on \[?(http://[^/\]]*)")
        found = (told.search(line) for line in process.stderr)
        urls = dict(islice(((each[1], each[2]) for each in found if each), 2))
        threading.Thread(target=process.stderr.read, daemon=True).start()
        order = {"srcFs": str(root), "dstFs": ":memory:bucket", "createEmptySrcDirs": False}
        request = urllib.request.Request(
            f"{urls['control']}/sync/copy",
            json.dumps(order).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=600) as answer:
            answer.read()
        yield Server(urls["s3 server"], "bucket")
        process.terminate()


@pytest.mark.timeout(900)
def test_it_opens_on_rclone_too(browser: Browser, tmp_path: Path, rclone: Endpoint) -> None:
    """As smooth and as small; nearly all of the time to the first row is what rclone needs for one page."""
    client = s3_client(rclone)
    prefix = f"{ORGANIZATION}/{OWN}large/"
    began = time.perf_counter()
    client.list_objects_v2(Bucket=rclone.bucket, Prefix=prefix, Delimiter="/")
    one_page = (time.perf_counter() - began) * 1000
    environment = {**PLACE, **s3_settings(rclone)}
    with lab(tmp_path, environment) as server, visit(browser, server) as page:
        panel = Panel(page).open().go(OWN)
        first = opened(panel, server)
        with Tasks(page) as tasks:
            most = page.evaluate(SCROLL, panel.grid.element_handle())
        print(
            f"one page of rclone {one_page:.0f} ms, first row {first:.0f} ms, {most} nodes, {tasks}"
        )
        expect(panel.row("00099999.bin")).to_be_visible()
        assert first <= FIRST_ROW_MS + one_page
        assert most <= DOM_NODES
        assert tasks.longest <= LONG_TASK_MS
