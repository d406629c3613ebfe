"""A folder of 100,000 objects opens, scrolls and sorts without a stutter."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from obstore.store import S3Store
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import s3_client, s3_settings
from tests.browser.lab import ORGANIZATION, OWN, PLACE, Panel, lab, visit
from tests.conftest import ACCESS_KEY, REGION, SECRET_KEY, Endpoint, Server
from tests.strict_s3 import StrictS3

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

COUNT = 100_000
FIRST_ROW_MS = 1000
LONG_TASK_MS = 100
DOM_NODES = 2000

# Browsers report every task of the main thread that takes over 50 ms.
WATCH = """
() => {
  window.longTasks = [];
  new PerformanceObserver(list => {
    for (const entry of list.getEntries()) { window.longTasks.push(Math.round(entry.duration)); }
  }).observe({ type: 'longtask', buffered: false });
}
"""

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
    panel.page.evaluate(WATCH)
    return panel


def long_tasks(page: Page) -> list[int]:
    tasks: list[int] = page.evaluate("window.longTasks")
    return [task for task in tasks if task > LONG_TASK_MS]


def test_it_opens_scrolls_to_the_end_and_stays_small(large: Panel, page: Page) -> None:
    grid: Any = large.grid.element_handle()
    first = page.evaluate(OPEN, [grid, "large"])
    most = page.evaluate(SCROLL, grid)
    print(f"first row {first:.0f} ms, {most} DOM nodes, long tasks {page.evaluate('longTasks')}")
    expect(large.row("00099999.bin")).to_be_visible()
    expect(large.region.get_by_text("100,000 items")).to_be_visible()
    assert first <= FIRST_ROW_MS
    assert most <= DOM_NODES
    assert long_tasks(page) == []


def test_it_sorts_and_filters_without_freezing(large: Panel, page: Page) -> None:
    large.enter("large")
    large.region.get_by_role("columnheader", name="Name").get_by_role("button").click()
    expect(large.region.get_by_text("100,000 items")).to_be_visible(timeout=60_000)
    expect(large.row("00099999.bin")).to_be_visible(timeout=30_000)
    large.button("Filter").click()
    page.keyboard.type("4242")
    expect(large.row("00042420.bin")).to_be_visible()
    expect(large.region.get_by_text("20 items")).to_be_visible()
    page.keyboard.press("Escape")
    expect(large.region.get_by_text("100,000 items")).to_be_visible()
    print(f"long tasks {page.evaluate('longTasks')}")
    assert long_tasks(page) == []


def test_the_keyboard_reaches_the_end_of_what_is_here(large: Panel, page: Page) -> None:
    large.enter("large")
    expect(large.row("00000000.bin")).to_be_visible()
    large.grid.focus()
    for _ in range(3):
        page.keyboard.press("End")
        selected = large.grid.locator("[role=row][aria-selected=true]")
        expect(selected).to_have_count(1)
        expect(selected).to_be_in_viewport()
        expect(selected).to_have_attribute("data-index", re.compile(r"999$"))
    assert long_tasks(page) == []


@pytest.fixture(scope="module")
def rclone_in_memory() -> Iterator[Endpoint]:
    """`rclone serve s3 :memory:` with a folder of 100,000 small objects."""
    program = str(Path(sys.executable).with_name("rclone"))
    command = [program, "serve", "s3", ":memory:", "--addr", "127.0.0.1:0"]
    command += ["--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--config", os.devnull]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        started = next(line for line in process.stderr if "Starting s3 server on [" in line)
        threading.Thread(target=process.stderr.read, daemon=True).start()
        url = started.partition("Starting s3 server on [")[2].partition("]")[0].rstrip("/")
        endpoint = Server(url, "bucket")
        s3_client(endpoint).create_bucket(Bucket=endpoint.bucket)
        store = S3Store(
            endpoint.bucket,
            endpoint=url,
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET_KEY,
            region=REGION,
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )
        keys = (f"{ORGANIZATION}/{OWN}large/{n:08}.bin" for n in range(COUNT))
        with ThreadPoolExecutor(16) as threads:
            for _ in threads.map(lambda key: store.put(key, b"x"), keys):
                pass
        yield endpoint
        process.terminate()


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_it_opens_on_rclone_too(
    browser: Browser, tmp_path: Path, rclone_in_memory: Endpoint
) -> None:
    """As smooth and as small; when the first row is there is up to rclone, which needs most of it for one page."""
    client = s3_client(rclone_in_memory)
    prefix = f"{ORGANIZATION}/{OWN}large/"
    began = time.perf_counter()
    client.list_objects_v2(Bucket=rclone_in_memory.bucket, Prefix=prefix, Delimiter="/")
    one_page = (time.perf_counter() - began) * 1000
    environment = {**PLACE, **s3_settings(rclone_in_memory)}
    with lab(tmp_path, environment) as server, visit(browser, server) as page:
        panel = Panel(page).open().go(OWN)
        page.evaluate(WATCH)
        grid: Any = panel.grid.element_handle()
        first = page.evaluate(OPEN, [grid, "large"])
        most = page.evaluate(SCROLL, grid)
        print(
            f"rclone: one page {one_page:.0f} ms, first row {first:.0f} ms, {most} DOM nodes, "
            f"long tasks {page.evaluate('longTasks')}"
        )
        expect(panel.row("00099999.bin")).to_be_visible()
        assert first <= FIRST_ROW_MS + one_page
        assert most <= DOM_NODES
        assert long_tasks(page) == []
