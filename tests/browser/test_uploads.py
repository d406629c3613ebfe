"""Uploads: chosen, dropped, pasted; asked before anything is replaced; paused, cancelled and resumed."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Seed
from tests.browser.lab import ORGANIZATION, OWN, Panel, open_lab
from tests.jupyter_process import JupyterProcess
from tests.strict_s3 import Call, StrictS3

pytestmark = pytest.mark.browser


def choose(panel: Panel, *files: Path) -> None:
    with panel.page.expect_file_chooser() as chooser:
        panel.button("Upload").click()
    chooser.value.set_files(list(files))


def transfers(panel: Panel) -> Locator:
    return panel.region.get_by_role("region", name="Transfers")


# Synthetic files of the page itself: a DataTransfer that a script may fill, dropped or pasted as a person would.
SEND = """
([grid, type, files]) => {
  const data = new DataTransfer();
  for (const [name, text] of files) { data.items.add(new File([text], name)); }
  const options = { bubbles: true, cancelable: true };
  const event = type === 'paste'
    ? new ClipboardEvent('paste', { ...options, clipboardData: data })
    : new DragEvent(type, { ...options, dataTransfer: data });
  return !grid.dispatchEvent(event);
}
"""


def send(panel: Panel, kind: str, *files: tuple[str, str]) -> bool:
    """Drop, drag over, or paste files; whether the panel took the event."""
    taken: bool = panel.page.evaluate(
        SEND, [panel.grid.element_handle(), kind, [list(file) for file in files]]
    )
    return taken


MIB = 2**20
PART = 8 * MIB


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """300 MB and three bytes: holes, and a mark in every MiB that tells where it belongs."""
    file = tmp_path / "big file.bin"
    with file.open("wb") as stream:
        for n in range(300):
            stream.seek(n * MIB + n)
            stream.write(hashlib.sha256(n.to_bytes(2, "big")).digest())
        stream.seek(300 * MIB)
        stream.write(b"end")
    return file


def expect_arrived(s3: StrictS3, file: Path) -> None:
    """Every byte of a file lies in the user's own folder."""
    version = s3.object(f"{ORGANIZATION}/{OWN}{file.name}")
    assert version is not None
    assert len(version.body) == file.stat().st_size
    with file.open("rb") as stream:
        for start in range(0, len(version.body), PART):
            assert version.body[start : start + PART] == stream.read(PART), start


def test_many_files_arrive_in_parallel(panel: Panel, s3: StrictS3, tmp_path: Path) -> None:
    files = [tmp_path / f"{n}.csv" for n in range(12)]
    for n, file in enumerate(files):
        file.write_text(f"content {n}")
    panel.go(OWN)
    gate = s3.gate("PutObject")
    choose(panel, *files)
    gate.wait_for_arrivals(4, 60)
    panel.button("Stop all uploads").click()
    dialog = panel.page.get_by_role("dialog")
    expect(dialog).to_contain_text("Files that have arrived stay.")
    dialog.get_by_role("button", name="Cancel").click()
    panel.button("Pause all uploads").click()
    gate.release()
    panel.button("Resume all uploads").click()  # when those are through that were sent already
    expect(panel.row("11.csv")).to_be_visible()
    expect(transfers(panel)).to_contain_text("All done")
    assert s3.contents(f"{ORGANIZATION}/{OWN}") == {
        f"{ORGANIZATION}/{OWN}{file.name}": file.read_bytes() for file in files
    }


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        ("Skip", {"a.csv": b"old"}),
        ("Replace", {"a.csv": b"new"}),
        ("Keep both", {"a.csv": b"old", "a (1).csv": b"new"}),
    ],
)
def test_a_name_that_is_taken_is_asked_about(
    seed: Seed, panel: Panel, s3: StrictS3, tmp_path: Path, answer: str, left: dict[str, bytes]
) -> None:
    seed(f"{OWN}a.csv", body=b"old")
    (tmp_path / "a.csv").write_bytes(b"new")
    panel.go(OWN)
    choose(panel, tmp_path / "a.csv")
    group = transfers(panel).get_by_role("group", name="What to do with a.csv")
    expect(group).to_be_visible()
    assert s3.body(f"{ORGANIZATION}/{OWN}a.csv") == b"old"
    group.get_by_role("button", name=answer).click()
    expect(transfers(panel)).to_contain_text("All done")
    assert s3.contents(f"{ORGANIZATION}/{OWN}") == {
        f"{ORGANIZATION}/{OWN}{name}": body for name, body in left.items()
    }


