"""Named places at which a test can kill the engine, to prove that it may be killed anywhere.

``WHEROBOTS_FAILPOINT=name`` kills the process (SIGKILL: no cleanup runs) the first time the place is reached;
``name@3`` the third time; ``name!`` raises `FailpointReached` instead. Without the variable a place costs one comparison.
"""

from __future__ import annotations

import os
import signal
import threading

VARIABLE = "WHEROBOTS_FAILPOINT"


class FailpointReached(BaseException):
    """Raised at an armed place instead of a kill; no handler of the engine catches it."""


def _armed(text: str | None) -> tuple[str, int, bool] | None:
    if not text:
        return None
    raises = text.endswith("!")
    name, _, count = text.removesuffix("!").partition("@")
    return name, int(count or 1), raises


_lock = threading.Lock()
_armed_point = _armed(os.environ.get(VARIABLE))
_reached = 0


def failpoint(name: str) -> None:
    """A place where the process may end. Does nothing unless the environment names it."""
    if _armed_point is None or _armed_point[0] != name:
        return
    global _reached  # noqa: PLW0603 - a process ends once
    with _lock:
        _reached += 1
        if _reached != _armed_point[1]:
            return
    if _armed_point[2]:
        raise FailpointReached(name)
    os.kill(os.getpid(), signal.SIGKILL)
