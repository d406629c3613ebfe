"""``/wherobots/status`` and ``doctor``: what this server is set up for, and how it is doing. Never a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from .. import __version__
from ..errors import WherobotsError
from ..layout import Layout, LayoutName, Root
from ..services import Services
from ..storage.options import Options
from .base import WherobotsHandler
from .sync import sync_json


class StatusHandler(WherobotsHandler):
    """Configuration, identity, roots, home. Answers whatever is wrong, and says what it is."""

    route = "/wherobots/status"
    _track_activity = False  # the page polls it: an idle server has to stay idle

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with the status."""
        services = self.services
        wait: int = (await self.arguments())["wait"]
        layout: Layout | None = None
        message = services.configuration.message
        try:
            layout = await services.look_at_layout(wait)
        except WherobotsError as error:
            message = " ".join(filter(None, [message, error.message, error.hint]))
        self.reply(_status(services, layout, message))


class DoctorHandler(WherobotsHandler):
    """The environment check."""

    route = "/wherobots/doctor"

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Look at everything, and answer with the report."""
        from ..doctor import examine

        services = self.services
        root = Path(self.settings.get("server_root_dir", "")).expanduser()
        checkup = await services.run(
            lambda: examine(services.configuration, s3=services.s3, root_dir=root, in_server=True)
        )
        self.reply(checkup.to_json())


def _status(services: Services, layout: Layout | None, message: str | None) -> dict[str, Any]:
    configuration, place = services.configuration, services.place
    options = services.storage.options if services.storage else Options()
    environment: dict[str, str] = {}
    if place is not None:  # the same in both layouts, so known even while the layout is not
        environment = Layout(place, LayoutName.CURRENT).environment(
            trailing_slash=configuration.trailing_slash
        )
    return {
        "version": __version__,
        "configured": place is not None,
        "problems": [
            {"setting": problem.setting, "message": problem.message}
            for problem in configuration.problems
        ],
        "message": message,
        "bucket": place.bucket if place else None,
        "organization": place.organization if place else None,
        "user": place.user if place else None,
        "layout": layout.name.value if layout else None,
        "roots": [_root(layout, root) for root in layout.roots] if layout else [],
        "environment": environment,
        "home": str(configuration.home),
        "homePersistence": {
            "mode": services.persistence.mode.value,
            "reason": services.persistence.reason,
            "failed": services.persistence.failed,
        },
        "limits": {
            "oneShotBytes": options.one_shot,
            "uploadBytes": options.upload_limit,
            "uploadAgeSeconds": int(options.upload_age),
        },
        "sync": None if services.sync is None else sync_json(services.sync.status()),
    }


def _root(layout: Layout, root: Root) -> dict[str, Any]:
    access = layout.access(root.path)
    return {
        "path": root.path,
        "uri": layout.uri(root.path),
        "name": root.path[:-1].rpartition("/")[2],
        "kind": root.kind.value,
        "description": root.description,
        "mutateProtected": access.mutate_protected,
        "uploadProtected": access.upload_protected,
        "reason": access.reason,
        "confirmation": access.confirmation,
    }


handlers = [StatusHandler, DoctorHandler]
