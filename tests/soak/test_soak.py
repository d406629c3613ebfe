"""A long day: a person works without a pause, S3 fails all the time, processes are killed; in the end nothing is missing.

``WHEROBOTS_SOAK_SECONDS`` sets how long the long one takes (600). Store: the strict S3, in this process; the mirror runs in
its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import aws_settings
from tests.model.model import is_users, key_of
from tests.model.world import thing_of
from tests.soak.life import PREFIX
from tests.soak.person import Person, seen
from tests.strict_s3 import Fault, StrictS3
from tests.strict_s3.faults import FaultRule

pytestmark = pytest.mark.process

MIB = 1024 * 1024
GROWTH = 200 * MIB
"""Bytes that a process may grow to beyond what it has when it began to save."""
FAULTS = (
    (Fault.ERROR, "SlowDown"),
    (Fault.ERROR, "InternalError"),
    (Fault.ERROR_AFTER, "InternalError"),
    (Fault.RESET_BEFORE, "InternalError"),
    (Fault.RESET_AFTER, "InternalError"),
    (Fault.SHORT_BODY, "InternalError"),
    (Fault.SLOW, "InternalError"),
    (Fault.SLOW_BODY, "InternalError"),
)
"""One request of a hundred meets each of them."""
PER_START = 60
"""Requests that a start may cost: the probe, the lease, a listing, what was on its way when the last one was killed."""
PER_MINUTE = 20
"""Requests that come with time: renewals of the lease, listings, manifests, tries while the token has expired."""
PER_OUTAGE = 100
"""Requests that are on their way, or tried now and then, while no token is good."""


@dataclass
class Life:
    """One process of the mirror. ``begun`` and ``most`` are what memory it took once it was there, and at most since."""

    process: subprocess.Popen[str]
    begun: int = 0
    most: int = 0

    def ask(self, word: str) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def measure(self) -> None:
        if self.begun or self.ask("status")["restored"]:
            now = psutil.Process(self.process.pid).memory_info().rss
            self.begun = self.begun or now
            self.most = max(self.most, now)

    def end(self) -> None:
        """Let it stop by itself."""
        self.process.communicate(timeout=60)
        assert self.process.returncode == 0

    def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
            self.process.communicate()


@dataclass
class Day:
    """One home beside one S3, from morning to evening. ``pace``: what the person does in a second."""

    s3: StrictS3
    folder: Path
    pace: float = 5.0
    interval: float = 20.0
    lives: list[Life] = field(default_factory=list)
    faults: list[FaultRule] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def live(self, home: Path | None = None, state: Path | None = None) -> Life:
        place = [str(home or self.home), str(state or self.folder / "state")]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.life", *place, self.s3.bucket, str(self.interval)],
            cwd=Path(__file__).parents[2],
            env={**kept, **aws_settings(self.s3)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.lives.append(Life(process))
        return self.lives[-1]

    def be_bad(self, *, expired: bool = False) -> None:
        """Let S3 fail as it does on a bad day; ``expired``: and every token has expired."""
        self.s3.heal()
        if expired:
            self.faults.append(self.s3.fail(code="ExpiredToken", times=None))
        for fault, code in FAULTS:
            seed = len(self.faults)
            self.faults.append(
                self.s3.fail(
                    None, fault, code=code, times=None, probability=0.01, seconds=1.0, seed=seed
                )
            )

    def stored(self) -> dict[str, str]:
        """The SHA-256 of each of the person's objects, by key."""
        found = {}
        for key in self.s3.keys(PREFIX):
            version = self.s3.object(key)
            if version is not None and is_users(key, thing_of(version)):
                found[key] = sha256(version.body[:]).hexdigest()
        return found


def converge(life: Life) -> Mapping[str, Any]:
    """Pass until nothing is left to be done; what the last one said."""
    quiet = 0
    for _ in range(30):
        report: Mapping[str, Any] = life.ask("pass")
        if report["pendingDeletes"]["count"]:
            life.ask("confirm")
        done = report["complete"] and not (report["uploaded"] or report["deleted"])
        quiet = quiet + 1 if done and not report["pendingDeletes"]["count"] else 0
        if quiet == 3:
            return report
    raise AssertionError(f"it never rests: {report}")