def test_an_upload_is_cancelled_instead_of_answered(
    seed: Seed, panel: Panel, s3: StrictS3, tmp_path: Path
) -> None:
    seed(f"{OWN}a.csv", body=b"old")
    (tmp_path / "a.csv").write_bytes(b"new")
    panel.go(OWN)
    choose(panel, tmp_path / "a.csv")
    question = transfers(panel).get_by_role("group", name="What to do with a.csv")
    expect(question).to_be_visible()
    panel.button("Cancel the upload of a.csv").click()
    expect(question).to_have_count(0)
    expect(transfers(panel)).to_contain_text("Done, 1 cancelled")
    assert s3.contents(f"{ORGANIZATION}/{OWN}") == {f"{ORGANIZATION}/{OWN}a.csv": b"old"}


def test_one_answer_does_for_all(seed: Seed, panel: Panel, s3: StrictS3, tmp_path: Path) -> None:
    files = [tmp_path / f"{n}.csv" for n in range(9)]
    for file in files:
        file.write_bytes(b"new")
    seed(*(f"{OWN}{file.name}" for file in files), body=b"old")
    panel.go(OWN)
    choose(panel, *files)
    group = transfers(panel).get_by_role("group").first
    group.get_by_role("checkbox", name="for all").check()
    group.get_by_role("button", name="Replace").click()
    expect(transfers(panel)).to_contain_text("All done")
    assert set(s3.contents(f"{ORGANIZATION}/{OWN}").values()) == {b"new"}


def test_dropped_and_pasted_files_are_uploaded(panel: Panel, s3: StrictS3) -> None:
    panel.go(OWN)
    assert send(panel, "dragover", ("a.csv", "dropped"))
    assert send(panel, "drop", ("a.csv", "dropped"))
    expect(panel.row("a.csv")).to_be_visible()
    assert send(panel, "paste", ("b.csv", "pasted"))
    expect(panel.row("b.csv")).to_be_visible()
    assert s3.body(f"{ORGANIZATION}/{OWN}a.csv") == b"dropped"
    assert s3.body(f"{ORGANIZATION}/{OWN}b.csv") == b"pasted"


def test_a_drop_on_a_folder_goes_into_it(seed: Seed, panel: Panel, s3: StrictS3) -> None:
    seed(f"{OWN}folder/there.csv")
    panel.go(OWN)
    row = panel.row("folder").element_handle()
    panel.page.evaluate(SEND, [row, "drop", [["a.csv", "dropped"]]])
    s3.wait_until(lambda: s3.object(f"{ORGANIZATION}/{OWN}folder/a.csv") is not None)


def test_a_drop_on_a_read_only_folder_is_refused(panel: Panel, page: Page, s3: StrictS3) -> None:
    panel.enter("data")
    assert (
        panel.page.evaluate(
            """grid => {
          const data = new DataTransfer();
          data.items.add(new File(['x'], 'x'));
          const event = new DragEvent('dragover', { bubbles: true, cancelable: true, dataTransfer: data });
          grid.dispatchEvent(event);
          return event.dataTransfer.dropEffect;
        }""",
            panel.grid.element_handle(),
        )
        == "none"
    )
    send(panel, "drop", ("a.csv", "dropped"))
    expect(page.get_by_role("dialog")).to_contain_text("read-only")
    assert s3.keys() == []


