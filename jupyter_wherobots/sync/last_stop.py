"""What the last stop could not save, by name: written down on both sides, shown at the next start."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from ..layout import INTERNAL
from .status import NotDurable, PassReport, Why, to_json

NAME = INTERNAL + "last-shutdown.json"
_FILE = "last-shutdown.json"


def packed(report: PassReport, now: float) -> bytes:
    """A final report as the bytes of the file. ``now`` is the time of day, for people."""
    document = {
        "at": datetime.fromtimestamp(now, timezone.utc).isoformat(timespec="seconds"),
        "complete": report.complete,
        "error": report.error,
        "notSavedCount": report.not_durable_count,
        "notSaved": to_json(report.not_durable),
    }
    return json.dumps(document, indent=1).encode()


def parsed(body: bytes | None) -> tuple[NotDurable, ...]:
    """What was not saved, as far as the bytes are what `packed` makes."""
    found = []
    with suppress(ValueError, AttributeError, TypeError, KeyError):
        for each in json.loads(body or b"{}").get("notSaved", ()):
            path, message = str(each["path"]), str(each["message"])
            found.append(NotDurable(path, Why(each["why"]), message, int(each["size"])))
    return tuple(found)


def write(state: Path, body: bytes) -> None:
    """Write it to the state directory, whole or not at all. Raises OSError."""
    staged = state / (_FILE + ".new")
    staged.write_bytes(body)
    os.replace(staged, state / _FILE)


def read(state: Path) -> bytes | None:
    """What `write` wrote, or None."""
    try:
        return (state / _FILE).read_bytes()
    except OSError:
        return None
