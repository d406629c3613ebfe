"""A home goes to S3 and comes back."""

from __future__ import annotations

from pathlib import Path

from tests.sync.conftest import Place


def test_every_byte_of_home_is_in_s3_after_one_pass(place: Place) -> None:
    place.write("a.ipynb", b'{"cells": []}')
    place.write("deep/er/b.bin", bytes(range(256)))
    place.write("empty")
    with place.engine() as sync:
        report = sync.run_pass()
    assert report.complete, report
    assert place.remote() == place.local()
    assert report.uploaded == 3


def test_a_second_pass_asks_s3_nothing(place: Place) -> None:
    place.write("a")
    with place.engine() as sync:
        sync.run_pass()
        before = place.s3.counts
        again = sync.run_pass()
        assert again.complete
        assert again.uploaded == 0
        assert place.s3.counts == before


def test_a_new_instance_gets_everything_back(place: Place, tmp_path: Path) -> None:
    place.write("a.ipynb", b'{"cells": []}')
    place.write("deep/er/b.bin", bytes(range(256)))
    with place.engine() as sync:
        sync.run_pass()
    other = tmp_path / "other"
    with place.engine(home=other, state=tmp_path / "other-state") as sync:
        report = sync.restore()
        assert report.complete, report
        assert report.restored == 2
        assert place.local(other) == place.local()
        assert sync.run_pass().uploaded == 0