def test_a_folder_is_uploaded_with_all_that_is_in_it(
    panel: Panel, page: Page, s3: StrictS3, tmp_path: Path
) -> None:
    for name in ("study/a.csv", "study/deep/er/b.csv"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    panel.go(OWN)
    panel.grid.click(button="right", position={"x": 100, "y": 200})
    with page.expect_file_chooser() as chooser:
        page.get_by_role("menuitem", name="Upload Folder").click()
    chooser.value.set_files(tmp_path / "study")
    expect(panel.row("study")).to_be_visible()
    expect(transfers(panel)).to_contain_text("All done")
    assert s3.contents(f"{ORGANIZATION}/{OWN}") == {
        f"{ORGANIZATION}/{OWN}study/a.csv": b"study/a.csv",
        f"{ORGANIZATION}/{OWN}study/deep/er/b.csv": b"study/deep/er/b.csv",
    }


def test_a_dropped_folder_is_uploaded_with_all_that_is_in_it(
    panel: Panel, page: Page, s3: StrictS3, tmp_path: Path
) -> None:
    """As the operating system drops it: a script can make files for a drop, but no folders."""
    for name in ("study/a.csv", "study/deep/er/b.csv", "single.csv"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    (tmp_path / "study" / "empty").mkdir()
    panel.go(OWN)
    expect(panel.region.get_by_text("This folder is empty.")).to_be_visible()
    box = panel.grid.bounding_box()
    assert box is not None
    dropped = {"items": [], "dragOperationsMask": 1}
    dropped["files"] = [str(tmp_path / "study"), str(tmp_path / "single.csv")]
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        at = {"x": box["x"] + 100, "y": box["y"] + 200}
        session.send("Input.dispatchDragEvent", {"type": kind, **at, "data": dropped})
    expect(panel.row("study")).to_be_visible()
    expect(transfers(panel)).to_contain_text("All done")
    base = f"{ORGANIZATION}/{OWN}"
    s3.wait_until(lambda: s3.object(f"{base}study/empty/") is not None)
    assert s3.contents(base) == {
        f"{base}single.csv": b"single.csv",
        f"{base}study/a.csv": b"study/a.csv",
        f"{base}study/deep/er/b.csv": b"study/deep/er/b.csv",
        f"{base}study/empty/": b"",
    }


def test_a_drop_beside_the_list_goes_into_the_folder_shown(
    panel: Panel, page: Page, s3: StrictS3, tmp_path: Path
) -> None:
    """Left to the browser, a file that misses the list by a finger's breadth would be opened in place of JupyterLab."""
    session = page.context.new_cdp_session(page)

    def drop(name: str, part: Locator) -> None:
        (tmp_path / name).write_text(name)
        dropped = {"items": [], "files": [str(tmp_path / name)], "dragOperationsMask": 1}
        box = part.bounding_box()
        assert box is not None
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        for kind in ("dragEnter", "dragOver", "drop"):
            session.send("Input.dispatchDragEvent", {"type": kind, **at, "data": dropped})

    panel.go(OWN)
    expect(panel.region.get_by_text("This folder is empty.")).to_be_visible()
    drop("a.csv", panel.region.get_by_role("toolbar"))
    expect(panel.row("a.csv")).to_be_visible()
    drop("b.csv", transfers(panel))
    expect(panel.row("b.csv")).to_be_visible()
    panel.go("data/")
    drop("c.csv", panel.region.get_by_role("toolbar"))
    panel.go(OWN)
    panel.expect_rows("a.csv", "b.csv")
    assert len(page.context.pages) == 1
    assert s3.keys() == [f"{ORGANIZATION}/{OWN}{name}" for name in ("a.csv", "b.csv")]


@contextmanager
def parts_held_after(s3: StrictS3, count: int) -> Iterator[None]:
    """S3 takes so many parts, and lets the others wait until the block ends."""
    arrived, lock, go_on = 0, threading.Lock(), threading.Event()

    def hold(_: Call) -> None:
        nonlocal arrived
        with lock:
            arrived += 1
            late = arrived > count
        if late:
            go_on.wait(60)

    s3.on("UploadPart", hold)
    yield
    go_on.set()
    s3.heal()


def test_a_large_file_is_paused_and_resumed(panel: Panel, s3: StrictS3, big: Path) -> None:
    panel.go(OWN)
    with parts_held_after(s3, 10):
        choose(panel, big)
        s3.wait_for("UploadPart", 10, timeout=60)
        expect(transfers(panel)).to_contain_text(re.compile(r"\d MB of 300 MB, .+/s, .+ left"))
        panel.button(f"Pause the upload of {big.name}").click()
        expect(transfers(panel)).to_contain_text("paused")
    panel.button(f"Resume the upload of {big.name}").click()
    expect(panel.row(big.name)).to_be_visible(timeout=60_000)
    expect_arrived(s3, big)


def test_a_cancelled_upload_leaves_nothing_behind(panel: Panel, s3: StrictS3, big: Path) -> None:
    panel.go(OWN)
    with parts_held_after(s3, 10):
        choose(panel, big)
        s3.wait_for("UploadPart", 10, timeout=60)
        panel.button(f"Cancel the upload of {big.name}").click()
        expect(transfers(panel)).to_contain_text("Cancelled")
    s3.wait_until(lambda: s3.uploads() == [])
    assert s3.keys() == []


def test_an_upload_goes_on_after_a_reload(
    panel: Panel, page: Page, lab_server: JupyterProcess, s3: StrictS3, big: Path
) -> None:
    panel.go(OWN)
    page.on("dialog", lambda dialog: dialog.accept())
    with parts_held_after(s3, 20):
        choose(panel, big)
        s3.wait_for("UploadPart", 20, timeout=60)
        open_lab(page, lab_server)
    panel.open()
    expect(transfers(panel)).to_contain_text("arrived before the page was left")
    other = big.with_name("another file.bin")
    other.write_bytes(b"not the same")
    with page.expect_file_chooser() as chooser:
        panel.button(f"Choose {big.name} again to go on").click()
    chooser.value.set_files(other)
    expect(page.get_by_role("dialog")).to_contain_text("not the same file")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    with page.expect_file_chooser() as chooser:
        panel.button(f"Choose {big.name} again to go on").click()
    chooser.value.set_files(big)
    expect(transfers(panel)).to_contain_text("All done", timeout=60_000)
    expect_arrived(s3, big)
    parts = -(-big.stat().st_size // PART)
    assert s3.count("UploadPart") <= parts + 4  # what was on its way when the page went
    assert s3.count("CreateMultipartUpload") == 1


def test_a_file_that_was_written_to_since_it_was_chosen_is_not_blamed_on_the_server(
    panel: Panel, s3: StrictS3, tmp_path: Path
) -> None:
    files = [tmp_path / f"{n}.csv" for n in range(4)]
    log = tmp_path / "log.txt"
    for file in (*files, log):
        file.write_text("as it was")
    panel.go(OWN)
    gate = s3.gate("PutObject")
    choose(panel, *files, log)
    gate.wait_for_arrivals(4, 60)
    log.write_text("as it is now")
    os.utime(log, (2e9, 2e9))  # Chromium looks at whole seconds
    gate.release()
    alert = transfers(panel).get_by_role("alert")
    expect(alert).to_contain_text("changed, moved or deleted on this computer")


def test_another_tab_does_not_take_a_running_upload_for_a_forgotten_one(
    panel: Panel, page: Page, lab_server: JupyterProcess, s3: StrictS3, tmp_path: Path
) -> None:
    file = tmp_path / "large.bin"
    with file.open("wb") as stream:
        stream.truncate(40 * MIB)
    panel.go(OWN)
    gate = s3.gate("UploadPart")
    choose(panel, file)
    gate.wait_for_arrivals(1, 60)
    page.wait_for_function("async () => (await navigator.locks.query()).held.length === 1")
    other = page.context.new_page()
    open_lab(other, lab_server)
    with other.expect_response(re.compile("/storage/uploads")) as asked:
        second = Panel(other).open()
    assert len(asked.value.json()["uploads"]) == 1
    second.go(OWN)
    expect(second.region.get_by_text("This folder is empty.")).to_be_visible()
    expect(transfers(second)).to_have_count(0)
    gate.release()
    expect(transfers(panel)).to_contain_text("All done", timeout=60_000)
    expect_arrived(s3, file)


def test_a_failed_upload_says_why_and_can_be_tried_again(
    panel: Panel, s3: StrictS3, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_bytes(b"content")
    panel.go(OWN)
    s3.deny(f"{ORGANIZATION}/{OWN}")
    choose(panel, tmp_path / "a.csv")
    expect(transfers(panel).get_by_role("alert")).to_contain_text("may list but not write")
    s3.allow_all()
    panel.button("Retry the upload of a.csv").click()
    expect(panel.row("a.csv")).to_be_visible()
