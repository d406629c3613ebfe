"""Moves everything in a home until its stdin ends: ``python -m tests.adversary.mover HOME OUTSIDE SEED``.

Each write of it is one system call of at most one page with one letter all over, so that a mix of two would show.
"""

from __future__ import annotations

import os
import random
import select
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PAGE = 4096
STEADY = ("steady", "p/steady", "p/deep/er/steady")
"""Always there with the same bytes."""
REPLACED = ("replaced", "p/replaced")
"""Always there, with other bytes from time to time."""


class Mover:
    """Whatever it does leads no way out of home itself: it follows no link."""

    def __init__(self, home: Path, outside: Path, seed: int) -> None:
        self._home = home
        self._outside = outside
        self._random = random.Random(seed)
        self._files = [home / folder / name for folder in ("p", "q", "q/r", "") for name in "abcde"]
        self._count = 0
        self._acts: list[Callable[[], None]] = [
            *[self.rewrite] * 4,
            *[self.create] * 6,
            *[self.replace] * 2,
            self.truncate,
            self.rename,
            self.exchange,
            self.rename_folder,
            self.remove,
            self.swap_for_folder,
            self.swap_for_link,
            self.swap_folder_for_link,
            self.chmod,
        ]

    def begin(self) -> None:
        for name in (*STEADY, *REPLACED):
            (self._home / name).parent.mkdir(parents=True, exist_ok=True)
            (self._home / name).write_bytes(self._letters())
        for _ in range(60):
            self.create()

    def act(self) -> None:
        self._count += 1
        with suppress(OSError):
            self._random.choice(self._acts)()

    def pause(self) -> float:
        """Seconds; mostly none, now and then so long that files come to rest and are captured."""
        return self._random.choice((0, 0, 0, 0, 0, 0, 0.002, 0.02))

    def _file(self) -> Path:
        """A place for a file, the way to it being no link."""
        file = self._random.choice(self._files)
        if file.parent.is_symlink() or file.parent.parent.is_symlink():
            raise NotADirectoryError
        return file

    def _folder(self) -> Path:
        if (self._home / "q").is_symlink():
            return self._home / "q"
        return self._home / self._random.choice(("q", "q/r"))

    def _letters(self) -> bytes:
        return bytes([self._random.randrange(65, 91)]) * self._random.choice((10, 2000, PAGE))

    def create(self) -> None:
        file = self._file()
        file.parent.mkdir(parents=True, exist_ok=True)
        self._put(file)

    def replace(self) -> None:
        self._put(self._home / self._random.choice(REPLACED))

    def _put(self, file: Path) -> None:
        staged = file.with_name("staged")
        fd = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
        os.write(fd, self._letters())
        os.close(fd)
        staged.rename(file)

    def _open(self) -> int:
        return os.open(self._file(), os.O_WRONLY | os.O_NOFOLLOW)

    def rewrite(self) -> None:
        """In place, at the same size."""
        fd = self._open()
        os.pwrite(fd, bytes([self._random.randrange(65, 91)]) * os.fstat(fd).st_size, 0)
        os.close(fd)

    def truncate(self) -> None:
        fd = self._open()
        os.ftruncate(fd, 5)
        os.close(fd)

    def rename(self) -> None:
        self._file().rename(self._file())

    def exchange(self) -> None:
        """Two files that change places."""
        one, other = self._file(), self._file()
        between = one.with_name("between")
        one.rename(between)
        other.rename(one)
        between.rename(other)

    def rename_folder(self) -> None:
        folder = self._folder()
        away = folder.with_name(f"away-{self._random.randrange(3)}")
        if away.exists():
            away.rename(folder)
        else:
            folder.rename(away)

    def remove(self) -> None:
        self._file().unlink()

    def chmod(self) -> None:
        fd = self._open()
        os.fchmod(fd, self._random.choice((0o600, 0o644, 0o755)))
        os.close(fd)

    def swap_for_folder(self) -> None:
        file = self._file()
        if file.is_dir() and not file.is_symlink():
            shutil.rmtree(file)
        else:
            file.unlink()
            file.mkdir()
            (file / "a").write_bytes(b"i" * 9)

    def swap_for_link(self) -> None:
        file = self._file()
        file.unlink()
        file.symlink_to(self._outside / self._random.choice("abcde"))

    def swap_folder_for_link(self) -> None:
        """To where a folder and files of the same names lie, outside or in home."""
        folder = self._folder()
        if folder.is_symlink():
            folder.unlink()
        else:
            folder.rename(folder.with_name(f"away-{self._random.randrange(3)}"))
            folder.symlink_to(self._random.choice((self._outside, self._home / "p")))


def main() -> None:
    home, outside, seed = sys.argv[1:]
    mover = Mover(Path(home), Path(outside), int(seed))
    mover.begin()
    print(flush=True)
    mover.act()
    while not select.select([sys.stdin], [], [], mover.pause())[0]:
        mover.act()


if __name__ == "__main__":
    main()
