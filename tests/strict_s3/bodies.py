"""What an object holds: bytes, or a size that is only made into bytes when somebody reads it.

All of them answer `len()` and slicing with bytes, so that a reader takes them piece by piece.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate


class Synthetic:
    """`size` bytes that follow from `seed`: a terabyte costs no memory, and can be verified."""

    def __init__(self, seed: str, size: int) -> None:
        self._seed = seed
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self._size)
        length = max(0, stop - start)
        # 4,093 is a prime: no boundary of a page, a piece or a part falls on the period.
        pattern = (hashlib.sha256(self._seed.encode()).digest() * 128)[:4093]
        offset = start % len(pattern)
        repeats = (offset + length) // len(pattern) + 1
        return (pattern * repeats)[offset : offset + length]


class Window:
    """The bytes `start` to `stop` of another body, not copied."""

    def __init__(self, body: Body, start: int, stop: int) -> None:
        self._body, self._start, self._stop = body, start, stop

    def __len__(self) -> int:
        return self._stop - self._start

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(len(self))
        return self._body[self._start + start : self._start + max(start, stop)]


class Joined:
    """Several bodies one after the other, not copied: an object made of parts."""

    def __init__(self, parts: Sequence[Body]) -> None:
        self._parts = tuple(part for part in parts if len(part))
        self._ends = list(accumulate(len(part) for part in self._parts))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(len(self))
        pieces = []
        index = bisect_right(self._ends, start)
        while start < stop:
            begin = self._ends[index] - len(self._parts[index])
            pieces.append(self._parts[index][start - begin : stop - begin])
            start = self._ends[index]
            index += 1
        return b"".join(pieces)


Body = bytes | Synthetic | Window | Joined
