"""Several requests at once, in order and with an end to how far they run ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, wait
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ahead(
    executor: Executor, function: Callable[[T], R], items: Iterable[T], window: int
) -> Iterator[R]:
    """The results in the order of the items, at most ``window`` of them begun before their turn.

    Unlike `Executor.map` it takes no more items than that from an endless source. What ``function`` raises
    comes at its turn; whoever stops early leaves at most ``window`` calls to run out.
    """
    running: deque[Future[R]] = deque()
    try:
        for item in items:
            running.append(executor.submit(function, item))
            if len(running) >= window:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        wait([future for future in running if not future.cancel()])
