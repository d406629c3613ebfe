"""Files of the storage in JupyterLab's own editors: opened, saved back, never overwritten unknowingly."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Seed
from tests.browser.lab import ORGANIZATION, OWN, USER, Panel, open_lab
from tests.jupyter_process import TOKEN, JupyterProcess
from tests.strict_s3 import StrictS3

pytestmark = pytest.mark.browser

NOTEBOOK = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    "cells": [
        {
            "cell_type": "markdown",
            "id": "one",
            "metadata": {},
            "source": ["# Title\n", "first line"],
        }
    ],
}


def open_file(panel: Panel, name: str) -> Locator:
    """Open a file of the user's own folder; the tab that shows it."""
    panel.go(OWN)
    panel.row(name).dblclick()
    tab = panel.page.get_by_role("tab", name=name)
    expect(tab).to_be_visible()
    return tab


def editor(page: Page) -> Locator:
    return page.locator(".jp-FileEditor:visible .cm-content")


def save(page: Page) -> None:
    page.keyboard.press("Control+s")


def test_text_is_opened_and_saved_back(seed: Seed, panel: Panel, page: Page, s3: StrictS3) -> None:
    seed(f"{OWN}notes.txt", body="Grüße\n".encode())
    open_file(panel, "notes.txt")
    expect(editor(page)).to_contain_text("Grüße")
    editor(page).click()
    page.keyboard.press("Control+End")
    page.keyboard.type("more")
    save(page)
    s3.wait_until(lambda: s3.body(f"{ORGANIZATION}/{OWN}notes.txt") == "Grüße\nmore".encode())


def test_a_change_made_elsewhere_is_not_overwritten_unasked(
    seed: Seed, panel: Panel, page: Page, s3: StrictS3
) -> None:
    key = f"{ORGANIZATION}/{OWN}notes.txt"
    seed(f"{OWN}notes.txt", body=b"mine")
    open_file(panel, "notes.txt")
    editor(page).click()
    page.keyboard.press("Control+Home")
    page.keyboard.type("new ")
    s3.put(key, b"somebody else's")
    save(page)
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("changed")
    assert s3.body(key) == b"somebody else's"
    dialog.get_by_role("button", name="Overwrite").click()
    s3.wait_until(lambda: s3.body(key) == b"new mine")


def test_a_notebook_says_where_it_lives_and_keeps_its_shape(
    seed: Seed, panel: Panel, page: Page, s3: StrictS3
) -> None:
    key = f"{ORGANIZATION}/{OWN}a b.ipynb"
    seed(f"{OWN}a b.ipynb", body=json.dumps(NOTEBOOK).encode())
    open_file(panel, "a b.ipynb")
    expect(page.get_by_text(f"In managed storage: /{OWN}a b.ipynb")).to_be_visible()
    page.get_by_role("button", name="Copy S3 path of this document").click()
    assert panel.clipboard() == f"s3://strict-bucket/{key}"
    page.get_by_role("heading", name="Title").dblclick()
    source = page.locator(".jp-MarkdownCell .cm-content")
    expect(source).to_contain_text("# Title")
    source.click()
    page.keyboard.press("Control+End")
    page.keyboard.type(" and more")
    save(page)
    s3.wait_until(lambda: b"and more" in s3.body(key))
    saved = json.loads(s3.body(key))
    assert saved["cells"][0]["source"] == ["# Title\n", "first line and more"]
    assert s3.body(key).endswith(b"}\n")


def test_what_has_no_viewer_is_offered_instead(
    seed: Seed, panel: Panel, page: Page, s3: StrictS3
) -> None:
    seed(f"{OWN}sub folder/data.parquet", body=b"PAR1\x00\x01")
    panel.go(f"{OWN}sub folder/")
    panel.row("data.parquet").dblclick()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("no viewer for this kind of file")
    dialog.get_by_role("button", name="Copy as code").click()
    assert panel.clipboard() == 'os.environ["USER_S3_PATH"] + "sub folder/data.parquet"'
    panel.row("data.parquet").dblclick()
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Download").click()
    assert download.value.path().read_bytes() == b"PAR1\x00\x01"


PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def test_each_kind_opens_in_its_viewer(seed: Seed, panel: Panel, page: Page) -> None:
    seed(f"{OWN}table.csv", body=b"city,people\nParis,2100000\n")
    seed(f"{OWN}style.json", body=b'{"layers": []}')
    seed(f"{OWN}picture.png", body=PIXEL)
    open_file(panel, "table.csv")
    expect(page.locator(".jp-CSVViewer:visible .lm-DataGrid")).to_be_visible()
    open_file(panel, "style.json")
    expect(page.get_by_role("tabpanel").get_by_text("layers")).to_be_visible()
    open_file(panel, "picture.png")
    picture = page.locator(".jp-ImageViewer:visible img")
    expect(picture).to_have_js_property("naturalWidth", 1)


def test_what_is_read_only_stays_as_it_is(
    seed: Seed, panel: Panel, page: Page, s3: StrictS3
) -> None:
    folder = f"notebooks/customer-{USER}/.wherobots/"
    seed(f"{folder}notes.txt", body=b"kept")
    panel.go(folder)
    panel.row("notes.txt").dblclick()
    expect(editor(page)).to_have_text("kept")
    editor(page).click()
    page.keyboard.type("changed")
    save(page)
    expect(page.get_by_text("file is read-only")).to_be_visible()
    assert s3.body(f"{ORGANIZATION}/{folder}notes.txt") == b"kept"


def test_text_of_an_unknown_kind_is_opened(seed: Seed, panel: Panel, page: Page) -> None:
    seed(f"{OWN}places.geojson", body=b'{"type": "FeatureCollection"}')
    open_file(panel, "places.geojson")
    expect(editor(page)).to_contain_text("FeatureCollection")


