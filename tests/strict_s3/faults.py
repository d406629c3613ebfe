"""What is made to happen to chosen requests: faults, gates that hold them, hooks that see them."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase

from tests.strict_s3.calls import Call, Operation
from tests.strict_s3.errors import ERRORS


class Fault(str, Enum):
    """What goes wrong."""

    # The S3 error of `code`; nothing is done.
    ERROR = "error"
    # Status 200 whose body is the error of `code`, as CopyObject and Complete may answer.
    ERROR_IN_200 = "error-in-200"
    # The connection is reset; nothing is done.
    RESET_BEFORE = "reset-before"
    # The operation is done, then the connection is reset: the answer is lost.
    RESET_AFTER = "reset-after"
    # The operation is done and S3 says that it failed, by the error of `code`.
    ERROR_AFTER = "error-after"
    # The answer promises all its bytes and ends half way.
    SHORT_BODY = "short-body"
    # The first byte of the answer's body is another on arrival, each time another.
    ROTTEN_BODY = "rotten-body"
    # The answer comes `seconds` late.
    SLOW = "slow"
    # Half of the body comes at once, the rest `seconds` later.
    SLOW_BODY = "slow-body"


class When(str, Enum):
    """Where a gate or a hook stands: before the operation, or between it and its answer."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True)
class Match:
    """Which requests are meant: None is any operation; `key` is a shell pattern (fnmatch).

    The pattern is matched with the key, or with the prefix of a listing.
    """

    operation: Operation | None = None
    key: str = "*"
    conditional: bool | None = None

    def fits(self, call: Call) -> bool:
        """Whether a call is meant."""
        return (
            (self.operation is None or self.operation is call.operation)
            and (self.conditional is None or self.conditional is call.conditional)
            and (self.key == "*" or fnmatchcase(call.subject, self.key))
        )


@dataclass
class FaultRule:
    """A fault for the first `times` requests that match (None: all), each with `probability`."""

    match: Match
    fault: Fault
    code: str = "InternalError"
    times: int | None = 1
    probability: float = 1.0
    seconds: float = 0.0
    random: random.Random = field(default_factory=lambda: random.Random(0))
    hits: int = 0

    def __post_init__(self) -> None:
        if self.code not in ERRORS:
            raise ValueError(f"S3 has no error {self.code!r}")

    def strikes(self, call: Call) -> bool:
        """Whether this call is hit; counts it if so."""
        if self.times is not None and self.hits >= self.times:
            return False
        if not self.match.fits(call) or self.random.random() >= self.probability:
            return False
        self.hits += 1
        return True


class Gate:
    """Holds matching requests until it is released; usable as a context manager.

    A request whose client gives up while it waits is still carried out on release.
    """

    def __init__(self, match: Match, when: When, loop: asyncio.AbstractEventLoop) -> None:
        self.match, self.when = match, when
        self._loop = loop
        self._open = asyncio.Event()
        self._arrivals = threading.Condition()
        self._waiting: list[str] = []
        self.released = False

    async def hold(self, call: Call) -> None:
        """Called by the server for each request that matches."""
        with self._arrivals:
            self._waiting.append(call.subject)
            self._arrivals.notify_all()
        await self._open.wait()

    def wait_for_arrivals(self, count: int = 1, timeout: float = 10.0) -> list[str]:
        """Block until `count` requests came to the gate; their keys, in order of arrival.

        Raises TimeoutError.
        """
        with self._arrivals:
            if not self._arrivals.wait_for(lambda: len(self._waiting) >= count, timeout):
                raise TimeoutError(f"{len(self._waiting)} of {count} requests came to the gate")
            return list(self._waiting)

    def release(self) -> None:
        """Let them all go on, and no longer hold any."""
        if not self.released:
            self.released = True
            self._loop.call_soon_threadsafe(self._open.set)

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.release()


@dataclass
class Hook:
    """A function that is called, on a thread of its own, with each request that matches."""

    match: Match
    callback: Callable[[Call], None]
    when: When
    times: int | None
    hits: int = 0

    def strikes(self, call: Call) -> bool:
        """Whether it is called for this call; counts it if so."""
        if (self.times is not None and self.hits >= self.times) or not self.match.fits(call):
            return False
        self.hits += 1
        return True


@dataclass
class Plan:
    """What happens to one request."""

    gates: list[Gate]
    hooks: list[Hook]
    rule: FaultRule | None

    @property
    def empty(self) -> bool:
        """The usual case, answered at once."""
        return not (self.gates or self.hooks or self.rule)


class Interference:
    """All rules there are. Tests change them while requests come in: replaced, never mutated."""

    def __init__(self) -> None:
        self.rules: tuple[FaultRule, ...] = ()
        self.gates: tuple[Gate, ...] = ()
        self.hooks: tuple[Hook, ...] = ()

    def clear(self) -> None:
        """No more rules; what is held goes on."""
        for gate in self.gates:
            gate.release()
        self.rules, self.gates, self.hooks = (), (), ()

    def plan(self, call: Call) -> Plan:
        """What happens to this call; the first fault that strikes is the only one."""
        rules = (rule for rule in self.rules if rule.strikes(call))
        return Plan(
            [gate for gate in self.gates if not gate.released and gate.match.fits(call)],
            [hook for hook in self.hooks if hook.strikes(call)],
            next(rules, None),
        )
