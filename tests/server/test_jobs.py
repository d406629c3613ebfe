"""Jobs over HTTP: begun, looked at, cancelled; refused at once where they can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_wherobots.services import Services
from tests.server.conftest import OWN, Fetch
from tests.strict_s3 import StrictS3

SHARED = "/data/shared/"


def key(path: str) -> str:
    return "org" + path


async def ended(fetch: Fetch, services: Services, answer: Any) -> dict[str, Any]:
    """The job as the API shows it, once it is over."""
    assert answer.status == 202, answer
    job = services.require_storage().jobs.get(answer.json["id"])
    assert await services.run(job.over.wait, 30)
    found: dict[str, Any] = (await fetch("GET", f"storage/jobs/{job.id}")).json
    return found


async def test_every_kind_of_job(
    strict_s3: StrictS3, fetch: Fetch, services: Services, jp_root_dir: Path
) -> None:
    strict_s3.put_many(
        {key(OWN + "f/a"): b"1", key(OWN + "f/b"): b"22", key(OWN + "x.csv"): b"333"}
    )
    (jp_root_dir / "n.ipynb").write_bytes(b"{}")

    async def run(**body: Any) -> dict[str, Any]:
        return await ended(fetch, services, await fetch("POST", "storage/jobs", body=body))

    folder = {"path": OWN + "f/"}
    job = await run(kind="copy", items=[folder, {"path": OWN + "x.csv"}], destination=SHARED)
    assert job == {
        "id": job["id"],
        "kind": "copy",
        "state": "done",
        "title": "Copy 2 items to /data/shared/",
        "created": job["created"],
        "finished": job["finished"],
        "destination": SHARED,
        "objects": 3,
        "bytes": 6,
        "totalObjects": 3,
        "totalBytes": 6,
        "skipped": 0,
        "current": None,
        "errors": [],
        "errorCount": 0,
        "results": [SHARED + "x.csv", SHARED + "f/"],
    }
    job = await run(kind="move", items=[folder], destination=SHARED, conflict="keep-both")
    assert job["results"] == [SHARED + "f (1)/"]
    job = await run(kind="rename", items=[{"path": OWN + "x.csv"}], name="y.csv")
    assert job["results"] == [OWN + "y.csv"]
    job = await run(kind="delete", items=[{"path": SHARED + "f", "type": "FOLDER"}])
    assert (job["state"], job["objects"]) == ("done", 2)
    job = await run(kind="home-to-storage", items=[{"path": "n.ipynb"}], destination=SHARED)
    assert job["results"] == [SHARED + "n.ipynb"]
    job = await run(kind="storage-to-home", items=[{"path": OWN + "y.csv"}], destination="in/here")
    assert (jp_root_dir / "in" / "here" / "y.csv").read_bytes() == b"333"
    job = await run(kind="delete", items=[{"path": OWN + "nothing"}])
    assert (job["state"], job["errors"][0]["code"]) == ("failed", "NotFound")
    jobs = (await fetch("GET", "storage/jobs")).json["jobs"]
    assert [each["kind"] for each in jobs][:2] == ["delete", "storage-to-home"]
    assert len(jobs) == 7


async def test_a_job_can_be_cancelled_and_then_forgotten(
    strict_s3: StrictS3, fetch: Fetch, services: Services
) -> None:
    strict_s3.generate(key(OWN + "f/"), 500, size=1)
    with strict_s3.gate("CopyObject") as gate:
        body = {"kind": "copy", "items": [{"path": OWN + "f/"}], "destination": SHARED}
        begun = await fetch("POST", "storage/jobs", body=body)
        await services.run(gate.wait_for_arrivals)
        route = f"storage/jobs/{begun.json['id']}"
        assert (await fetch("GET", route)).json["state"] == "running"
        assert (await fetch("DELETE", route)).json["state"] == "running"
    job = await ended(fetch, services, begun)
    assert job["state"] == "cancelled"
    assert (await fetch("DELETE", route)).json["state"] == "cancelled"
    answer = await fetch("GET", route)
    assert (answer.status, answer.json["code"]) == (404, "NotFound")


REFUSED: list[tuple[Any, int, str]] = [
    ({"kind": "delete", "items": [{"path": OWN}]}, 403, "NotPermitted"),
    ({"kind": "delete", "items": [{"path": "/data/customer-abcd/x"}]}, 403, "NotPermitted"),
    ({"kind": "delete", "items": [{"path": "/spark-logs/x"}]}, 409, "ConfirmationRequired"),
    ({"kind": "delete", "items": [{"path": "x"}]}, 400, "InvalidPath"),
    ({"kind": "delete", "items": []}, 400, "InvalidRequest"),
    ({"kind": "delete", "items": [{"path": OWN + "x", "more": 1}]}, 400, "InvalidRequest"),
    ({"kind": "delete"}, 400, "InvalidRequest"),
    ({"kind": "destroy", "items": [{"path": OWN + "x"}]}, 400, "InvalidRequest"),
    ({"kind": "copy", "items": [{"path": OWN + "x"}]}, 400, "InvalidRequest"),
    ({"kind": "copy", "items": [{"path": OWN + "x"}], "destination": "/data/"}, 403, "NotPermitted"),
    ({"kind": "copy", "items": [{"path": OWN + "f/"}], "destination": OWN + "f/"}, 400, "InvalidRequest"),
    ({"kind": "rename", "items": [{"path": OWN + "x"}], "name": "a/b"}, 400, "InvalidRequest"),
    ({"kind": "rename", "items": [{"path": OWN + "x"}], "name": ".."}, 400, "InvalidPath"),
    ({"kind": "home-to-storage", "items": [{"path": "../x"}], "destination": SHARED}, 400, "InvalidPath"),
    ({"kind": "home-to-storage", "items": [{"path": "gone"}], "destination": SHARED}, 404, "NotFound"),
    ({"kind": "storage-to-home", "items": [{"path": OWN + "x"}], "destination": "/etc"}, 400, "InvalidPath"),
    ({"kind": "storage-to-home", "items": [{"path": OWN + "x"}], "destination": "a/../.."}, 400, "InvalidPath"),
    ([], 400, "InvalidRequest"),
    (b"", 400, "InvalidRequest"),
]  # fmt: skip


async def test_what_can_be_refused_is_refused_at_once(strict_s3: StrictS3, fetch: Fetch) -> None:
    for body, status, code in REFUSED:
        answer = await fetch("POST", "storage/jobs", body=body)
        assert (answer.status, answer.json["code"]) == (status, code), body
        assert answer.json["message"]
    assert (await fetch("GET", "storage/jobs")).json == {"jobs": []}
    assert strict_s3.count() == 0
