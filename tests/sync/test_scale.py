"""A home of 100,000 files: the first pass sends it all, and a pass in which nothing changed asks S3 nothing. Minutes."""

from __future__ import annotations

import time

import pytest

from tests.sync.conftest import PREFIX, Place

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

FOLDERS, FILES = 1000, 100


def test_a_home_of_100_000_files_rests(place: Place) -> None:
    """Once all is saved, a pass sends no request about any file, and reads none: only the lease is kept meanwhile."""
    for folder in range(FOLDERS):
        made = place.home / f"project-{folder // 100}" / f"part-{folder}"
        made.mkdir(parents=True)
        for file in range(FILES):
            (made / f"table-{file}.csv").write_bytes(b"%d,%d\n" % (folder, file))
    with place.engine() as sync:
        first = sync.run_pass()
        assert first.complete, first
        assert (first.files, first.uploaded) == (FOLDERS * FILES, FOLDERS * FILES)
        assert sync.run_pass().complete  # reads once more what was just written when it was read
        asked: list[str] = []
        place.s3.on(None, lambda call: asked.append(call.key))
        cpu, wall = time.process_time(), time.monotonic()
        idle = sync.run_pass()
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
        assert (idle.complete, idle.files, idle.uploaded) == (True, FOLDERS * FILES, 0)
        assert [key for key in asked if key != PREFIX + ".wherobots/lease.json"] == []
        print(
            f"{FOLDERS * FILES:,} files: {first.seconds:.0f} s to send them; "
            f"an idle pass takes {cpu:.2f} s of CPU, {wall:.2f} s in all, {len(asked)} requests"
        )
