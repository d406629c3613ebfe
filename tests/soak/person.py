"""A person at work in a home, who remembers everything that is in it."""

from __future__ import annotations

import os
import random
import shutil
import stat
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

FOLDERS = ("", "data/", "data/2024/", "src/", "src/lib/", "notes é/")
AT_FIRST = 300
"""Files that the home begins with: so many that no deletion of some of them looks like an accident."""
LARGE = 17 * 1024 * 1024
MOST_LARGE = 4
_NOTEBOOK = b'{"cells": [], "nbformat": 4, "nbformat_minor": 5, "n": "%d %s"}'


class Seen(NamedTuple):
    """A file or link: its type and mode, its time (0 of a link), the SHA-256 of its bytes or of what it says."""

    mode: int
    mtime_ns: int
    sha256: str


def seen(home: Path) -> dict[bytes, Seen]:
    """All files and links of a home, by path."""
    found = {}
    top = os.fsencode(home)
    for folder, folders, names in os.walk(top):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in (*names, *links):
            path = os.path.join(folder, name)
            info = os.lstat(path)
            if stat.S_ISLNK(info.st_mode):
                what = Seen(info.st_mode, 0, sha256(os.readlink(path)).hexdigest())
            else:
                with open(path, "rb") as file:
                    digest = sha256(file.read()).hexdigest()
                what = Seen(info.st_mode, info.st_mtime_ns, digest)
            found[os.path.relpath(path, top)] = what
    return found


class Person:
    """``files`` is what home holds, by path. ``worth``: requests that what was done so far may fairly cost."""

    def __init__(self, home: Path, seed: int) -> None:
        self.files: dict[str, str] = {}
        self.worth = 0
        self.acts = 0
        self._home = home
        self._random = random.Random(seed)
        self._count = 0
        self._acts: list[Callable[[], None]] = [
            *[self.create] * 5,
            *[self.edit] * 6,
            *[self.replace] * 3,
            *[self.save_notebook] * 3,
            *[self.append] * 3,
            *[self.rename] * 3,
            *[self.delete] * 4,
            self.swap,
            self.link,
            self.rename_folder,
            self.delete_folder,
        ]

    def begin(self) -> None:
        for _ in range(AT_FIRST):
            self.create()

    def work(self, until: threading.Event, pace: float) -> None:
        """Do something ``pace`` times a second, and something large every ten seconds."""
        while not until.wait(self._random.expovariate(pace)):
            if self._random.random() < 0.1 / pace:
                self.write_large()
            else:
                self._random.choice(self._acts)()
            self.acts += 1

    # -- what there is ---------------------------------------------------------------------------------

    def _write(self, name: str, body: bytes, mode: str = "wb", cost: int = 1) -> None:
        path = self._home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode) as file:
            file.write(body)
        self.files[name] = sha256(path.read_bytes()).hexdigest()
        self.worth += cost

    def _body(self) -> bytes:
        self._count += 1
        return b"%08d" % self._count + self._random.randbytes(self._random.randrange(20_000))

    def _new(self, suffix: str = "") -> str:
        self._count += 1
        return f"{self._random.choice(FOLDERS)}{self._count:06d}{suffix}"

    def _any(self, suffix: str = "") -> str | None:
        names = [name for name in self.files if name.endswith(suffix)]
        return self._random.choice(names) if names else None

    def _any_file(self) -> str | None:
        name = self._any(self._random.choice((".txt", ".dat")))
        return None if name is None or (self._home / name).is_symlink() else name

    # -- what is done ----------------------------------------------------------------------------------

    def create(self) -> None:
        suffix = self._random.choice((".txt", ".dat", "\n.odd"))
        # An odd name has a small object beside it.
        self._write(self._new(suffix), self._body(), cost=2 if suffix == "\n.odd" else 1)

    def edit(self) -> None:
        """In place, some of it."""
        if name := self._any_file():
            with (self._home / name).open("r+b") as file:
                file.seek(self._random.randrange(100))
                file.write(self._body()[:50])
            self._write(name, b"", "ab")

    def replace(self) -> None:
        """As editors do: write another file, give it the name."""
        if name := self._any_file():
            path = self._home / name
            with path.with_name(path.name + "~").open("wb") as file:
                file.write(self._body())
            path.with_name(path.name + "~").rename(path)
            self._write(name, b"", "ab")
            # The other file may have been seen, saved, and deleted.
            self.worth += 2

    def append(self) -> None:
        self._write("run.log", self._body()[:200], "ab")

    def save_notebook(self) -> None:
        """As Jupyter does: keep a copy, truncate, write, remove the copy."""
        name = self._any(".ipynb") if self._random.random() < 0.8 else None
        name = name or self._new(".ipynb")
        path = self._home / name
        body = _NOTEBOOK % (self._count, self._body().hex().encode())
        copy = path.with_name(".~" + path.name)
        if path.exists():
            shutil.copy2(path, copy)
        self._write(name, b"")
        self._write(name, body)
        copy.unlink(missing_ok=True)

    def rename(self) -> None:
        if name := self._any():
            new = self._new(Path(name).suffix)
            (self._home / new).parent.mkdir(parents=True, exist_ok=True)
            (self._home / name).rename(self._home / new)
            self.files[new] = self.files.pop(name)
            self.worth += 3

    def swap(self) -> None:
        """Two files get each other's name."""
        one, two = self._any_file(), self._any_file()
        if one and two and one != two:
            between = self._home / "between"
            (self._home / one).rename(between)
            (self._home / two).rename(self._home / one)
            between.rename(self._home / two)
            self.files[one], self.files[two] = self.files[two], self.files[one]
            self.worth += 5

    def link(self) -> None:
        name = self._new(".link")
        (self._home / name).parent.mkdir(parents=True, exist_ok=True)
        (self._home / name).symlink_to(self._new())
        self.files[name] = sha256(os.readlink(os.fsencode(self._home / name))).hexdigest()
        self.worth += 1

    def delete(self) -> None:
        if len(self.files) > AT_FIRST and (name := self._any()):
            (self._home / name).unlink()
            del self.files[name]
            self.worth += 3

    def rename_folder(self) -> None:
        """A folder of some files is made, and renamed later."""
        name = f"project {self._random.randrange(5)}/"
        inside = [each for each in self.files if each.startswith(name)]
        if not inside:
            for number in range(5):
                self._write(f"{name}{number}.txt", self._body())
            return
        self._count += 1
        new = f"project {self._count}/"
        (self._home / name).rename(self._home / new)
        for each in inside:
            self.files[new + each.removeprefix(name)] = self.files.pop(each)
        self.worth += 2 * len(inside)

    def delete_folder(self) -> None:
        names = {name.split("/")[0] for name in self.files if name.startswith("project ")}
        if len(names) > 5:
            name = self._random.choice(sorted(names)) + "/"
            shutil.rmtree(self._home / name)
            inside = [each for each in self.files if each.startswith(name)]
            for each in inside:
                del self.files[each]
            self.worth += len(inside)

    def write_large(self) -> None:
        large = [name for name in self.files if name.endswith(".bin")]
        name = self._new(".bin") if len(large) < MOST_LARGE else self._random.choice(large)
        parts = 3
        self._write(name, self._random.randbytes(LARGE + self._random.randrange(LARGE)), cost=0)
        self.worth += 2 * parts + 4