def test_a_large_file_is_not_opened_blindly(panel: Panel, page: Page, s3: StrictS3) -> None:
    s3.put_synthetic(f"{ORGANIZATION}/{OWN}big.csv", 30 * 2**20)
    panel.go(OWN)
    panel.row("big.csv").dblclick()
    expect(page.get_by_role("dialog")).to_contain_text("It has 30 MB")
    assert s3.count("GetObject") == 0


def test_how_large_is_a_setting(
    panel: Panel, page: Page, s3: StrictS3, lab_server: JupyterProcess
) -> None:
    s3.put_synthetic(f"{ORGANIZATION}/{OWN}big.csv", 2 * 2**20)
    url = f"{lab_server.url}lab/api/settings/jupyter-wherobots:plugin"
    headers = {"Authorization": f"token {TOKEN}"}
    try:
        page.request.put(url, headers=headers, data={"raw": '{"openLimit": 1}'})
        open_lab(page, lab_server)
        panel.open().go(OWN)
        panel.row("big.csv").dblclick()
        expect(page.get_by_role("dialog")).to_contain_text("files over 1.0 MB are not opened")
    finally:
        page.request.put(url, headers=headers, data={"raw": "{}"})


def test_a_name_that_jupyterlab_cannot_address_is_said(
    seed: Seed, panel: Panel, page: Page
) -> None:
    seed(f"{OWN}odd//notes.txt")
    panel.go(f"{OWN}odd/")
    panel.row("(empty name)").dblclick()
    panel.row("notes.txt").dblclick()
    expect(page.get_by_role("dialog")).to_contain_text("JupyterLab cannot address")


def test_odd_names_are_linked_opened_and_saved(
    seed: Seed, panel: Panel, page: Page, s3: StrictS3, lab_server: JupyterProcess
) -> None:
    """Whatever means something in an address, or to a shell: to S3 it is a letter."""
    folder, name = "50%25 #1?a&b=c+d", 'it\'s "100%" a\\b+c&d#e?f=%41;ü数é 🗺.txt'
    key = f"{ORGANIZATION}/{OWN}{folder}/{name}"
    seed(f"{OWN}{folder}/{name}", body=b"old")
    panel.go(f"{OWN}{folder}/")
    panel.row(name).click(button="right")
    page.get_by_role("menuitem", name="Copy Link").click()
    expect(panel.region.get_by_role("status")).to_contain_text("Copied")
    open_lab(page, lab_server, panel.clipboard().removeprefix(lab_server.url))
    expect(panel.row(name)).to_have_attribute("aria-selected", "true")
    expect(panel.region.locator("[aria-current=location]")).to_have_text(folder)
    panel.row(name).dblclick()
    expect(editor(page)).to_have_text("old")
    editor(page).click()
    page.keyboard.press("Control+a")
    page.keyboard.type("new")
    save(page)
    s3.wait_until(lambda: s3.body(key) == b"new")
    assert s3.keys(f"{ORGANIZATION}/{OWN}") == [key]


def test_a_path_is_inserted_into_the_open_notebook(
    seed: Seed, panel: Panel, page: Page, s3: StrictS3
) -> None:
    seed(f"{OWN}notes.txt", body=b"")
    seed(f"{OWN}tiles/part-0.csv")
    open_file(panel, "notes.txt")
    panel.row("tiles").click(button="right")
    page.get_by_role("menuitem", name="Insert Path").click()
    expect(editor(page)).to_have_text('os.environ["USER_S3_PATH"] + "tiles/"')


def test_a_path_goes_into_a_cell_by_command_and_by_dragging(
    seed: Seed, panel: Panel, page: Page
) -> None:
    code: dict[str, Any] = {"cell_type": "code", "id": "two", "metadata": {}, "source": "one"}
    code |= {"outputs": [], "execution_count": None}
    seed(f"{OWN}a b.ipynb", body=json.dumps({**NOTEBOOK, "cells": [code]}).encode())
    seed(f"{OWN}tiles.csv")
    open_file(panel, "a b.ipynb")
    cell = page.locator(".jp-CodeCell .cm-content")
    expect(cell).to_have_text("one")
    cell.click()
    page.keyboard.press("Control+a")
    panel.row("tiles.csv").click(button="right")
    page.get_by_role("menuitem", name="Insert Path").click()
    expect(cell).to_have_text('os.environ["USER_S3_PATH"] + "tiles.csv"')
    cell.click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    panel.row("tiles.csv").drag_to(cell)
    expect(cell).to_have_text(f'"s3://strict-bucket/{ORGANIZATION}/{OWN}tiles.csv"')


def test_a_path_dropped_into_a_markdown_cell_is_text(seed: Seed, panel: Panel, page: Page) -> None:
    """JupyterLab takes drops there for files to attach; what is not one, it throws away."""
    seed(f"{OWN}a b.ipynb", body=json.dumps(NOTEBOOK).encode())
    seed(f"{OWN}tiles.csv")
    open_file(panel, "a b.ipynb")
    page.get_by_role("heading", name="Title").dblclick()
    cell = page.locator(".jp-MarkdownCell .cm-content")
    expect(cell).to_contain_text("# Title")
    cell.click()
    page.keyboard.press("Control+a")
    page.keyboard.type("See : there")
    cell.get_by_text("See : there").hover()
    panel.row("tiles.csv").drag_to(cell.locator(".cm-line"), target_position={"x": 1, "y": 5})
    expect(cell).to_have_text(f"s3://strict-bucket/{ORGANIZATION}/{OWN}tiles.csvSee : there")
