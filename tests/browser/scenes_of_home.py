"""The states of the view of home worth a photograph, each made by what really leads to it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import s3_settings
from tests.browser.lab import ORGANIZATION, PLACE, USER, lab, visit
from tests.browser.scenes import Camera
from tests.jupyter_process import JupyterProcess
from tests.strict_s3 import StrictS3

HOME = f"{ORGANIZATION}/notebooks/customer-{USER}/"
SAVED = re.compile(r"^Saved \d")


def environment(s3: StrictS3) -> dict[str, str]:
    return {
        **PLACE,
        **s3_settings(s3),
        "WHEROBOTS_HOME_PERSISTENCE": "sync",
        "WHEROBOTS_SYNC_INTERVAL": "2",
    }


def item(page: Page) -> Locator:
    return page.locator(".jp-Wherobots-saved")


def open_view(page: Page) -> Locator:
    item(page).click()
    view = page.locator(".jp-Wherobots-sync")
    expect(view).to_be_visible()
    return view


def everyday(page: Page, server: JupyterProcess, s3: StrictS3, take: Camera) -> None:
    """Saved, waiting, an unsaved document, skipped files."""
    expect(item(page)).to_have_text(SAVED, timeout=60_000)
    view = open_view(page)
    take(page, "home-saved", width=1280, height=800)
    view.locator("summary").click()
    take(page, "home-skipped", width=1280, height=800)
    s3.deny(f"{HOME}large model")
    (server.home / "large model.bin").write_bytes(b"x" * 5_000_000)
    (server.home / "draft.txt").write_text("old ")
    expect(view.get_by_role("heading", name="Waiting to be saved")).to_be_visible(timeout=60_000)
    page.get_by_title("Refresh the file browser").click()
    page.locator("#filebrowser .jp-DirListing-item", has_text="draft.txt").dblclick()
    page.locator(".jp-FileEditor:visible .cm-content").click()
    page.keyboard.type("new")
    expect(item(page)).to_have_text("2 to save")
    open_view(page)
    take(page, "home-waiting", width=1280, height=800)
    view.get_by_role("button", name="Save now").click()
    expect(view.get_by_role("status")).to_contain_text("Not everything", timeout=90_000)
    take(page, "home-not-everything", width=1280, height=800)
    s3.allow_all()
    view.get_by_role("button", name="Save now").click()
    expect(view.get_by_role("status")).to_have_text("Everything is saved.", timeout=90_000)


def elsewhere(page: Page, server: JupyterProcess, s3: StrictS3, take: Camera) -> None:
    """Changed on both sides, changed and deleted in S3."""
    view = open_view(page)
    for name in ("both.txt", "newer in S3.txt", "deleted in S3.txt"):
        (server.home / name).write_text("first")
        s3.wait_until(lambda name=name: s3.object(f"{HOME}{name}") is not None, 60)  # type: ignore[misc]
    view.get_by_role("button", name="Save now").click()
    expect(view.get_by_role("status")).to_have_text("Everything is saved.", timeout=90_000)
    s3.put(f"{HOME}both.txt", b"theirs")
    s3.put(f"{HOME}newer in S3.txt", b"theirs")
    s3.put(f"{HOME}only/in/S3.txt", b"theirs")
    s3.delete(f"{HOME}deleted in S3.txt")
    (server.home / "both.txt").write_text("mine, later")
    s3.wait_until(lambda: s3.body(f"{HOME}both.txt") == b"mine, later", 60)
    view.get_by_role("button", name="Look for changes in S3").click()
    expect(view.get_by_role("button", name=re.compile("^Save again"))).to_be_visible(timeout=60_000)
    expect(view.get_by_role("heading", name="Changed on both sides")).to_be_visible()
    take(page, "home-changed-elsewhere", width=1280, height=800)
    page.set_viewport_size({"width": 700, "height": 800})
    take(page, "home-narrow", width=700, height=800)
    page.set_viewport_size({"width": 640, "height": 400})
    take(page, "home-zoomed", width=640, height=400)
    page.set_viewport_size({"width": 1280, "height": 800})
    view.get_by_role("button", name="Bring it here: only/in/S3.txt").click()
    expect(page.get_by_role("alert").filter(has_text="Done")).to_be_visible(timeout=60_000)
    take(page, "home-brought-here", width=1280, height=800)


def deletions(page: Page, server: JupyterProcess, s3: StrictS3, take: Camera) -> None:
    """Nearly everything deleted: it waits for a word."""
    view = open_view(page)
    for n in range(60):
        (server.home / f"part-{n:02}.csv").write_text("x")
    s3.wait_until(lambda: len(s3.keys(f"{HOME}part-")) == 60, 60)
    view.get_by_role("button", name="Save now").click()
    expect(view.get_by_role("status")).to_have_text("Everything is saved.", timeout=90_000)
    for path in server.home.glob("part-*.csv"):
        path.unlink()
    expect(view.get_by_role("heading", name="Deletions that wait")).to_be_visible(timeout=90_000)
    view.evaluate("view => view.parentElement.scrollTo(0, 10000)")
    take(page, "home-deletions", width=1280, height=800)


def last_stop(folder: Path, s3: StrictS3, browser: Browser, theme: str, take: Camera) -> None:
    """What the last stop could not save; the lease is another's meanwhile."""
    settings = {**environment(s3), "WHEROBOTS_STOP_TIMEOUT": "3"}
    with lab(folder, settings, theme=theme) as server, visit(browser, server) as page:
        expect(item(page)).to_have_text(SAVED, timeout=60_000)
        s3.deny(f"{HOME}precious")
        (server.home / "precious.ipynb").write_text('{"cells": [], "nbformat": 4}')
        (server.home / "precious data.csv").write_text("x" * 2_000)
        expect(item(page)).to_have_text("2 to save", timeout=60_000)
        server.stop()
    body = {"engine": "another", "host": "jupyter-ada--gpu", "process": 1}
    s3.put(f"{HOME}.wherobots/lease.json", json.dumps(body).encode())
    with lab(folder, settings, theme=theme) as server, visit(browser, server) as page:
        (server.home / "new.txt").write_text("x")
        view = open_view(page)
        expect(view.get_by_role("heading", name="What the last stop")).to_be_visible(timeout=60_000)
        expect(view.get_by_role("button", name="Take over…")).to_be_visible(timeout=60_000)
        take(page, "home-last-stop-and-second-instance", width=1280, height=800)
        view.get_by_role("button", name="Take over…").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        take(page, "home-take-over", width=1280, height=800)
        page.keyboard.press("Escape")
    s3.allow_all()


def every_state(folder: Path, s3: StrictS3, browser: Browser, theme: str, take: Camera) -> None:
    """All of them, in one theme; ``folder`` is for the server."""
    with lab(folder / "a", environment(s3), theme=theme) as server:
        (server.home / ".aws").mkdir()
        (server.home / ".aws" / "credentials").write_text("[default]")
        (server.home / ".wherobotsignore").write_text("*.tmp\n")
        (server.home / "scratch.tmp").write_text("x")
        (server.home / "work.txt").write_text("x")
        with visit(browser, server) as page:
            everyday(page, server, s3, take)
            elsewhere(page, server, s3, take)
            deletions(page, server, s3, take)
    last_stop(folder / "b", s3, browser, theme, take)
