"""Databases under a writer that never rests come back sound, with whole transactions alone, each time."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys

import pytest

from jupyter_wherobots.sync import database
from tests.adversary.banker import MODES, check
from tests.adversary.conftest import Restored, at_work
from tests.strict_s3 import Call
from tests.sync.conftest import Place

pytestmark = pytest.mark.process


def torment(place: Place, restored: Restored, rounds: int) -> None:
    states: dict[str, list[int]] = {mode: [] for mode in MODES}
    done = 0
    with place.engine() as sync:
        with at_work("banker", place.home):
            # Now and then one is locked whenever it is looked at.
            while done < rounds or any(len(set(seen)) < 2 for seen in states.values()):
                done += 1
                sync.run_pass()
                home = restored()
                for mode, seen in states.items():
                    if (home / f"{mode}.db").exists():
                        seen.append(check(home / f"{mode}.db"))
        report = sync.run_pass()
        assert report.complete, report.not_durable
    print({mode: f"{len(seen)} copies, {len(set(seen))} states" for mode, seen in states.items()})
    home = restored()
    for mode in MODES:
        assert check(home / f"{mode}.db") == check(place.home / f"{mode}.db")


def test_busy_databases(place: Place, restored: Restored) -> None:
    torment(place, restored, 10)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_busy_databases_for_long(place: Place, restored: Restored) -> None:
    torment(place, restored, 100)


SPILLS = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA cache_size = 1")
db.execute("BEGIN")
db.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * 2000)
print(flush=True)
sys.stdin.readline()
db.execute("UPDATE t SET a = 1")
db.execute("COMMIT")
db.close()
"""


def test_a_commit_right_after_the_file_was_read(
    place: Place, restored: Restored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the transaction was in the file when it was read, and its log was gone when that was looked for."""
    file = place.home / "x.db"
    with contextlib.closing(sqlite3.connect(file)) as db, db:
        db.execute("CREATE TABLE t (a)")
    with place.engine() as sync:
        assert sync.run_pass().complete
        process = subprocess.Popen(
            [sys.executable, "-c", SPILLS, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        looked = database.has_live_log

        def look(root: int, path: bytes) -> bool:
            process.communicate(b"\n")
            return looked(root, path)

        monkeypatch.setattr(database, "has_live_log", look)
        sync.run_pass()
    assert process.returncode == 0
    with contextlib.closing(sqlite3.connect(restored() / "x.db")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert copy.execute("SELECT a, count(*) FROM t").fetchall() == [(1, 2000)]


def test_a_log_that_was_empty_when_it_was_scanned(place: Place) -> None:
    with contextlib.closing(sqlite3.connect(place.home / "x.db")) as db, db:
        db.execute("CREATE TABLE t (a)")
    live = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(504)
    for name in ("x.db-journal", "lone-journal"):
        place.write(name, b"")
    place.write("first.ipynb", b"{}")

    def begin(_: Call) -> None:
        for name in ("x.db-journal", "lone-journal"):
            (place.home / name).write_bytes(live)

    with place.engine(concurrency=1) as sync:
        # Notebooks are put first; the others were scanned by then.
        place.s3.on("PutObject", begin, key=place.key("first.ipynb"), times=1)
        sync.run_pass()
        sync.run_pass()
    assert "x.db-journal" not in place.remote()
    assert place.remote()["lone-journal"] == live
