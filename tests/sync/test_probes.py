"""When a store is asked what its conditions are worth, and when an earlier answer is good enough."""

from __future__ import annotations

import pytest

from jupyter_wherobots.sync import engine
from tests.strict_s3 import Quirk
from tests.sync.conftest import Place


def probed(place: Place) -> bool:
    """Start, save a file, stop; whether the store was probed."""
    before = place.s3.count("CreateMultipartUpload")
    place.write(f"file-{before}-{len(place.remote())}")
    with place.engine(capabilities=None) as sync:
        assert sync.run_pass().complete
    assert place.remote() == place.local()
    return place.s3.count("CreateMultipartUpload") > before


def test_a_restart_rests_on_the_probe_before(place: Place) -> None:
    assert probed(place)
    assert not probed(place)
    assert not probed(place)


def test_it_does_so_for_some_starts_only(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_TRUST", 2)
    assert [probed(place) for _ in range(6)] == [True, False, False, True, False, False]


def test_another_version_of_the_engine_probes_itself(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert probed(place)
    monkeypatch.setattr(engine, "__version__", "99.0")
    assert probed(place)
    assert not probed(place)


def test_a_new_journal_begins_with_a_probe(place: Place) -> None:
    assert probed(place)
    place.state = place.state.with_name("another")
    assert probed(place)


def test_a_store_that_lacks_something_is_probed_at_each_start(place: Place) -> None:
    place.s3.quirks.add(Quirk.IGNORES_IF_MATCH_ON_DELETE)
    assert probed(place)
    assert probed(place)
    place.s3.quirks.clear()
    assert probed(place)
    assert not probed(place)


def test_a_probe_that_was_not_allowed_is_tried_again(place: Place) -> None:
    place.s3.fail("CreateMultipartUpload", code="AccessDenied", times=None)
    place.write("file")
    with place.engine(capabilities=None) as sync:
        assert sync.run_pass().complete
    place.s3.heal()
    assert probed(place)
