"""Writes to SQLite databases without a pause until its stdin ends: ``python -m tests.adversary.banker FOLDER``.

Each transaction moves an amount from one account to another and writes two rows about it, so that half of one would show.
A line on stdout tells that the databases are there.
"""

from __future__ import annotations

import random
import select
import sqlite3
import sys
from pathlib import Path

MODES = ("wal", "delete", "truncate", "persist")
"""Of the journal; each has a database of its name."""
ACCOUNTS = 50
TOTAL = 1000 * ACCOUNTS


def opened(folder: Path, mode: str) -> sqlite3.Connection:
    """A database with some accounts."""
    db = sqlite3.connect(folder / f"{mode}.db", isolation_level=None, timeout=60)
    db.execute(f"PRAGMA journal_mode = {mode}")
    db.execute("PRAGMA wal_autocheckpoint = 50")
    db.execute("PRAGMA cache_size = 5")
    db.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, amount INTEGER, filling BLOB)")
    db.execute("CREATE TABLE entry (transfer INTEGER, account INTEGER, amount INTEGER)")
    db.execute("CREATE INDEX of_account ON entry (account)")
    accounts = [(number, 1000, bytes(2000)) for number in range(ACCOUNTS)]
    db.executemany("INSERT INTO account VALUES (?,?,?)", accounts)
    return db


def transfer(db: sqlite3.Connection, number: int, chance: random.Random) -> None:
    """One transaction, larger than what is held in memory of it."""
    amount = chance.randrange(-100, 100)
    db.execute("BEGIN IMMEDIATE")
    for account, change in ((chance.randrange(ACCOUNTS), -amount), (number % ACCOUNTS, amount)):
        db.execute("INSERT INTO entry VALUES (?,?,?)", (number, account, change))
        db.execute(
            "UPDATE account SET amount = amount + ?, filling = randomblob(2000) WHERE id = ?",
            (change, account),
        )
    db.execute("UPDATE account SET filling = randomblob(2000) WHERE id % 5 = ?", (number % 5,))
    if number % 7 == 0:
        db.execute("ROLLBACK")
    else:
        db.execute("COMMIT")
    if number % 500 == 0:
        db.execute("DELETE FROM entry WHERE transfer < ?", (number - 200,))


def check(file: Path) -> int:
    """The last transfer in a database that is sound and has whole transactions alone. Raises AssertionError."""
    db = sqlite3.connect(file)
    try:
        said = db.execute("PRAGMA integrity_check").fetchall()
        assert said == [("ok",)], said
        (total,) = db.execute("SELECT sum(amount) FROM account").fetchone()
        assert total == TOTAL, (file.name, total)
        halves = db.execute(
            "SELECT transfer FROM entry GROUP BY transfer HAVING count(*) != 2 OR sum(amount) != 0"
        ).fetchall()
        assert not halves, halves
        (last,) = db.execute("SELECT max(transfer) FROM entry").fetchone()
    finally:
        db.close()
    return int(last or 0)


def main() -> None:
    folder = Path(sys.argv[1])
    chance = random.Random(1)
    databases = [opened(folder, mode) for mode in MODES]
    print(flush=True)
    number = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        number += 1
        for db in databases:
            transfer(db, number, chance)
    for db in databases:
        db.close()


if __name__ == "__main__":
    main()
