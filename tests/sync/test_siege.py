"""What would stall the mirror, starve some files of their turn, or let something grow without bound."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest

from jupyter_wherobots.sync import restore
from tests.sync.conftest import PREFIX, Place
from tests.sync.test_restore import elsewhere


def test_what_is_said_of_a_store_is_said_once(place: Place) -> None:
    place.write("a")
    place.s3.deny(PREFIX)
    with place.engine(capabilities=None) as sync:
        for _ in range(3):
            notes = sync.run_pass().notes
        assert len(notes) == 1


def test_folders_deeper_than_pythons_stack(place: Place, tmp_path: Path) -> None:
    """As a copy of a folder into itself leaves them."""
    name = "/".join(["d"] * 1100)
    subprocess.run(["mkdir", "-p", name], cwd=place.home, check=True)
    place.home.joinpath(name, "file").write_bytes(b"deep")
    place.write("other")
    other, home = elsewhere(place, tmp_path)
    try:
        with place.engine() as sync:
            assert sync.run_pass().complete
        assert other.restore().complete
        assert home.joinpath(name, "file").read_bytes() == b"deep"
    finally:
        subprocess.run(["rm", "-r", place.home / "d", home / "d"], check=True)
    with place.engine() as sync:
        for _ in range(3):
            assert sync.run_pass().complete
    assert place.keys().keys() == {PREFIX + "other"}


def test_a_fault_of_the_mirror_itself_does_not_end_the_restore(
    place: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    place.s3.put(PREFIX + "a", b"text")
    struck = threading.Event()

    def strike(name: str) -> None:
        if name == "restore.before-commit" and not struck.is_set():
            struck.set()
            raise RuntimeError("a mistake")

    monkeypatch.setattr(restore, "failpoint", strike)
    sync, home = elsewhere(place, tmp_path)
    restored = threading.Event()
    sync.on_change = lambda status: restored.set() if status.restored else None
    sync.start()
    assert restored.wait(30)
    assert place.local(home) == {"a": b"text"}
    assert "a mistake" in caplog.text
