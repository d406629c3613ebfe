"""``/wherobots/sync…``: the mirror of the home directory."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from ..errors import NotFound
from .base import WherobotsHandler

if TYPE_CHECKING:
    from ..sync.service import HomeSync
    from ..sync.status import SyncStatus


def sync_json(status: SyncStatus) -> dict[str, Any]:
    """The standing status, with its time as the rest of the API has them."""
    value = status.to_json()
    if status.saved_at is not None:
        moment = datetime.fromtimestamp(status.saved_at, timezone.utc)
        value["savedAt"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


class SyncBase(WherobotsHandler):
    """What the handlers of the mirror share."""

    def require_sync(self) -> HomeSync:
        """The mirror. Raises NotFound, with the reason why there is none."""
        if self.services.sync is None:
            raise NotFound(f"Home is not synchronised: {self.services.persistence.reason}", hint="")
        return self.services.sync


class SyncHandler(SyncBase):
    """The standing status."""

    route = "/wherobots/sync"
    _track_activity = False

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with the status."""
        self.reply(sync_json(self.require_sync().status()))


class FlushHandler(SyncBase):
    """Save everything now."""

    route = "/wherobots/sync/flush"

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Make one whole pass and answer with its report."""
        timeout = (await self.body())["timeout"]
        sync = self.require_sync()
        report = await self.services.run(lambda: sync.run_pass(deadline=timeout))
        self.reply(report.to_json())


class ConflictsHandler(SyncBase):
    """What changed on both sides."""

    route = "/wherobots/sync/conflicts"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with the list."""
        found = await self.services.run(self.require_sync().conflicts)
        self.reply({"conflicts": _json(found)})

    @web.authenticated
    @authorized
    async def delete(self) -> None:
        """Forget the list."""
        await self.services.run(self.require_sync().dismiss_conflicts)
        self.set_status(204)
        self.finish()


class RemoteHandler(SyncBase):
    """What changed in S3."""

    route = "/wherobots/sync/remote"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """List S3 and answer with what is not as it was left."""
        found = await self.services.run(self.require_sync().check_remote)
        self.reply({"conflicts": _json(found)})


class DeletesHandler(SyncBase):
    """Deletions that wait for a person's word."""

    route = "/wherobots/sync/deletes"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with how many there are."""
        self.reply(_json(await self.services.run(self.require_sync().pending_deletes)))

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Let them happen."""
        self.reply({"count": await self.services.run(self.require_sync().confirm_deletes)})


class SaveAgainHandler(SyncBase):
    """Files that were deleted in S3."""

    route = "/wherobots/sync/save-again"

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Put them back."""
        paths: list[str] | None = (await self.body()).get("paths")
        self.reply({"count": await self.services.run(self.require_sync().save_again, paths)})


class LeaseHandler(SyncBase):
    """Which of several instances may overwrite and delete."""

    route = "/wherobots/sync/lease"

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Take the lease, and answer with the state."""
        sync = self.require_sync()
        await self.services.run(sync.take_over)
        self.reply(sync_json(sync.status()))


def _json(value: object) -> Any:
    from ..sync.status import to_json

    return to_json(value)


handlers = [
    SyncHandler,
    FlushHandler,
    ConflictsHandler,
    RemoteHandler,
    DeletesHandler,
    SaveAgainHandler,
    LeaseHandler,
]
