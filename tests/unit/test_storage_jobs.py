"""Copy, move, rename and delete as jobs: nothing lost, nothing downloaded, few requests, errors by name.

Strict S3, moto, and a store that ignores conditions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_wherobots.errors import (
    ConfirmationRequired,
    InvalidPath,
    InvalidRequest,
    NotFound,
    NotPermitted,
    Throttled,
    WherobotsError,
)
from jupyter_wherobots.layout import LayoutName
from jupyter_wherobots.storage import jobs as jobs_module
from jupyter_wherobots.storage.entries import EntryType
from jupyter_wherobots.storage.items import Item
from jupyter_wherobots.storage.jobs import Job, JobState
from jupyter_wherobots.storage.naming import Conflict
from jupyter_wherobots.storage.options import Options
from tests.conftest import S3Environment
from tests.stored import OWN, Stored
from tests.strict_s3 import Access, Call, Fault, StrictS3

SHARED = "/data/shared/"


@pytest.fixture
def stored(any_stored: Stored) -> Stored:
    return any_stored


def of(*paths: str) -> list[Item]:
    return [Item.of(path) for path in paths]


def ended(job: Job) -> Job:
    assert job.over.wait(30)
    return job


def state(stored: Stored) -> dict[str, bytes]:
    """Every object of the organization by its path."""
    found = {}
    for page in stored.boto.get_paginator("list_objects_v2").paginate(Bucket=stored.bucket):
        for each in page.get("Contents", []):
            body = stored.boto.get_object(Bucket=stored.bucket, Key=each["Key"])["Body"].read()
            found[each["Key"][3:]] = body
    return found


def test_a_copy_leaves_the_source(stored: Stored) -> None:
    for path in ("f/a", "f/g/b c", "f/", "f//d", "x.csv", "body/"):
        stored.put(OWN + path, path.encode())
    job = ended(
        stored.storage.copy(
            [*of(OWN + "f/", OWN + "x.csv"), Item.of(OWN + "body/", EntryType.FILE)], SHARED
        )
    )
    assert (job.state, job.objects, job.total_objects) == (JobState.DONE, 6, 6)
    assert (
        job.bytes
        == job.total_bytes
        == sum(map(len, ("f/a", "f/g/b c", "f/", "f//d", "x.csv", "body/")))
    )
    assert sorted(job.results) == [SHARED + "body/", SHARED + "f/", SHARED + "x.csv"]
    found = state(stored)
    for path in ("f/a", "f/g/b c", "f/", "f//d", "x.csv", "body/"):
        assert found[OWN + path] == found[SHARED + path] == path.encode()


def test_a_move_takes_the_source_along(stored: Stored) -> None:
    for path in ("f/a", "f/g/b", "x.csv", "stays"):
        stored.put(OWN + path, path.encode())
    job = ended(stored.storage.copy(of(OWN + "f/", OWN + "x.csv"), SHARED, move=True))
    assert (job.state, job.objects) == (JobState.DONE, 3)
    assert state(stored) == {
        OWN + "stays": b"stays",
        SHARED + "f/a": b"f/a",
        SHARED + "f/g/b": b"f/g/b",
        SHARED + "x.csv": b"x.csv",
    }


def test_a_rename_of_a_file_and_of_a_folder(stored: Stored) -> None:
    for path in ("f/a", "f/g/b", "f.txt", "fx/c"):
        stored.put(OWN + path, path.encode())
    ended(stored.storage.rename(Item.of(OWN + "f/"), "n w"))
    ended(stored.storage.rename(Item.of(OWN + "f.txt"), "g.txt"))
    assert set(state(stored)) == {OWN + p for p in ("n w/a", "n w/g/b", "g.txt", "fx/c")}
    for name in ("", ".", "..", "a/b"):
        with pytest.raises(InvalidPath):
            stored.storage.rename(Item.of(OWN + "g.txt"), name)


def test_a_rename_of_a_thousand_downloads_and_uploads_nothing(
    strict: Stored, strict_s3: StrictS3
) -> None:
    strict_s3.put_many({f"org{OWN}f/{i:04d}": b"x" * 2000 for i in range(1000)})
    strict_s3.journal.clear()
    job = ended(strict.storage.rename(Item.of(OWN + "f/"), "g"))
    assert (job.state, job.objects) == (JobState.DONE, 1000)
    assert strict_s3.count("GetObject", "PutObject") == 0
    assert strict_s3.count("CopyObject") == 1000
    assert strict_s3.count("DeleteObjects") == 1
    assert strict_s3.object(f"org{OWN}f/0000") is None
    assert strict_s3.object(f"org{OWN}g/0999") is not None


def test_the_rule_for_names_that_are_taken(stored: Stored) -> None:
    def start() -> None:
        for page in stored.boto.get_paginator("list_objects_v2").paginate(Bucket=stored.bucket):
            for each in page.get("Contents", []):
                stored.boto.delete_object(Bucket=stored.bucket, Key=each["Key"])
        for path, body in {
            OWN + "x.csv": b"new",
            OWN + "f/a": b"new",
            OWN + "f/b": b"new",
            SHARED + "x.csv": b"old",
            SHARED + "f/a": b"old",
            SHARED + "f/c": b"old",
        }.items():
            stored.put(path, body)

    both = of(OWN + "x.csv", OWN + "f/")
    start()
    before = state(stored)
    job = ended(stored.storage.copy(both, SHARED, move=True))
    assert (job.state, job.error_count) == (JobState.FAILED, 2)
    assert {error.code for error in job.errors} == {"AlreadyExists"}
    assert {error.path for error in job.errors} == {SHARED + "x.csv", SHARED + "f/"}
    assert state(stored) == before
    job = ended(stored.storage.copy(both, SHARED, Conflict.SKIP, move=True))
    assert (job.state, job.skipped, job.objects) == (JobState.DONE, 2, 1)
    assert state(stored) == {
        **{path: body for path, body in before.items() if path != OWN + "f/b"},
        SHARED + "f/b": b"new",
    }
    start()
    job = ended(stored.storage.copy(both, SHARED, Conflict.REPLACE, move=True))
    assert job.state is JobState.DONE
    assert state(stored) == {
        SHARED + "x.csv": b"new",
        SHARED + "f/a": b"new",
        SHARED + "f/b": b"new",
        SHARED + "f/c": b"old",
    }
    start()
    job = ended(stored.storage.copy(both, SHARED, Conflict.KEEP_BOTH))
    assert sorted(job.results) == [SHARED + "f (1)/", SHARED + "x (1).csv"]
    assert state(stored) == {
        **before,
        SHARED + "x (1).csv": b"new",
        SHARED + "f (1)/a": b"new",
        SHARED + "f (1)/b": b"new",
    }


def test_keep_both_of_many_namesakes_loses_none(stored: Stored) -> None:
    paths = [f"{OWN}{i}/x.csv" for i in range(12)]
    for path in paths:
        stored.put(path, path.encode())
    job = ended(stored.storage.copy(of(*paths), SHARED, Conflict.KEEP_BOTH, move=True))
    assert job.state is JobState.DONE
    found = state(stored)
    assert set(found) == {SHARED + "x.csv", *(f"{SHARED}x ({i}).csv" for i in range(1, 12))}
    assert sorted(found.values()) == sorted(path.encode() for path in paths)


def test_a_copy_beside_itself(stored: Stored) -> None:
    stored.put(OWN + "x.csv", b"1")
    stored.put(OWN + "f/a", b"2")
    job = ended(stored.storage.copy(of(OWN + "x.csv", OWN + "f/"), OWN, Conflict.KEEP_BOTH))
    assert job.state is JobState.DONE
    assert set(state(stored)) == {OWN + p for p in ("x.csv", "x (1).csv", "f/a", "f (1)/a")}


def test_what_cannot_be_meant_is_refused_at_once(strict: Stored, strict_s3: StrictS3) -> None:
    copy = strict.storage.copy
    calls: list[Callable[[], Job]] = [
        lambda: copy(of(OWN + "f/"), OWN + "f/g/"),
        lambda: copy(of(OWN + "f/"), OWN + "f/", Conflict.KEEP_BOTH),
        lambda: copy(of(OWN + "x"), OWN),
        lambda: copy(of(OWN + "f/"), OWN, Conflict.REPLACE),
        lambda: copy(of(OWN + "x"), OWN, Conflict.KEEP_BOTH, move=True),
        lambda: copy(of(OWN + "a/x", OWN + "b/x"), SHARED),
        lambda: strict.storage.rename(Item.of(OWN + "x"), "x"),
    ]
    for call in calls:
        with pytest.raises(InvalidRequest):
            call()
    assert strict_s3.count() == 0
    assert strict.storage.jobs.list() == []


def test_a_missing_item_does_not_stop_the_others(stored: Stored) -> None:
    stored.put(OWN + "there", b"1")
    job = ended(stored.storage.copy(of(OWN + "gone", OWN + "none/", OWN + "there"), SHARED))
    assert (job.state, job.error_count, job.objects) == (JobState.FAILED, 2, 1)
    assert {error.path for error in job.errors} == {OWN + "gone", OWN + "none/"}
    assert SHARED + "there" in state(stored)


def test_a_file_that_was_replaced_is_not_moved(strict: Stored, strict_s3: StrictS3) -> None:
    strict_s3.put("org" + OWN + "x", b"1")
    old = [Item.of(OWN + "x", etag='"old"')]
    for job in (strict.storage.copy(old, SHARED, move=True), strict.storage.delete(old)):
        assert [error.code for error in ended(job).errors] == ["PreconditionFailed"]
    assert strict_s3.body("org" + OWN + "x") == b"1"


def test_a_source_that_changes_during_a_move_stays(strict: Stored, strict_s3: StrictS3) -> None:
    strict_s3.put_many({f"org{OWN}f/{i}": b"old" for i in range(5)})

    def edit(call: Call) -> None:
        strict_s3.put(f"org{OWN}f/3", b"new")

    strict_s3.on("DeleteObjects", edit, times=1)
    job = ended(strict.storage.copy(of(OWN + "f/"), SHARED, move=True))
    assert (job.state, job.error_count) == (JobState.FAILED, 1)
    assert strict_s3.body(f"org{OWN}f/3") == b"new"
    assert strict_s3.body(f"org{SHARED}f/3") == b"old"
    assert strict_s3.object(f"org{OWN}f/4") is None


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.RESET_AFTER, Fault.ERROR_IN_200])
def test_what_fails_on_the_way_loses_nothing(
    fault: Fault, strict: Stored, strict_s3: StrictS3
) -> None:
    names = [f"{i:02d}" for i in range(20)]
    strict_s3.put_many({f"org{OWN}f/{name}": name.encode() for name in names})
    strict_s3.fail("CopyObject", fault, times=None, probability=0.4, seed=1)
    job = ended(strict.storage.copy(of(OWN + "f/"), SHARED, move=True))
    strict_s3.heal()
    kept = state(strict)
    for name in names:
        assert name.encode() in (kept.get(f"{OWN}f/{name}"), kept.get(f"{SHARED}f/{name}")), name
    assert job.objects + job.error_count == 20


def test_denied_by_s3(strict: Stored, strict_s3: StrictS3) -> None:
    strict_s3.put("org" + OWN + "x", b"1")
    strict_s3.deny("org" + SHARED)
    job = ended(strict.storage.copy(of(OWN + "x"), SHARED, move=True))
    assert [error.code for error in job.errors] == ["AccessDenied"]
    strict_s3.allow_all()
    strict_s3.deny("org" + OWN, [Access.DELETE])
    job = ended(strict.storage.delete(of(OWN + "x")))
    assert "may not delete" in job.errors[0].message
    assert job.errors[0].path == OWN + "x"
    assert strict_s3.body("org" + OWN + "x") == b"1"


def test_a_copy_above_the_limit_goes_by_parts(
    strict_s3: StrictS3, s3_env: S3Environment, tmp_path: Path
) -> None:
    s3_env(strict_s3)
    stored = Stored(strict_s3, tmp_path, options=Options(copy_limit=6 * 1024 * 1024))
    body = bytes(range(256)) * 4096 * 14  # 14 MiB
    strict_s3.put("org" + OWN + "big", body, metadata={"colour": "red"}, content_type="text/x")
    job = ended(stored.storage.copy(of(OWN + "big"), SHARED, move=True))
    assert (job.state, job.bytes) == (JobState.DONE, len(body))
    assert strict_s3.body("org" + SHARED + "big") == body
    copied = strict_s3.object("org" + SHARED + "big")
    assert copied is not None
    assert copied.metadata == {"colour": "red"}
    assert copied.headers["content-type"] == "text/x"
    assert strict_s3.count("UploadPartCopy") == 3
    assert strict_s3.journal.bytes_out < 100_000
    assert strict_s3.object("org" + OWN + "big") is None
    stored.close()


# -- delete ---------------------------------------------------------------------------------------


def test_delete_takes_what_is_named_and_nothing_beside_it(stored: Stored) -> None:
    for path in ("f/a", "f/g/b", "f", "fx", "f/", "x", "body/", "body/x", "//d"):
        stored.put(OWN + path, path.encode())
    job = ended(stored.storage.delete(of(OWN + "f/", OWN + "x")))
    assert (job.state, job.objects, job.total_objects) == (JobState.DONE, 4, 4)
    assert set(state(stored)) == {OWN + p for p in ("f", "fx", "body/", "body/x", "//d")}
    ended(stored.storage.delete([Item.of(OWN + "body/", EntryType.FILE)]))
    assert set(state(stored)) == {OWN + p for p in ("f", "fx", "body/x", "//d")}
    ended(stored.storage.delete(of(OWN + "/")))
    assert set(state(stored)) == {OWN + p for p in ("f", "fx", "body/x")}
    job = ended(stored.storage.delete(of(OWN + "body")))  # a folder, named without its slash
    assert [error.code for error in job.errors] == ["NotFound"]
    assert "ends with a slash" in job.errors[0].hint
    assert OWN + "body/x" in state(stored)


def test_ten_thousand_objects_take_ten_requests(strict: Stored, strict_s3: StrictS3) -> None:
    strict_s3.generate(f"org{OWN}f/", 9_000, size=3)
    strict_s3.generate(f"org{OWN}g/", 1_000, size=3)
    job = ended(strict.storage.delete(of(OWN + "f/", OWN + "g/")))
    assert (job.state, job.objects, job.bytes) == (JobState.DONE, 10_000, 30_000)
    assert strict_s3.count("DeleteObjects") <= 10
    assert strict.everything(OWN) == []


def test_keys_that_fail_are_named(strict: Stored, strict_s3: StrictS3) -> None:
    strict_s3.put_many({f"org{OWN}f/{i:03d}": b"1" for i in range(300)})
    strict_s3.deny(f"org{OWN}f/1", [Access.DELETE])
    job = ended(strict.storage.delete(of(OWN + "f/")))
    assert (job.state, job.objects, job.error_count) == (JobState.FAILED, 200, 100)
    assert len(job.errors) == 100
    assert job.errors[0].path is not None
    assert job.errors[0].path.startswith(OWN + "f/1")


# -- cancel, order, limits ------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["copy", "move", "delete"])
def test_a_cancelled_job_stops_and_says_how_far_it_was(
    what: str, strict: Stored, strict_s3: StrictS3
) -> None:
    total = 5_000 if what == "delete" else 1_000  # more than is on its way at once
    strict_s3.generate(f"org{OWN}f/", total, size=3)
    item = of(OWN + "f/")
    operation = "DeleteObjects" if what == "delete" else "CopyObject"
    with strict_s3.gate(operation) as gate:
        job = (
            strict.storage.delete(item)
            if what == "delete"
            else strict.storage.copy(item, SHARED, move=what == "move")
        )
        gate.wait_for_arrivals()
        assert strict.storage.jobs.cancel(job.id) is job
        assert not job.over.is_set()
    ended(job)
    assert job.state is JobState.CANCELLED
    assert job.total_objects == total
    assert job.objects < total
    left = strict.storage.measure([OWN + "f/"], 10_000).objects
    assert left == (total if what == "copy" else total - job.objects)
    if what != "delete":
        assert strict.storage.measure([SHARED], 10_000).objects == job.objects
    requests = strict_s3.count()
    assert strict.storage.jobs.cancel(job.id) is job  # forgets it
    with pytest.raises(NotFound):
        strict.storage.jobs.get(job.id)
    assert strict_s3.count() == requests


def test_cancelling_a_large_copy_leaves_no_parts(
    strict_s3: StrictS3, s3_env: S3Environment, tmp_path: Path
) -> None:
    s3_env(strict_s3)
    stored = Stored(strict_s3, tmp_path, options=Options(copy_limit=6 * 1024 * 1024))
    strict_s3.put_synthetic("org" + OWN + "big", 60 * 1024 * 1024)
    with strict_s3.gate("UploadPartCopy") as gate:
        job = stored.storage.copy(of(OWN + "big"), SHARED)
        gate.wait_for_arrivals()
        # Were this process killed now, the janitor of the next one would know.
        remembered = list(tmp_path.parent.glob(f"{tmp_path.name}-state/uploads/*.json"))
        assert len(remembered) == 1
        assert stored.storage.uploads.list() == []
        assert (
            Stored(strict_s3, tmp_path, options=Options(upload_age=0)).storage.uploads.sweep() == 1
        )
        stored.storage.jobs.cancel(job.id)
        gate.release()
        ended(job)
    assert job.state is JobState.CANCELLED
    assert not remembered[0].exists()
    strict_s3.wait_until(lambda: strict_s3.uploads() == [])
    assert strict_s3.object("org" + SHARED + "big") is None
    stored.close()


def test_jobs_wait_for_their_turn_and_too_many_are_refused(
    strict: Stored, strict_s3: StrictS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "MAX_OPEN", 6)
    strict_s3.put("org" + OWN + "x", b"1")
    with strict_s3.gate("HeadObject") as gate:
        running = [strict.storage.delete(of(OWN + "x")) for _ in range(6)]
        gate.wait_for_arrivals(jobs_module.AT_ONCE)
        assert running[-1].to_json()["state"] == "waiting"
        assert [job.id for job in strict.storage.jobs.list()] == [job.id for job in running[::-1]]
        with pytest.raises(Throttled):
            strict.storage.delete(of(OWN + "x"))
        strict.storage.jobs.cancel(running[-1].id)
    for job in running:
        ended(job)
    assert running[-1].state is JobState.CANCELLED
    assert running[-1].objects == 0


def test_old_jobs_are_forgotten(strict: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "KEPT", 2)
    for _ in range(5):
        ended(strict.storage.delete(of(OWN + "x")))
    assert len(strict.storage.jobs.list()) == 3


def test_closing_ends_all_jobs(strict: Stored, strict_s3: StrictS3) -> None:
    strict_s3.generate(f"org{OWN}f/", 1_000, size=3)
    with strict_s3.gate("CopyObject") as gate:
        job = strict.storage.copy(of(OWN + "f/"), SHARED)
        gate.wait_for_arrivals()
        closing = threading.Thread(target=strict.storage.close)
        closing.start()
        assert job.stop.wait(10)
    closing.join()
    ended(job)
    assert job.state is JobState.CANCELLED


# -- permissions ----------------------------------------------------------------------------------

OK = None
Verdict = type[WherobotsError] | None
_NEVER: tuple[Verdict, Verdict, Verdict, Verdict] = (NotPermitted,) * 4
_ASKS: tuple[Verdict, Verdict, Verdict, Verdict] = (ConfirmationRequired,) * 4
# What comes of changing (delete, move away, rename) and of filling each kind of place, in both layouts.
MATRIX: list[tuple[str, Verdict, Verdict, Verdict, Verdict]] = [
    # path, change: current and 2024, fill: current and 2024
    ("/", NotPermitted, NotPermitted, NotPermitted, NotPermitted),
    ("/data/", NotPermitted, NotPermitted, NotPermitted, NotPermitted),
    ("/data/customer-abc/", NotPermitted, NotPermitted, OK, OK),
    ("/data/customer-abc/f/", OK, OK, OK, OK),
    ("/data/customer-abcd/f/", NotPermitted, NotPermitted, NotPermitted, NotPermitted),
    ("/data/shared/", NotPermitted, NotPermitted, OK, OK),
    ("/data/shared/f/", OK, OK, OK, OK),
    ("/data/nothing/", NotPermitted, NotPermitted, NotPermitted, NotPermitted),
    ("/spark-logs/", NotPermitted, NotPermitted, ConfirmationRequired, ConfirmationRequired),
    ("/spark-logs/f/", *_ASKS),
    ("/notebooks/", NotPermitted, NotPermitted, NotPermitted, NotPermitted),
    ("/notebooks/customer-abc/", NotPermitted, NotPermitted, NotPermitted, OK),
    ("/notebooks/customer-abc/f/", NotPermitted, OK, NotPermitted, OK),
    ("/notebooks/customer-abc/.wherobots/", *_NEVER),
    ("/notebooks/customer-abc/.wherobots/f/", *_NEVER),
    ("/notebooks/customer-xyz/f/", NotPermitted, NotPermitted, NotPermitted, NotPermitted),
    ("/notebooks/shared/", NotPermitted, NotPermitted, NotPermitted, OK),
    ("/notebooks/shared/f/", NotPermitted, OK, NotPermitted, OK),
    ("/data/customer-abc/../x/f/", InvalidPath, InvalidPath, InvalidPath, InvalidPath),
    ("f/", InvalidPath, InvalidPath, InvalidPath, InvalidPath),
]


def verdict(begin: Callable[[], Job]) -> Verdict:
    try:
        ended(begin())
    except WherobotsError as error:
        return type(error)
    return OK


@pytest.mark.parametrize("name", list(LayoutName))
def test_the_permission_matrix_of_changing(
    name: LayoutName, strict_s3: StrictS3, s3_env: S3Environment, tmp_path: Path
) -> None:
    s3_env(strict_s3)
    stored = Stored(strict_s3, tmp_path, name)
    storage = stored.storage
    (tmp_path / "h.txt").write_text("h")
    for path, change_now, change_2024, fill_now, fill_2024 in MATRIX:
        change = change_now if name is LayoutName.CURRENT else change_2024
        fill = fill_now if name is LayoutName.CURRENT else fill_2024
        source = of("/data/customer-abc/source")
        requests = strict_s3.count()
        changes: dict[str, Callable[[], Job]] = {
            "delete": lambda: storage.delete(of(path)),  # noqa: B023
            "move": lambda: storage.copy(of(path), "/data/shared/into/", move=True),  # noqa: B023
            "rename": lambda: storage.rename(Item.of(path), "other"),  # noqa: B023
        }
        fills: dict[str, Callable[[], Job]] = {
            "copy": lambda: storage.copy(source, path),  # noqa: B023
            "move": lambda: storage.copy(source, path, move=True),  # noqa: B023
            "home": lambda: storage.home_to_storage(["h.txt"], path),  # noqa: B023
        }
        for action, begin in changes.items():
            assert verdict(begin) == change, (action, path)
        if change is not OK and fill is not OK:
            for action, begin in fills.items():
                assert verdict(begin) == fill, (action, path)
            assert strict_s3.count() == requests, path  # S3 was not even asked
        elif path != "/data/customer-abc/":  # the source lies there
            for action, begin in fills.items():
                assert verdict(begin) == fill, (action, path)
    allowed = ("org/data/customer-abc/", "org/data/shared/", "org/notebooks/")
    assert all(request.key.startswith(allowed) or not request.key for request in strict_s3.requests)
    stored.close()


def test_the_internal_folder_cannot_be_made_by_any_change(
    strict_s3: StrictS3, s3_env: S3Environment, tmp_path: Path
) -> None:
    s3_env(strict_s3)
    stored = Stored(strict_s3, tmp_path, LayoutName.V2024)
    home = "/notebooks/customer-abc/"
    for call in (
        lambda: stored.storage.rename(Item.of(home + "f/"), ".wherobots"),
        lambda: stored.storage.copy(of(OWN + ".wherobots/"), home),
        lambda: stored.storage.create_folder(home + ".wherobots/"),
    ):
        with pytest.raises(NotPermitted):
            call()
    stored.close()


def test_logs_can_be_changed_by_who_means_it(strict: Stored, strict_s3: StrictS3) -> None:
    strict_s3.put("org/spark-logs/app/1", b"1")
    job = ended(strict.storage.copy(of("/spark-logs/app/"), SHARED))
    assert job.state is JobState.DONE  # reading them asks nobody
    job = ended(strict.storage.delete(of("/spark-logs/app/"), confirm=True))
    assert job.state is JobState.DONE
    assert strict_s3.object("org/spark-logs/app/1") is None