def soak(day: Day, seconds: float, *, kills: int, outages: int, seed: int) -> None:
    """Work, fail, kill; then look at what is left."""
    day.home.mkdir()
    person = Person(day.home, seed)
    person.begin()
    day.be_bad()
    evening = threading.Event()
    work = threading.Thread(target=person.work, args=(evening, day.pace))
    began = time.monotonic()
    events = sorted(
        [((number + 1) / (kills + 1), "kill") for number in range(kills)]
        + [((number + 0.4) / outages, "expire") for number in range(outages)]
        + [((number + 0.5) / outages, "renew") for number in range(outages)]
    )
    life = day.live()
    passed = 0.0
    work.start()
    try:
        for at, event in [*events, (1.0, "evening")]:
            life.ask("restored")  # a slow start is no part of the time
            while passed < at * seconds:
                moment = time.monotonic()
                evening.wait(min(at * seconds - passed, 1.0))
                passed += time.monotonic() - moment
                life.measure()
            if event == "kill":
                life.kill()
                life = day.live()
            else:
                day.be_bad(expired=event == "expire")
    finally:
        evening.set()
        work.join()
    day.s3.heal()

    report = converge(life)
    life.measure()
    conflicts = life.ask("status")["conflicts"]
    final = life.ask("final")
    life.end()
    took = time.monotonic() - began
    most = bound(day, person, took, outages)
    tell(day, person, seconds, took, most)

    assert final["complete"], final
    assert conflicts == [], conflicts
    assert {os.fsdecode(path): each.sha256 for path, each in seen(day.home).items()} == person.files
    assert day.stored() == {key_of(os.fsencode(path)): had for path, had in person.files.items()}
    assert day.s3.uploads() == []
    assert report["notDurable"] == []
    assert any(rule.hits for rule in day.faults)
    assert day.s3.count() <= most
    assert all(each.most - each.begun <= GROWTH for each in day.lives)
    check_comes_back(day)


def bound(day: Day, person: Person, took: float, outages: int) -> int:
    """The most requests a day may cost: what its changes are worth, a quarter more for the faults, what comes with time."""
    other = len(day.lives) * PER_START + took / 60 * PER_MINUTE + outages * PER_OUTAGE
    return int(1.25 * person.worth + other)


def tell(day: Day, person: Person, seconds: float, took: float, most: int) -> None:
    hits = sum(rule.hits for rule in day.faults)
    growth = [f"{each.begun // MIB} -> {each.most // MIB}" for each in day.lives]
    print(
        f"soak: {person.acts} acts in {seconds:.0f} s (converged after {took:.0f}), {len(person.files)} files, "
        f"{day.s3.count()} requests of {most} allowed, {hits} of them failed, {len(day.lives)} lives, "
        f"memory in MiB of each life: {', '.join(growth)}; {dict(day.s3.counts)}"
    )


def check_comes_back(day: Day) -> None:
    """A new instance has all of it, with modes and times."""
    home = day.folder / "new home"
    life = day.live(home, day.folder / "new state")
    assert life.ask("restored")
    life.end()
    assert seen(home) == seen(day.home)


@pytest.fixture
def day(strict_s3: StrictS3, tmp_path: Path) -> Iterator[Day]:
    found = Day(strict_s3, tmp_path)
    yield found
    for life in found.lives:
        life.kill()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_bad_day_in_short(day: Day) -> None:
    day.interval, day.pace = 3.0, 20.0
    soak(day, 15.0, kills=2, outages=1, seed=1)


@pytest.mark.long
@pytest.mark.timeout(6 * 3600)
def test_a_bad_day(day: Day) -> None:
    seconds = float(os.environ.get("WHEROBOTS_SOAK_SECONDS", "600"))
    soak(day, seconds, kills=max(2, int(seconds / 100)), outages=3, seed=int(time.time()))
