"""Home directories to be measured: files of known sizes, the same in every run."""

from __future__ import annotations

import filecmp
import os
import random
import time
from pathlib import Path

_IN_FOLDER = 100
_PIECE = 1 << 20
_OLD = 3600
"""Seconds before now that files were written: tools that compare S3's clock with mtime need it to be clearly earlier."""
_REST = 2.5
"""Seconds after which ours does not doubt the times of a file any more: what is measured is a home that nobody just wrote."""


def write_small_files(folder: Path, count: int) -> int:
    """Write `count` files of 512 to 8,192 random bytes, a hundred in a folder, and let them rest; gives their bytes."""
    source = random.Random(count)
    written = time.time() - _OLD
    total = 0
    for index in range(count):
        if index % _IN_FOLDER == 0:
            below = folder / f"project-{index // 10_000:02d}" / f"part-{index // _IN_FOLDER:04d}"
            below.mkdir(parents=True)
        path = below / f"table-{index:06d}.dat"
        path.write_bytes(source.randbytes(source.randint(512, 8192)))
        os.utime(path, (written, written))
        total += path.stat().st_size
    time.sleep(_REST)
    return total


def change(folder: Path, count: int) -> list[Path]:
    """Append a byte to so many files of the tree (the same ones each time, in different folders); gives them."""
    chosen = _spread(folder, count)
    for path in chosen:
        with path.open("ab") as file:
            file.write(b"+")
        # Newer than its object, and not newer than its next one, which has no fraction of a second.
        written = time.time() - 1
        os.utime(path, (written, written))
    return chosen


def _spread(folder: Path, count: int) -> list[Path]:
    files = sorted(folder.glob("project-*/part-*/*.dat"))
    return files[:: len(files) // count][:count]


def write_large_file(path: Path, size: int) -> None:
    """Write a file of random bytes."""
    source = random.Random(size)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for start in range(0, size, _PIECE):
            file.write(source.randbytes(min(_PIECE, size - start)))


def differences(one: Path, other: Path) -> list[str]:
    """Names of the files that are not in both trees with the same bytes."""
    ours, theirs = _files(one), _files(other)
    return sorted(
        str(name)
        for name in ours | theirs
        if name not in ours
        or name not in theirs
        or not filecmp.cmp(one / name, other / name, shallow=False)
    )


def _files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
