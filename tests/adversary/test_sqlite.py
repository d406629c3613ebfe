"""Databases under a writer that never rests come back sound, with whole transactions alone, each time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.adversary.banker import MODES, check
from tests.adversary.conftest import Restored
from tests.sync.conftest import Place

pytestmark = pytest.mark.process


@contextmanager
def banker(folder: Path) -> Iterator[None]:
    """Somebody writes as long as the block lasts."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.adversary.banker", folder],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        yield
        assert process.poll() is None, "it failed"
    finally:
        process.communicate()
    assert process.returncode == 0


def torment(place: Place, restored: Restored, rounds: int) -> None:
    states: dict[str, list[int]] = {mode: [] for mode in MODES}
    with place.engine() as sync:
        with banker(place.home):
            for _ in range(rounds):
                sync.run_pass()
                home = restored()
                for mode, seen in states.items():
                    if (home / f"{mode}.db").exists():
                        seen.append(check(home / f"{mode}.db"))
        report = sync.run_pass()
        assert report.complete, report.not_durable
    counted = {
        mode: f"{len(seen)} copies, {len(set(seen))} states" for mode, seen in states.items()
    }
    print(counted)
    assert all(len(set(seen)) > 1 for seen in states.values()), counted
    home = restored()
    for mode in MODES:
        assert check(home / f"{mode}.db") == check(place.home / f"{mode}.db")


def test_busy_databases(place: Place, restored: Restored) -> None:
    torment(place, restored, 10)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_busy_databases_for_long(place: Place, restored: Restored) -> None:
    torment(place, restored, 100)
