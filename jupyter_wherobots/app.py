"""The server extension: reads the settings, wires the rooms together, starts them and stops them in time.

The only module that knows everybody. The facts behind its way of stopping (jupyter_server 2.10 to 2.21): the stop
hook is called once per signal, concurrently, and the first call to return ends the process; a hook that raises keeps
the process alive for ever; and SIGINT without a terminal skips the hook.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from jupyter_server.extension.application import ExtensionApp

from . import environment
from .errors import WherobotsError
from .home import Mode, Persistence, decide
from .layout import VARIABLES, Layout, LayoutName
from .mounts import mount_of
from .services import LayoutResolver, Services
from .settings import WherobotsSettings, misspelt
from .sync.narrator import Narrator
from .sync.status import Phase

if TYPE_CHECKING:
    from .sync.service import HomeSync
    from .sync.status import PassReport, SyncStatus

T = TypeVar("T")

EVENT_SCHEMA = Path(__file__).parent / "events" / "home_sync.v1.yaml"
EVENT_ID = "https://schema.wherobots.com/jupyter/home_sync/v1"

_EVENT_INTERVAL = 0.5
"""Seconds between two events at least: each costs 0.3 ms of the event loop."""

_KERNEL_STOP = 5.5
"""Seconds given to kernels to stop before the last scan: three stuck ones took 5.1 s."""

_EXIT_MARGIN = 1.0
"""Seconds after ``stop_timeout`` at which a final pass that still has not returned is left behind."""

_NAMED = 20
"""Files that the log names when they could not be saved; last-shutdown.json names all."""


class WherobotsApp(WherobotsSettings, ExtensionApp):
    """Managed storage: variables for kernels, the storage API, the home mirror."""

    name = "jupyter_wherobots"
    app_name = "Wherobots managed storage"
    extension_url = "/wherobots"
    load_other_extensions = True
    _services: Services | None = None
    _narrator: Narrator | None = None
    _pointed = False
    _final: asyncio.Task[None] | None = None
    _last_event = 0.0
    _event_scheduled = False

    # -- load ------------------------------------------------------------------------------------------------------

    def initialize_settings(self) -> None:
        """Check the settings, set the environment of kernels, begin to restore home. No loop is running yet."""
        # What our modules log goes where the server's own does.
        logging.getLogger(__package__).parent = getattr(self.log, "logger", self.log)
        section = type(self).__name__
        if self.serverapp is not None and section not in self.config:
            # Not even asked for, or one value was of the wrong type and traitlets took none of them.
            self.take(self.serverapp.config.get(section, {}))
        configuration = self.resolve()
        if configuration.message:
            self.log.warning("%s", configuration.message)
        for name, meant in misspelt(os.environ):
            self.log.warning("%s is set, and nobody reads it: is %s meant?", name, meant)
        persistence = decide(configuration, mount_of(configuration.home))
        services = self._services = Services(configuration, persistence)
        self.settings["wherobots"] = services
        if configuration.place is None:
            self._tell_not_kept(configuration.home, persistence)
            return
        layout = Layout(configuration.place, configuration.layout or LayoutName.CURRENT)
        values = layout.environment(trailing_slash=configuration.trailing_slash)
        environment.apply(values, os.environ, self.log)
        self._allow_through_gateway()
        self.log.info("Managed storage is %s", layout.uri("/"))

        from .s3.client import S3
        from .storage import Options, Storage

        services.s3 = S3(configuration.place.bucket)
        resolver = LayoutResolver(configuration.place, configuration.layout, services.s3)
        services.storage = Storage(
            services.s3,
            resolver,
            home=configuration.home,
            state=configuration.state,
            options=Options(upload_age=configuration.upload_age),
        )
        services.storage.start()
        self._begin_home(services, persistence, layout)

    def initialize_handlers(self) -> None:
        """Add the REST API; the base URL is put before each route by the framework."""
        from .handlers import default_handlers

        self.handlers.extend(default_handlers)

    def _allow_through_gateway(self) -> None:
        gateway = getattr(self.serverapp, "gateway_config", None)
        if gateway is not None and gateway.gateway_enabled:
            gateway.allowed_envs = environment.allow_through_gateway(
                VARIABLES, gateway.allowed_envs or ""
            )

    def _begin_home(self, services: Services, persistence: Persistence, layout: Layout) -> None:
        configuration = services.configuration
        if persistence.mode is not Mode.SYNC or services.s3 is None:
            self._tell_not_kept(configuration.home, persistence)
            return
        self._warn_if_outside_root(configuration.home)
        from .sync.service import HomeSync, SyncOptions

        options = SyncOptions(interval=configuration.sync_interval)
        sync = HomeSync(
            services.s3,
            layout.home_prefix,
            configuration.home,
            configuration.state,
            options=options,
        )
        self._narrator = Narrator(self.log)
        sync.on_change = self._narrate
        try:
            sync.start()
        except WherobotsError as error:
            # Another engine has it, or home or state cannot be used: the storage, and the variables, are there all the same.
            reason = f"{error.message} {error.hint}".strip()
            services.persistence = Persistence(Mode.OFF, reason, failed=True)
            self._tell_not_kept(configuration.home, services.persistence)
            return
        services.sync = sync
        where = layout.uri(layout.home_path)
        self.log.info("Home %s is kept in %s: %s", configuration.home, where, persistence.reason)
        self._wait_for_home(sync, configuration.restore_block)

    def _narrate(self, status: SyncStatus) -> None:
        if self._narrator is None or self._final is not None:
            return  # what comes of the stop is said at its end; until then a pass that makes way looks like a good one
        self._narrator.tell(status)
        if status.error is not None and not self._pointed:
            self._pointed = True
            self.log.warning(
                "`jupyter wherobots doctor`, in a terminal of this server, says what to do about it"
            )

    def _tell_not_kept(self, home: Path, persistence: Persistence) -> None:
        if persistence.failed:
            self.log.error(
                "Home %s is NOT synchronised by this server: %s", home, persistence.reason
            )
        else:
            self.log.info("Home %s is not synchronised: %s", home, persistence.reason)

    def _wait_for_home(self, sync: HomeSync, seconds: float) -> None:
        """Hold the start while home comes back, so that nobody opens a notebook that is about to arrive."""
        until = time.monotonic() + seconds
        restored = False
        while not restored and (left := until - time.monotonic()) > 0:
            restored = sync.wait_restored(min(left, 0.2))
            # SIGTERM only sets this while no loop is running; without a look at it the server would seem deaf.
            stopping = getattr(self.serverapp, "_stopping", False)
            if stopping or sync.status().phase not in (Phase.NEW, Phase.RESTORING):
                break
        if not restored and sync.status().error is None:
            self.log.warning(
                "Home is still being restored, or S3 does not answer; the server starts, the rest comes behind"
            )

    def _warn_if_outside_root(self, home: Path) -> None:
        root = getattr(self.serverapp, "root_dir", "")
        if root and home.resolve() not in (Path(root).resolve(), *Path(root).resolve().parents):
            self.log.warning(
                "The server's root_dir %s lies outside home %s: what is saved there is NOT synchronised",
                root,
                home,
            )

    # -- run -------------------------------------------------------------------------------------------------------

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """With the loop running: catch SIGINT, publish the mirror's events."""
        # Without a terminal the server installs no SIGINT handler, and Python's own would skip the stop hook. JupyterHub's
        # local spawners send SIGINT first.
        on_main_thread = threading.current_thread() is threading.main_thread()
        if on_main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._on_sigint)
        sync = self._services.sync if self._services else None
        if sync is not None:
            serverapp.event_logger.register_event_schema(EVENT_SCHEMA)
            loop = asyncio.get_running_loop()

            def changed(status: SyncStatus) -> None:
                self._narrate(status)
                # Emitting from a thread raises and delivers nothing, so hop to the loop first.
                _post(loop, self._schedule_event, loop)

            sync.on_change = changed

    def _on_sigint(self, *_: object) -> None:
        self.log.critical("received signal %s, stopping", signal.SIGINT.value)
        if self.serverapp is not None:
            self.serverapp.stop(from_signal=True)

    def _schedule_event(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._event_scheduled:
            self._event_scheduled = True
            loop.call_at(max(loop.time(), self._last_event + _EVENT_INTERVAL), self._emit, loop)

    def _emit(self, loop: asyncio.AbstractEventLoop) -> None:
        self._event_scheduled = False
        self._last_event = loop.time()
        sync = self._services.sync if self._services else None
        events = self.serverapp.event_logger if self.serverapp else None
        if sync is not None and events is not None:
            status = sync.status()
            data = {"state": status.phase.value, "pending": status.pending_files}
            events.emit(schema_id=EVENT_ID, data=data)

    def current_activity(self) -> dict[str, Any] | None:
        """Something truthy while files wait to be saved, so that an idle server is not culled before they are."""
        sync = self._services.sync if self._services else None
        pending = sync.status().pending_files if sync is not None else 0
        return {"pending": pending} if pending else None

    # -- stop ------------------------------------------------------------------------------------------------------

    async def stop_extension(self) -> None:
        """Save home once more. Every call waits for one shared run; never raises; bounded by ``stop_timeout``."""
        if self._final is None:
            self._final = asyncio.ensure_future(self._stop_once())
        await asyncio.shield(self._final)

    async def _stop_once(self) -> None:
        services = self._services
        if services is None:  # the load failed; there is nothing that may be saved
            return
        try:
            if services.sync is not None:
                await self._save_home(services)
        except Exception:  # raising here would keep the server from ever exiting
            self.log.exception("The final synchronisation of home failed")
        finally:
            services.close()

    async def _save_home(self, services: Services) -> None:
        sync, timeout = services.sync, services.configuration.stop_timeout
        if sync is None or self.serverapp is None:
            return
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        # What is dirty now goes at once: the grace may be a second, so a pass under way makes way. Kernels stop meanwhile:
        # they write until they end, and jupyter_server stops them only after the extensions.
        first = _in_daemon(lambda: sync.final(timeout))
        kernels = asyncio.ensure_future(self.serverapp.cleanup_kernels())
        await asyncio.wait({kernels}, timeout=min(_KERNEL_STOP, timeout / 2))
        if not kernels.done():
            self.log.warning("Kernels are still stopping; what they write from now on may be lost")
        elif not kernels.cancelled() and (error := kernels.exception()):
            self.log.warning("Kernels did not stop cleanly: %s", error)
        last = _in_daemon(lambda: sync.final(max(0.0, end - loop.time())))
        await asyncio.wait({last}, timeout=end - loop.time() + _EXIT_MARGIN)
        if first.done() and (error := first.exception()):
            self.log.warning("The first of the two final passes failed: %s", error)
        if not last.done():
            self.log.error("Home is not saved in full: no end after %g seconds", timeout)
            return
        self._tell(last.result())
        await asyncio.wait({_in_daemon(sync.stop)}, timeout=_EXIT_MARGIN)

    def _tell(self, report: PassReport) -> None:
        if report.complete:
            self.log.info("Home is saved in full (%d files)", report.files)
            return
        if not report.not_durable_count and report.error is None:
            self.log.warning(
                "What changed in home is saved (%d files), but home had not been restored in full: "
                "the next start brings the rest",
                report.files,
            )
            return
        if not report.not_durable_count:
            # It is not known what there is to save, so no number of files would be true.
            self.log.error("Home is NOT saved: %s", report.error)
            return
        self.log.error(
            "Home is NOT saved in full, %d %s missing%s",
            report.not_durable_count,
            "file is" if report.not_durable_count == 1 else "files are",
            f": {report.error}" if report.error else "",
        )
        for file in report.not_durable[:_NAMED]:
            self.log.error("Not saved: %s (%s)", file.path, file.message)


def _post(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *args: object) -> None:
    """Call something on the loop from a thread; nothing to do once the loop is gone."""
    # The loop may close between the question and the call.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call, *args)


def _in_daemon(function: Callable[[], T]) -> asyncio.Future[T]:
    """Run a function in a daemon thread: unlike an executor's, it cannot hold up the end of the process."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(call: Callable[[Any], None], value: object) -> None:
        if not future.done():
            call(value)

    def work() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - it belongs to the one who awaits
            outcome: tuple[Callable[[Any], None], object] = (future.set_exception, error)
        else:
            outcome = (future.set_result, result)
        _post(loop, settle, *outcome)

    threading.Thread(target=work, name="wherobots-final", daemon=True).start()
    return future
