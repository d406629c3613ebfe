"""What the parts of one pass share: what they stand on, what they count, what is remembered until the next."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from .clock import Clock
from .crew import Governor
from .filestat import unpack
from .journal import Journal
from .names import Names
from .patience import Halt
from .remote import Remote
from .scan import Entry
from .status import NotDurable, Why, shown
from .writing import Conflict

REST = 10.0
"""Seconds between two puts of one file upon hints: a log that grows all the time is not sent every second."""
_NOTEBOOK_REST = 1.0
_PASSES = 3
"""So often may a file be restless, or a notebook invalid, before that is taken for its nature."""


@dataclass
class Tally:
    """What a push did, as it goes on.

    ``unsaved``: the files of ``not_durable`` as the scan saw them. ``vanished``: those that went while they were looked at.
    ``queued``: those that this push is to send and has not saved yet.
    """

    files: int = 0
    total: int = 0
    uploaded: int = 0
    uploaded_bytes: int = 0
    copied: int = 0
    deleted: int = 0
    not_durable: dict[bytes, NotDurable] = field(default_factory=dict)
    unsaved: dict[bytes, Entry] = field(default_factory=dict)
    vanished: set[bytes] = field(default_factory=set)
    queued: set[bytes] = field(default_factory=set)
    conflicts: list[Conflict] = field(default_factory=list)

    def expect(self, entry: Entry) -> None:
        """Count a file as waiting, whether or not its turn comes."""
        self.total += 1
        size = unpack(entry.stat).size
        waiting = NotDurable(shown(entry.path), Why.WAITING, "Its turn has not come.", size)
        self.not_durable[entry.path] = waiting
        self.unsaved[entry.path] = entry


class Memory:
    """What an engine remembers of files from one pass to the next, without writing it down."""

    def __init__(self) -> None:
        self._restless: Counter[bytes] = Counter()
        self._invalid: dict[bytes, tuple[bytes, int]] = {}
        self._put_at: OrderedDict[bytes, float] = OrderedDict()

    def restless(self, path: bytes) -> None:
        """A file changed while it was read, once more."""
        self._restless[path] += 1

    def stays_invalid(self, path: bytes, sha256: bytes, *, judging: bool) -> bool:
        """A notebook has these bytes, which are none; whether that has been so for some full passes."""
        before, count = self._invalid.get(path, (b"", 0))
        count = (count if before == sha256 else 0) + judging
        self._invalid[path] = sha256, count
        return count >= _PASSES

    def is_restless(self, path: bytes, *, last: bool) -> bool:
        """Whether a file has changed so often while it was read that only a copy of it will ever rest.

        ``last``: there will be no other pass, so once is often.
        """
        return self._restless[path] >= (1 if last else _PASSES)

    def was_put(self, path: bytes, now: float) -> None:
        """A file was sent at this moment of the monotonic clock."""
        self._put_at[path] = now
        self._put_at.move_to_end(path)
        while now - next(iter(self._put_at.values())) >= REST:
            self._put_at.popitem(last=False)

    def rested(self, path: bytes, now: float) -> bool:
        """Whether a file was not sent so lately that it should wait before it is sent again upon a mere hint."""
        at = self._put_at.get(path)
        return at is None or now - at >= (_NOTEBOOK_REST if path.endswith(b".ipynb") else REST)

    def forget(self, path: bytes) -> None:
        """It is saved."""
        self._restless.pop(path, None)
        self._invalid.pop(path, None)


@dataclass(frozen=True)
class Ground:
    """What a push stands on. ``root``: the open home; ``room``: where a copy of a file may lie for a moment.

    ``may_replace``: whether this instance may overwrite and delete, at the moment it is asked. ``uploading``: lets others
    know that something is uploaded to a key by parts, in case it is left behind. ``judging``: the pass counts
    when it is asked how often something was so. ``last``: there will be no later pass, so nothing is left for one.
    ``beside``: called now and then while files are sent.
    """

    root: int
    room: Path
    journal: Journal
    names: Names
    remote: Remote
    governor: Governor
    clock: Clock
    halt: Halt
    memory: Memory
    stamp: Callable[[], int]
    may_replace: Callable[[], bool]
    uploading: Callable[[str], AbstractContextManager[None]]
    judging: bool = True
    last: bool = False
    beside: Callable[[], None] | None = None
