"""A SQLite database that is written to comes back sound, and nobody's locks are taken away."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_wherobots.sync import settling
from jupyter_wherobots.sync.status import SkipReason
from tests.strict_s3 import Call
from tests.sync.conftest import Place


def rows(file: Path) -> int:
    with contextlib.closing(sqlite3.connect(file)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return int(db.execute("SELECT count(*) FROM t").fetchone()[0])


def bring_back(place: Place, folder: Path) -> Path:
    """The database as S3 has it now, in a folder of its own."""
    folder.mkdir()
    for name, body in place.remote().items():
        (folder / name).write_bytes(body)
    return folder / "x.db"


@pytest.fixture
def database(place: Place) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(place.home / "x.db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE t (a)")
        yield db


def test_what_only_the_log_says_is_saved_with_the_database(
    place: Place, tmp_path: Path, database: sqlite3.Connection
) -> None:
    database.execute("INSERT INTO t VALUES (1)")
    with place.engine() as sync:
        report = sync.run_pass()
        assert report.complete
        assert set(place.remote()) == {"x.db"}
        reasons = {each.path: each.reason for each in report.skipped}
        assert reasons == dict.fromkeys(("x.db-shm", "x.db-wal"), SkipReason.DATABASE_LOG)
        assert rows(bring_back(place, tmp_path / "one")) == 1
        # The next commit touches the log alone.
        database.execute("INSERT INTO t VALUES (2)")
        assert sync.run_pass().uploaded == 1
        assert rows(bring_back(place, tmp_path / "two")) == 2
        assert sync.run_pass().uploaded == 0
        # The last connection folds the log into the database.
        database.close()
        sync.run_pass()
        sync.run_pass()
        assert set(place.remote()) == {"x.db"}
        assert rows(bring_back(place, tmp_path / "three")) == 2


def test_a_log_that_a_crash_left_is_saved_with_the_database(place: Place, tmp_path: Path) -> None:
    script = (
        "import sqlite3, os, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "db.execute('PRAGMA journal_mode = WAL'); db.execute('CREATE TABLE t (a)');"
        "db.execute('INSERT INTO t VALUES (1)'); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", script, place.home / "x.db"], check=False)
    assert (place.home / "x.db-wal").stat().st_size > 0
    with place.engine() as sync:
        assert sync.run_pass().complete
    assert rows(bring_back(place, tmp_path / "one")) == 1


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_log_from_before_the_start_is_not_played_into_what_comes_from_s3(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupted: bool
) -> None:
    for name, count in (("theirs", 300), ("mine", 3)):
        with contextlib.closing(sqlite3.connect(tmp_path / name, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("CREATE TABLE t (a)")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            db.executemany("INSERT INTO t VALUES (?)", [(name * 50,)] * count)
            if name == "mine":  # the machine died then, and the state directory with it
                for suffix in ("", "-wal"):
                    shutil.copy(tmp_path / (name + suffix), place.home / f"x.db{suffix}")
    place.s3.put(place.key("x.db"), (tmp_path / "theirs").read_bytes())

    def kill(name: str) -> None:
        if name == "restore.set-aside":
            raise InterruptedError

    with place.engine() as sync:
        if interrupted:
            monkeypatch.setattr(settling, "failpoint", kill)
            assert not sync.restore().complete
            monkeypatch.undo()
        assert sync.restore().complete
    assert rows(place.home / "x.db") == 300
    assert rows(place.state / "replaced/x.db") == 3


def test_a_rollback_in_progress_is_not_saved(place: Place, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(place.home / "x.db", isolation_level=None)) as db:
        db.execute("CREATE TABLE t (a)")
        db.execute("INSERT INTO t VALUES (1)")
        with place.engine() as sync:
            sync.run_pass()
            db.execute("PRAGMA cache_size = 1")
            db.execute("BEGIN")
            db.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * 2000)
            assert (place.home / "x.db-journal").stat().st_size > 0
            sync.run_pass()
            assert "x.db-journal" not in place.remote()
            assert rows(bring_back(place, tmp_path / "one")) == 1
            db.execute("COMMIT")
            sync.run_pass()
    assert rows(bring_back(place, tmp_path / "two")) == 2001


def test_a_database_of_this_process_keeps_its_locks(
    place: Place, database: sqlite3.Connection
) -> None:
    """Closing any descriptor of a file takes this process's locks on it away: then another process could write too."""
    place.write("other")
    database.execute("PRAGMA journal_mode = DELETE")
    database.execute("BEGIN IMMEDIATE")
    database.execute("INSERT INTO t VALUES (1)")
    with place.engine() as sync:
        sync.run_pass()
    script = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], timeout=0);"
        "db.execute('BEGIN IMMEDIATE')"
    )
    second = subprocess.run(
        [sys.executable, "-c", script, place.home / "x.db"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "database is locked" in second.stderr
    database.execute("COMMIT")


def test_files_that_only_are_called_like_logs_are_files(place: Place) -> None:
    for name in ("notes", "notes-journal", "x-wal", "x", "lone-wal"):
        place.write(name)
    with place.engine() as sync:
        assert sync.run_pass().complete
    assert place.remote() == place.local()


def test_a_broken_database_is_saved_as_it_is(place: Place) -> None:
    body = b"SQLite format 3\0" + os.urandom(5000)
    place.write("x.db", body)
    place.write("x.db-wal", b"\x37\x7f\x06\x82" + os.urandom(50))
    with place.engine() as sync:
        sync.run_pass()
    assert place.remote()["x.db"] == body


def test_a_large_database_under_a_writer_comes_back_sound(place: Place, tmp_path: Path) -> None:
    """Commits and checkpoints go on while it is put by parts."""
    with contextlib.closing(sqlite3.connect(place.home / "x.db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA wal_autocheckpoint = 20")
        db.execute("CREATE TABLE t (a)")

        def insert(_: Call | None, count: int = 100) -> None:
            with contextlib.closing(sqlite3.connect(place.home / "x.db")) as other, other:
                other.executemany("INSERT INTO t VALUES (?)", [(os.urandom(4000),)] * count)

        insert(None, 5000)
        with place.engine() as sync:
            place.s3.on("UploadPart", insert, key=place.key("x.db"))
            for number in range(2):
                assert sync.run_pass().complete
                assert rows(bring_back(place, tmp_path / str(number))) >= 5000
                insert(None)
        assert not list((place.state / "hot").iterdir())


def test_a_database_that_sqlite_cannot_read_is_saved_with_its_log(
    place: Place, tmp_path: Path
) -> None:
    """An encrypted one: nobody but its owner can put the log into it, so both are files like others."""
    with contextlib.closing(sqlite3.connect(tmp_path / "plain")) as plain:
        plain.execute("PRAGMA journal_mode = WAL")
        plain.execute("CREATE TABLE t (x TEXT)")
        log = (tmp_path / "plain-wal").read_bytes()
    place.write("secret", os.urandom(4096))
    place.write("secret-wal", log)
    with place.engine() as sync:
        assert sync.run_pass().complete
    assert place.remote() == place.local()
    assert "secret-wal" in place.remote()
