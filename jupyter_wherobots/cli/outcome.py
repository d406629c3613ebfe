"""What became of each thing that a command was asked for: one line each, for people or as JSON."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from ..errors import (
    AlreadyExists,
    Cancelled,
    InvalidPath,
    InvalidRequest,
    WherobotsError,
)
from .common import ExitCode, human_size, print_error, print_json, printable

if TYPE_CHECKING:
    from ..storage.jobs import Job


@dataclass
class Outcome:
    """One thing that was named, and what became of it. Told by the work, from any thread.

    ``target`` is where it lies now, None for what goes nowhere. ``expected`` is the number of objects that it consists
    of, None until that is known.
    """

    source: str
    target: str | None = None
    objects: int = 0
    bytes: int = 0
    expected: int | None = None
    errors: list[WherobotsError] = field(default_factory=list)
    error_count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def done(self, objects: int, size: int) -> None:
        """So much is done."""
        with self._lock:
            self.objects += objects
            self.bytes += size

    def fail(self, error: WherobotsError) -> None:
        """Something of it is not done."""
        with self._lock:
            self.errors.append(error)
            self.error_count += 1

    def take(self, job: Job) -> None:
        """All that a job of the storage tells, which was about this alone."""
        self.objects, self.bytes = job.objects, job.bytes
        self.errors += job.errors
        self.error_count += job.error_count
        if job.state.is_over and not job.stop.is_set():
            self.expected = self.objects

    @property
    def state(self) -> str:
        """``done``, ``failed`` (at least one error) or ``cancelled``."""
        if self.error_count:
            return "failed"
        return "done" if self.expected == self.objects else "cancelled"

    def to_json(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        place = (
            {"path": self.source}
            if self.target is None
            else {"source": self.source, "target": self.target}
        )
        return {
            **place,
            "state": self.state,
            "objects": self.objects,
            "bytes": self.bytes,
            "errors": [error.to_json() for error in self.errors],
            "errorCount": self.error_count,
        }

    def amount(self) -> str:
        """How much is done: ``3 objects, 12 kB``, of a single one ``12 kB``."""
        return human_size(self.bytes) if self.objects == 1 else amount(self.objects, self.bytes)


def fail(job: Job, outcome: Outcome, error: WherobotsError) -> None:
    """One thing of a job that is about several is not done."""
    outcome.fail(error)
    job.fail(error)


@contextmanager
def told(job: Job, outcome: Outcome) -> Iterator[None]:
    """Around one thing of many: its failure is told, and the others go on. Raises Cancelled."""
    try:
        yield
    except Cancelled:
        raise
    except WherobotsError as error:
        fail(job, outcome, error)


@contextmanager
def judging(outcome: Outcome) -> Iterator[None]:
    """Before anything is done: keep what is wrong with one thing, raise what was not asked for rightly."""
    try:
        yield
    except (InvalidRequest, InvalidPath):
        raise
    except WherobotsError as error:
        outcome.fail(error)


@contextmanager
def keeping(outcome: Outcome) -> Iterator[None]:
    """While things are done: keep whatever is wrong with one of them, so that the others go on."""
    try:
        yield
    except WherobotsError as error:
        outcome.fail(error)


def amount(objects: int, size: int) -> str:
    """``1 object, 12 B``."""
    return f"{objects:,} {'object' if objects == 1 else 'objects'}, {human_size(size)}"


def tell(
    outcomes: Iterable[Outcome],
    verb: str,
    *,
    as_json: bool,
    out: TextIO | None = None,
    taken: str | None = None,
) -> ExitCode:
    """Print each outcome: errors to stderr, the rest to ``out`` (default: stdout). Gives the exit code of all.

    ``verb`` begins the line of what was done (``Copied``); without it only errors are told. ``taken`` is what to do
    about a name that is taken.
    """
    code = ExitCode.OK
    for outcome in outcomes:
        for error in outcome.errors:
            if isinstance(error, AlreadyExists) and taken is not None:
                error.hint = taken
        if as_json:
            print_json(outcome.to_json(), out)
        elif verb and outcome.state == "done":
            where = f" to {outcome.target}" if outcome.target else ""
            line = f"{verb} {outcome.source}{where} ({outcome.amount()})"
            print(printable(line), file=out, flush=True)
        for error in outcome.errors:
            print_error(error)
        if (more := outcome.error_count - len(outcome.errors)) > 0:
            print(f"error: and {more:,} more of {printable(outcome.source)}", file=sys.stderr)
        if outcome.state != "done":
            code = ExitCode.FAILED
            if outcome.objects and not as_json:
                much = amount(outcome.objects, outcome.bytes)
                print(f"  Done of {printable(outcome.source)}: {much}", file=sys.stderr)
    return code
