"""What an operator reads in the log: what begins to be wrong and that it is right again, each once."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from jupyter_wherobots.sync.narrator import LONG, Narrator
from jupyter_wherobots.sync.status import (
    Conflict,
    ConflictKind,
    LeaseStatus,
    NotDurable,
    PendingDeletes,
    Phase,
    SyncStatus,
    Why,
)
from tests.strict_s3 import Fault
from tests.sync.conftest import Place

FINE = SyncStatus(phase=Phase.WATCHING, restored=True)


class Told:
    """A narrator and what it logged since one last looked."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog
        caplog.set_level(logging.INFO)
        self.narrator = Narrator(logging.getLogger("tests.narrator"))

    def __call__(self, *statuses: SyncStatus) -> list[str]:
        for each in statuses:
            self.narrator.tell(each)
        return self.news()

    def news(self) -> list[str]:
        lines = [
            f"{record.levelname[0]} {record.getMessage()}"
            for record in self._caplog.records
            if record.name == "tests.narrator"
        ]
        self._caplog.clear()
        return lines


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    return Told(caplog)


def waiting(*names: str) -> tuple[NotDurable, ...]:
    return tuple(NotDurable(name, Why.CHANGING, "It is being written to.") for name in names)


def test_an_ordinary_day_is_one_line(told: Told) -> None:
    lines = told(
        SyncStatus(phase=Phase.RESTORING),
        FINE,
        replace(FINE, phase=Phase.PUSHING, pending_files=1, pending=waiting("a")),
        FINE,
        replace(FINE, phase=Phase.STOPPING, error="The pass is over."),
        replace(FINE, phase=Phase.STOPPED, error="The pass is over."),
    )
    assert lines == ["I Home is restored"]


def test_an_outage_is_said_once_and_its_end_once(told: Told) -> None:
    told(FINE)
    broken = replace(FINE, error="S3 did not answer.")
    assert told(broken, replace(FINE, phase=Phase.PUSHING), broken) == [
        "W Home is not saved: S3 did not answer."
    ]
    assert told(replace(broken, error="The credentials have expired.")) == [
        "W Home is not saved: The credentials have expired."
    ]
    assert told(FINE, FINE) == ["I The synchronisation of home works again"]


def test_a_file_that_s3_refuses_is_named_once(told: Told) -> None:
    told(FINE)
    refused = NotDurable("b", Why.FAILED, "S3 failed while writing it.")
    status = replace(FINE, pending_files=1, pending=(refused,))
    assert told(status, status) == ["W Not saved: b (S3 failed while writing it)"]
    assert told(FINE) == ["I The synchronisation of home works again"]


def test_files_that_wait_long_are_named(told: Told) -> None:
    names = [f"log{number}" for number in range(7)]
    late = replace(FINE, pending_files=9, pending=waiting(*names), oldest_pending_seconds=LONG - 1)
    assert told(FINE, late) == ["I Home is restored"]
    late = replace(late, oldest_pending_seconds=LONG + 61)
    (line,) = told(late, late)
    assert line.startswith("W Not saved for 11 minutes: log0 (It is being written to), log1")
    assert line.endswith("log4 (It is being written to) and 4 more")
    assert told(FINE) == ["I All of home is saved again"]


def test_what_wants_a_person(told: Told) -> None:
    told(FINE)
    held = PendingDeletes(600, ("a",), "600 of 700 files are gone from home.")
    assert told(replace(FINE, pending_deletes=held), replace(FINE, pending_deletes=held)) == [
        "W 600 files wait to be deleted in S3 until somebody says that it is meant: "
        "600 of 700 files are gone from home."
    ]
    other = LeaseStatus(held=False, message="Another instance of yours is running.")
    assert told(replace(FINE, lease=other)) == ["W Another instance of yours is running."]
    assert told(FINE) == ["I This instance holds the lease on home again"]
    assert told(replace(FINE, notes=("No file events.",))) == ["W No file events."]


def test_conflicts_are_named_and_news_of_others_are_none(told: Told) -> None:
    def conflict(name: str, kind: ConflictKind = ConflictKind.CHANGED_REMOTELY) -> Conflict:
        return Conflict(name, kind, "Both are kept.")

    told(FINE)
    first = (conflict("a"), conflict("b", ConflictKind.ADDED_REMOTELY))
    assert told(replace(FINE, conflicts=first)) == ["W a: Both are kept."]
    more = (*first, *(conflict(str(number)) for number in range(8)))
    lines = told(replace(FINE, conflicts=more))
    assert len(lines) == 6
    assert lines[-1] == "W and 3 more conflicts"


def test_the_mirror_itself_tells_it(place: Place, told: Told) -> None:
    place.write("a")
    with place.engine(lease=False) as sync:
        sync.on_change = told.narrator.tell
        sync.restore()
        assert sync.run_pass().complete
        assert told.news() == ["I Home is restored"]
        place.write("b")
        place.s3.fail(None, Fault.RESET_BEFORE, times=None)
        error = sync.run_pass().error
        assert told.news() == [f"W Home is not saved: {error}"]
        sync.run_pass()
        assert told.news() == []
        place.s3.heal()
        assert sync.run_pass().complete
        assert told.news() == ["I The synchronisation of home works again"]
