"""Whatever people, crashes and a failing S3 do to it, the mirror keeps its promises (`model`), in thousands of random steps.

At least 5,000 steps, always the same; the long one 100,000, every time others: ``WHEROBOTS_MODEL_STEPS`` sets how many, and
``WHEROBOTS_MODEL_SEED`` (a number, which each run prints) repeats a run. Store: the strict S3.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from jupyter_wherobots.sync import crew, ground
from tests.conftest import S3Environment
from tests.model.machine import Mirror
from tests.model.world import World

CI = settings(
    max_examples=130,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def world(
    tmp_path: Path, s3_env: S3Environment, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    # Passes beside passes, although there are few files, and what was sent is sent again at once.
    monkeypatch.setattr(crew, "_TICK", 0.005)
    for name in ("REST", "_NOTEBOOK_REST"):
        monkeypatch.setattr(ground, name, 1e-6)
    world = World(tmp_path)
    s3_env(world.server)
    world.connect()
    yield world
    world.server.stop()


def run(world: World, profile: settings, first: int | None = None) -> None:
    """Try as many examples as the profile says; ``first`` is the seed, None for always the same."""
    Mirror.world = world
    machine = Mirror if first is None else seed(first)(type("Seeded", (Mirror,), {}))
    Mirror.steps.clear()
    began = time.monotonic()
    try:
        run_state_machine_as_test(machine, settings=profile)
    finally:
        took = time.monotonic() - began
        print(f"model: {Mirror.steps.total():,} steps in {took:.0f} s: {dict(Mirror.steps)}")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_promises_hold_in_random_steps(world: World) -> None:
    run(world, CI)
    assert Mirror.steps.total() >= 5_000


@pytest.mark.long
@pytest.mark.timeout(6 * 3600)
def test_promises_hold_in_very_many_random_steps(world: World) -> None:
    wanted = int(os.environ.get("WHEROBOTS_MODEL_STEPS", "100_000"))
    first = int(os.environ.get("WHEROBOTS_MODEL_SEED") or random.SystemRandom().randrange(10**9))
    steps = 0
    while steps < wanted:
        print(f"model: {steps:,} steps so far, seed {first}")
        run(world, settings(CI, derandomize=False), first)
        steps += Mirror.steps.total()
        first += 1
