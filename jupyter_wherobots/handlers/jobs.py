"""``/wherobots/storage/jobs``: changes that take a while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from ..storage import Storage
from ..storage.entries import EntryType
from ..storage.items import Item
from ..storage.jobs import Job, JobKind
from ..storage.naming import Conflict
from .base import WherobotsHandler


class JobsHandler(WherobotsHandler):
    """All jobs."""

    route = "/wherobots/storage/jobs"
    _track_activity = False

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with those that are remembered."""
        found = self.services.require_storage().jobs.list()
        self.reply({"jobs": [job.to_json() for job in found]})

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Begin one."""
        given = await self.body()
        storage = self.services.require_storage()
        job = await self.services.run(_begin, storage, given)
        self.reply(job.to_json(), 202)


class JobHandler(WherobotsHandler):
    """One job."""

    route = "/wherobots/storage/jobs/{id}"
    _track_activity = False

    @web.authenticated
    @authorized
    async def get(self, **_: str) -> None:
        """Answer with it."""
        given = await self.arguments()
        self.reply(self.services.require_storage().jobs.get(given["id"]).to_json())

    @web.authenticated
    @authorized
    async def delete(self, **_: str) -> None:
        """Cancel it, or forget it if it is over."""
        given = await self.arguments()
        self.reply(self.services.require_storage().jobs.cancel(given["id"]).to_json())


def _begin(storage: Storage, given: Mapping[str, Any]) -> Job:
    kind = JobKind(given["kind"])
    conflict = Conflict(given.get("conflict", "fail"))
    confirm: bool = given.get("confirm", False)
    if kind is JobKind.HOME_TO_STORAGE:
        paths = [item["path"] for item in given["items"]]
        return storage.home_to_storage(paths, given["destination"], conflict, confirm=confirm)
    items = [_item(item) for item in given["items"]]
    if kind is JobKind.STORAGE_TO_HOME:
        return storage.storage_to_home(items, given["destination"], conflict)
    if kind is JobKind.DELETE:
        return storage.delete(items, confirm=confirm)
    if kind is JobKind.RENAME:
        return storage.rename(items[0], given["name"], conflict, confirm=confirm)
    move = kind is JobKind.MOVE
    return storage.copy(items, given["destination"], conflict, move=move, confirm=confirm)


def _item(given: Mapping[str, Any]) -> Item:
    kind = EntryType(given["type"]) if "type" in given else None
    return Item.of(given["path"], kind, given.get("etag"))


handlers = [JobsHandler, JobHandler]
