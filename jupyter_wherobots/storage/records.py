"""What is remembered of upload sessions, one small file each: so they outlive the server and the janitor finds all of them."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Record:
    """One multipart upload that this program began. ``created`` is in seconds since the epoch.

    ``resumable``: a person can go on with it. If not, it belongs to a job that is running, or that was killed.
    """

    id: str
    bucket: str
    key: str
    path: str
    upload_id: str
    size: int
    part_size: int
    conflict: str
    etag: str | None
    label: str | None
    created: float
    resumable: bool = True


class Records:
    """Records in a directory. Several servers of one user may share it; nothing is kept in memory.

    Where the directory cannot be written they are kept in memory alone, and that is logged once.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._only_here: dict[str, tuple[Record, float]] = {}

    def save(self, record: Record) -> None:
        """Add it, whole or not at all."""
        text = json.dumps(asdict(record))
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, temporary = tempfile.mkstemp(dir=self._directory, prefix=".", suffix=".tmp")
            with os.fdopen(handle, "w") as stream:
                stream.write(text)
            os.replace(temporary, self._file(record.id))
        except OSError as error:
            if not self._only_here:
                log.warning(
                    "Upload sessions cannot be remembered in %s (%s); they end with this server",
                    self._directory,
                    error.strerror,
                )
            self._only_here[record.id] = (record, time.time())

    def all(self, bucket: str) -> list[Record]:
        """All records of a bucket, oldest first."""
        found = [record for record, _ in self._only_here.values()]
        found += self._read()
        return sorted(
            (each for each in found if each.bucket == bucket), key=lambda each: each.created
        )

    def get(self, session: str) -> Record | None:
        """One record."""
        if session in self._only_here:
            return self._only_here[session][0]
        if re.fullmatch("[0-9a-f]{32}", session) is None:  # it becomes the name of a file
            return None
        return self._load(self._file(session))

    def touch(self, session: str) -> None:
        """Somebody went on with it now."""
        if session in self._only_here:
            self._only_here[session] = (self._only_here[session][0], time.time())
        with contextlib.suppress(OSError):
            os.utime(self._file(session))

    def idle(self, session: str) -> float:
        """Seconds since somebody went on with it."""
        if session in self._only_here:
            return time.time() - self._only_here[session][1]
        try:
            return time.time() - self._file(session).stat().st_mtime
        except OSError:
            return 0.0

    def remove(self, session: str) -> None:
        """Forget it."""
        self._only_here.pop(session, None)
        with contextlib.suppress(OSError):
            self._file(session).unlink()

    def _file(self, session: str) -> Path:
        return self._directory / f"{session}.json"

    def _read(self) -> Iterator[Record]:
        try:
            files = sorted(self._directory.glob("*.json"))
        except OSError:
            return
        for file in files:
            record = self._load(file)
            if record is not None:
                yield record

    @staticmethod
    def _load(file: Path) -> Record | None:
        try:
            return Record(**json.loads(file.read_text()))
        except OSError:
            return None
        except (ValueError, TypeError):
            log.warning("%s is not a record of an upload; it is left alone", file)
            return None
