"""A day of one home, short: what a person does in it and in S3, and an engine beside, in a process that may be killed.

Whatever is called ``keep-…`` a person only ever adds, moves and renames; whatever is called ``foreign-…`` somebody else put
into S3. Neither may ever be missing there once it was there, at no moment and after no kill.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path

from jupyter_wherobots.s3.client import S3, Timeouts
from jupyter_wherobots.sync.options import SyncOptions
from jupyter_wherobots.sync.service import HomeSync
from tests.strict_s3 import Remote

PREFIX = "org/notebooks/customer-abc/"
LARGE = 17 * 1024 * 1024
NOTEBOOK = b'{"cells": [], "nbformat": 4, "nbformat_minor": 5, "n": "%s"}'


class Story:
    """``home`` and ``state`` outlive the process; ``bucket`` and the environment say where S3 is."""

    def __init__(self, home: Path, state: Path, bucket: str) -> None:
        self.home = home
        self.state = state
        self.bucket = bucket
        self.remote = Remote(os.environ["AWS_ENDPOINT_URL_S3"])

    def engine(self) -> HomeSync:
        s3 = S3(self.bucket, timeouts=Timeouts(5.0, 20.0, 20.0), attempts=1)
        return HomeSync(s3, PREFIX, self.home, self.state, options=SyncOptions(hints=False))

    def write(self, name: str | bytes, body: bytes) -> None:
        path = os.path.join(os.fsencode(self.home), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(body)

    def others_put(self, name: str, body: bytes) -> None:
        self.remote("put", key=PREFIX + name, body=base64.b64encode(body).decode())

    # -- the parts --------------------------------------------------------------------------------------

    def before(self) -> None:
        """S3 holds something, and the image brought something: a restore with everything that it can meet."""
        for number in range(3):
            self.others_put(f"data/{number}.csv", b"foreign-%d" % number)
        self.others_put("nb.ipynb", NOTEBOOK % b"foreign-nb")
        self.others_put(".bashrc", b"foreign-bashrc")
        self.others_put("empty/", b"")
        self.others_put("odd//key", b"foreign-odd")
        self.write(".bashrc", b"of the image")

    def work(self) -> None:
        """A morning's work."""
        self.write("keep-one.txt", b"keep-one")
        self.write("folder/keep-two.txt", b"keep-two")
        self.write("folder/deeper/keep-three.txt", b"keep-three")
        self.write(b"keep-\xff", b"keep-four")
        self.write("keep-left.txt", b"keep-left")
        self.write("keep-right.txt", b"keep-right")
        self.write("edited.txt", b"edited once")
        self.write("both.txt", b"both once")
        self.write("trash.txt", b"trash")
        self.write("keep.ipynb", NOTEBOOK % b"keep-nb")
        self.write("large.bin", b"l" * LARGE)
        self.write("project/.git/HEAD", b"ref: refs/heads/main\n")
        self.write("project/.git/refs/heads/main", b"c0ffee\n")
        self.write("project/.git/objects/c0/ffee", b"keep-object")
        (self.home / "link").symlink_to("keep-one.txt")

    def more(self) -> None:
        """An afternoon: edits, renames, deletions, another's edit of the same file, a new commit."""
        self.write("edited.txt", b"edited twice, and longer")
        self.others_put("both.txt", b"foreign-both")
        self.write("both.txt", b"both twice, and longer")
        self.write("large.bin", b"L" * LARGE)
        (self.home / "folder").rename(self.home / "renamed")
        (self.home / "keep-one.txt").rename(self.home / "keep-one.old")
        self.write("keep-one.txt", b"keep-another in its place")
        (self.home / "keep-left.txt").rename(self.home / "between")
        (self.home / "keep-right.txt").rename(self.home / "keep-left.txt")
        (self.home / "between").rename(self.home / "keep-right.txt")
        (self.home / "trash.txt").unlink()
        (self.home / "keep.ipynb").chmod(0o600)
        self.write("project/.git/objects/be/ef", b"keep-object-two")
        self.write("project/.git/refs/heads/main", b"beef\n")

    def whole(self) -> None:
        """From the start of a server to its stop."""
        self.before()
        sync = self.engine()
        sync.restore()
        self.work()
        sync.run_pass()
        self.more()
        # Something happens while that is saved.
        sync._session.schedule.hint({b"", b"renamed", b"project/.git"})
        sync.run_pass()
        sync.run_pass()
        self.write("last.txt", b"keep-last")
        sync.final(20.0)
        sync.stop()

    def recover(self) -> str:
        """A start after a kill: restore, then passes until nothing is left to do; what was said last, "" if all is well."""
        asked = -1
        with self.engine() as sync:
            report = sync.restore()
            if not report.complete:
                return f"not restored: {report}"
            for _ in range(8):
                made = sync.run_pass()
                now = sum(self.remote("stats")["counts"].values())
                if made.complete and now == asked:
                    return ""
                asked = now
        return f"never rests: {made}"
