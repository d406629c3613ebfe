"""Every endpoint that changes the storage, at every kind of place, in both layouts. On the strict S3."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_wherobots.handlers.document import document
from jupyter_wherobots.services import Services
from tests.server.conftest import OWN, Fetch
from tests.strict_s3 import StrictS3

OK = None
NO = (403, "NotPermitted")
ASKS = (409, "ConfirmationRequired")
NONSENSE = (400, "InvalidPath")
Verdict = tuple[int, str] | None

# Where; what comes of changing that folder itself (delete, move away, rename), and of putting something into it.
PLACES: list[tuple[str, Verdict, Verdict, Verdict, Verdict]] = [
    # place, changed in the current layout, in that of 2024, filled in the current, in that of 2024
    ("/", NO, NO, NO, NO),
    ("/data/", NO, NO, NO, NO),
    (OWN, NO, NO, OK, OK),
    (OWN + "f/", OK, OK, OK, OK),
    (OWN + "f//", OK, OK, OK, OK),
    (OWN + "a b+%2F#?&'\"ü名/", OK, OK, OK, OK),
    (OWN + ".wherobots/", OK, OK, OK, OK),
    ("/data/shared/", NO, NO, OK, OK),
    ("/data/shared/f/", OK, OK, OK, OK),
    ("/spark-logs/", NO, NO, ASKS, ASKS),
    ("/spark-logs/f/", ASKS, ASKS, ASKS, ASKS),
    ("/notebooks/", NO, NO, NO, NO),
    ("/notebooks/customer-abc/", NO, NO, NO, OK),
    ("/notebooks/customer-abc/f/", NO, OK, NO, OK),
    ("/notebooks/customer-abc/.wherobots/", NO, NO, NO, NO),
    ("/notebooks/customer-abc/.wherobots/f/", NO, NO, NO, NO),
    ("/notebooks/shared/", NO, NO, NO, OK),
    ("/notebooks/shared/f/", NO, OK, NO, OK),
    # Other people's, and what only looks like ours.
    ("/data/customer-xyz/f/", NO, NO, NO, NO),
    ("/data/customer-abcd/f/", NO, NO, NO, NO),
    ("/data/customer-ab/f/", NO, NO, NO, NO),
    ("/data/customer-ABC/f/", NO, NO, NO, NO),
    ("/data/customer-аbс/f/", NO, NO, NO, NO),  # noqa: RUF001 - two of the letters are Cyrillic
    ("/data/customer-abc /f/", NO, NO, NO, NO),
    ("/data/sharedx/f/", NO, NO, NO, NO),
    ("/data／shared/f/", NO, NO, NO, NO),  # noqa: RUF001 - a slash that is none
    ("/data%2Fshared/f/", NO, NO, NO, NO),
    ("//data/shared/f/", NO, NO, NO, NO),
    ("/data//shared/f/", NO, NO, NO, NO),
    ("/org/data/shared/f/", NO, NO, NO, NO),
    ("/other/data/shared/f/", NO, NO, NO, NO),
    (OWN + "../customer-xyz/f/", NONSENSE, NONSENSE, NONSENSE, NONSENSE),
    (OWN + "../../../other/data/shared/f/", NONSENSE, NONSENSE, NONSENSE, NONSENSE),
    (OWN + "./f/", NONSENSE, NONSENSE, NONSENSE, NONSENSE),
    ("data/shared/f/", NONSENSE, NONSENSE, NONSENSE, NONSENSE),
]
WITHOUT_PATH = {
    "doctor",
    "cancelJob",
    "zipOfMany",  # changes nothing; it reads what `zip` reads
    # These are about an upload session, which `createUpload` gave leave for.
    "abortUpload",
    "putPart",
    "completeUpload",
    # The mirror's own: they name files of home, if anything.
    "flush",
    "dismissConflicts",
    "confirmDeletes",
    "saveAgain",
    "takeOver",
}

Act = Callable[[str], Awaitable[Any]]


def changing(fetch: Fetch) -> dict[str, Act]:
    """What changes a folder itself, by the operation's name and the kind of job."""

    def job(**more: Any) -> Act:
        return lambda place: fetch(
            "POST",
            "storage/jobs",
            body={"items": [{"path": place, "type": "FOLDER"}], **more},
        )

    return {
        "createJob delete": job(kind="delete"),
        "createJob move": job(kind="move", destination="/data/shared/into/", conflict="keep-both"),
        "createJob rename": job(kind="rename", name="other", conflict="keep-both"),
    }


def filling(fetch: Fetch) -> dict[str, Act]:
    """What puts something into a folder."""

    def job(kind: str, item: str) -> Act:
        body = {"kind": kind, "items": [{"path": item}], "conflict": "replace"}
        return lambda place: fetch("POST", "storage/jobs", body={**body, "destination": place})

    return {
        "createFolder": lambda place: fetch(
            "POST", "storage/folder", body={"path": place + "new/"}
        ),
        "upload": lambda place: fetch("PUT", "storage/file", path=place + "x", body=b"x"),
        "createUpload": lambda place: fetch(
            "POST", "storage/uploads", body={"path": place + "y", "size": 1}
        ),
        "createJob copy": job("copy", "/data/shared/source/s"),
        "createJob move": job("move", "/data/shared/source/s"),
        "createJob home-to-storage": job("home-to-storage", "h.txt"),
    }


def test_no_operation_is_missing_from_the_table() -> None:
    content = document().content["paths"]
    described = {
        content[path][verb]["operationId"]
        for path, verb in document().operations
        if verb not in ("get", "head")
    }
    tried = {
        name.split()[0]
        for each in (changing, filling)
        for name in each(lambda: ...)  # type: ignore[arg-type, return-value]
    }
    assert described == tried | WITHOUT_PATH


@pytest.mark.parametrize("layout_name", ["current", "2024"])
async def test_every_endpoint_at_every_place(
    layout_name: str, strict_s3: StrictS3, fetch: Fetch, services: Services, jp_root_dir: Path
) -> None:
    (jp_root_dir / "h.txt").write_text("h")

    async def verdict(act: Act, place: str) -> Verdict:
        strict_s3.put("org/data/shared/source/s", b"s")
        strict_s3.put(f"org{place}inside", b"inside")
        answer = await act(place)
        if answer.status == 202:
            job = services.require_storage().jobs.get(answer.json["id"])
            assert await services.run(job.over.wait, 30)
            assert job.state.value == "done", (place, job)
        return (answer.status, answer.json["code"]) if answer.status >= 400 else OK

    for place, change_now, change_2024, fill_now, fill_2024 in PLACES:
        change, fill = (
            (change_now, fill_now) if layout_name == "current" else (change_2024, fill_2024)
        )
        for acts, expected in ((changing(fetch), change), (filling(fetch), fill)):
            for name, act in acts.items():
                asked = len(strict_s3.requests)
                assert await verdict(act, place) == expected, (name, place)
                if expected is not OK:
                    assert len(strict_s3.requests) == asked, (name, place)  # S3 was not even asked
    allowed: tuple[str, ...] = ("org" + OWN, "org/data/shared/")
    if layout_name == "2024":
        allowed += ("org/notebooks/customer-abc/", "org/notebooks/shared/")
    assert all(each.key.startswith(allowed) for each in strict_s3.requests if each.key)
