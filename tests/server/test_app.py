"""The extension as the server loads it: settings, gateway, and a stop hook that is shared and never raises."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.gateway.gateway_client import GatewayClient
from jupyter_server.serverapp import ServerApp
from traitlets import TraitError
from traitlets.config import Config
from traitlets.config.loader import DeferredConfigString

from jupyter_wherobots.app import WherobotsApp
from jupyter_wherobots.home import Mode
from jupyter_wherobots.layout import VARIABLES, Place
from jupyter_wherobots.services import THREADS, Services
from jupyter_wherobots.sync.narrator import Narrator
from jupyter_wherobots.sync.status import PassReport, Phase, SyncStatus
from tests.server.conftest import Fetch
from tests.strict_s3 import StrictS3, When


def extension(serverapp: ServerApp) -> WherobotsApp:
    (app,) = serverapp.extension_manager.extension_apps["jupyter_wherobots"]
    assert isinstance(app, WherobotsApp)
    return app


@pytest.fixture(autouse=True)
def unset_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    # Registered first, so that what the extension sets is gone after the test.
    for name in VARIABLES:
        monkeypatch.setenv(name, "")


async def test_it_sets_the_environment_of_the_server(jp_serverapp: ServerApp) -> None:
    assert os.environ["USER_S3_PATH"].endswith("/org/data/customer-abc/")
    services: Services = jp_serverapp.web_app.settings["wherobots"]
    assert services.persistence.mode is Mode.OFF


class TestGateway:
    @pytest.fixture
    def jp_server_config(self, jp_server_config: dict[str, Any]) -> Iterator[dict[str, Any]]:
        # One for the process, made by the first server of the tests, without a gateway.
        GatewayClient.clear_instance()
        client = {"url": "http://127.0.0.1:9", "allowed_envs": "THEIRS"}
        yield {**jp_server_config, "GatewayClient": client}
        GatewayClient.clear_instance()

    async def test_the_names_are_allowed_to_pass_a_gateway(self, jp_serverapp: ServerApp) -> None:
        allowed = jp_serverapp.gateway_config.allowed_envs.split(",")
        assert allowed == ["THEIRS", *VARIABLES]


class TestWithoutConfiguration:
    @pytest.fixture
    def configuration(self) -> dict[str, Any]:
        return {"bucket": "", "organization": "org", "user": "customer-abc"}

    async def test_the_server_starts_and_everything_says_what_is_missing(
        self, fetch: Fetch
    ) -> None:
        status = (await fetch("GET", "status")).json
        assert [problem["setting"] for problem in status["problems"]] == ["bucket", "user"]
        assert "WHEROBOTS_BUCKET" in status["message"]
        assert not status["homePersistence"]["failed"]
        assert "customer-" in status["message"]
        answer = await fetch("GET", "storage/list", path="/")
        assert (answer.status, answer.json["code"]) == (503, "NotConfigured")
        assert answer.json["message"] == status["message"]
        assert not any(os.environ[name] for name in VARIABLES)


class TestWithAWrongSetting:
    @pytest.fixture
    def configuration(
        self, configuration: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> dict[str, Any]:
        monkeypatch.setenv("WHEROBOTS_SYNC_INTERVALL", "60")
        return {**configuration, "home_persistence": "sync", "layout": "2023"}

    async def test_a_home_that_was_to_be_kept_is_an_error_in_the_log(
        self, jp_serverapp: ServerApp, capsys: pytest.CaptureFixture[str]
    ) -> None:
        other = WherobotsApp(parent=jp_serverapp, config=jp_serverapp.config)
        other.serverapp = jp_serverapp
        other.initialize_settings()
        other.settings["wherobots"].close()
        said = capsys.readouterr().err
        assert "is WHEROBOTS_SYNC_INTERVAL meant?" in said
        (kept,) = (line for line in said.splitlines() if "NOT synchronised" in line)
        assert kept.startswith("[E ")
        assert kept.endswith("The configuration is incomplete or wrong (layout).")


async def test_a_value_of_the_wrong_type_takes_no_other_with_it(
    jp_serverapp: ServerApp, configuration: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {**configuration, "stop_timeout": "soon", "home_persistence": "sync"}
    deferred = {
        "sync_interval": DeferredConfigString("30"),
        "upload_age": DeferredConfigString("x"),
    }
    monkeypatch.setattr(jp_serverapp, "config", Config(WherobotsApp={**wrong, **deferred}))
    app = WherobotsApp()
    app.serverapp = jp_serverapp
    with pytest.raises(TraitError):
        app.update_config(jp_serverapp.config)
    app.initialize_settings()
    services: Services = app.settings["wherobots"]
    services.close()
    found = services.configuration
    assert found.place == Place(configuration["bucket"], "org", "abc")
    assert [problem.setting for problem in found.problems] == ["stop_timeout", "upload_age"]
    assert "stop_timeout" in (found.message or "")
    assert (found.sync_interval, found.stop_timeout) == (30, 25)
    assert services.persistence.failed


class TestWithUnusableState:
    @pytest.fixture
    def configuration(self, configuration: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
        state = tmp_path / "state"
        state.write_text("a file in the way")
        return {**configuration, "home_persistence": "sync", "state": str(state)}

    async def test_the_storage_is_there_and_it_is_said_that_home_is_not_kept(
        self, fetch: Fetch, configuration: dict[str, Any]
    ) -> None:
        answer = await fetch("GET", "storage/list", path="/")
        assert answer.status == 200
        status = (await fetch("GET", "status")).json
        assert status["sync"] is None
        reason = (
            f"{configuration['state']} cannot be used: File exists. "
            "It has to be a folder that the server's user may read and write."
        )
        assert status["homePersistence"] == {"mode": "off", "reason": reason, "failed": True}
        assert all(os.environ[name] for name in VARIABLES)


class TestWithALayoutToBeFoundOut:
    @pytest.fixture
    def layout_name(self) -> str:
        return "auto"

    async def test_a_status_does_not_wait_for_an_s3_that_does_not_answer(
        self, fetch: Fetch, strict_s3: StrictS3
    ) -> None:
        gate = strict_s3.gate("ListObjectsV2")
        for _ in range(THREADS + 1):
            status = (await fetch("GET", "status", wait=0)).json
            assert status["message"].startswith("S3 has not answered for 0 s. Check the network")
            assert (status["bucket"], status["layout"], status["roots"]) == (
                "strict-bucket",
                None,
                [],
            )
        # A listing finds a thread all the same, and one look answers everybody.
        listing = asyncio.ensure_future(fetch("GET", "storage/list", path="/data/shared/"))
        gate.release()
        assert (await fetch("GET", "status")).json["layout"] == "current"
        assert (await listing).status == 200
        assert strict_s3.count("ListObjectsV2") == 2


def test_the_log_points_to_the_doctor_once(caplog: pytest.LogCaptureFixture) -> None:
    app = WherobotsApp(log=logging.getLogger("of.a.test"))
    app._narrator = Narrator(app.log)
    for error in (None, "No network.", None, "No network."):
        app._narrate(SyncStatus(Phase.RESTORING, error=error))
    said = [record.getMessage() for record in caplog.records]
    assert said.count("Home is not restored: No network.") == 1
    assert sum("jupyter wherobots doctor" in line for line in said) == 1


class TestWithHome:
    @pytest.fixture
    def configuration(self, configuration: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
        state = str(tmp_path / "state")
        return {**configuration, "home_persistence": "sync", "state": state, "stop_timeout": 10}

    async def test_every_call_of_the_stop_hook_waits_for_one_run(
        self, jp_serverapp: ServerApp, jp_root_dir: Path, strict_s3: Any
    ) -> None:
        app = extension(jp_serverapp)
        (jp_root_dir / "late.txt").write_text("late")
        first, second = (asyncio.ensure_future(app.stop_extension()) for _ in range(2))
        await asyncio.sleep(0)
        # A signal's own call may be cancelled; the run it began is not.
        first.cancel()
        await second
        assert strict_s3.body("org/notebooks/customer-abc/late.txt") == b"late"

    async def test_a_stop_in_trouble_does_not_say_that_all_is_well_again(
        self,
        jp_serverapp: ServerApp,
        jp_root_dir: Path,
        strict_s3: StrictS3,
        services: Services,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        assert services.sync is not None
        strict_s3.deny()
        (jp_root_dir / "refused.txt").write_text("refused")
        await services.run(services.sync.run_pass)
        await services.run(lambda: services.sync and services.sync.run_pass())
        await extension(jp_serverapp).stop_extension()
        assert "Not saved: refused.txt" in caplog.text
        assert "works again" not in caplog.text

    async def test_what_is_dirty_at_a_stop_waits_neither_for_a_pass_nor_for_the_kernels(
        self, jp_serverapp: ServerApp, jp_root_dir: Path, strict_s3: StrictS3, services: Services
    ) -> None:
        """The grace may be a second: a pass under way makes way. (A large file: small ones are saved beside it anyway.)"""
        home = "org/notebooks/customer-abc/"
        assert services.sync is not None
        saved = threading.Event()
        complete = "CompleteMultipartUpload"
        strict_s3.on(complete, lambda _: saved.set(), key=f"{home}last", when=When.AFTER)

        async def busy() -> None:
            await services.run(lambda: saved.wait(5))

        jp_serverapp.cleanup_kernels = busy  # type: ignore[method-assign]
        (jp_root_dir / "slow").write_text("slow")
        with strict_s3.gate("PutObject", key=f"{home}slow") as gate:
            under_way = asyncio.ensure_future(services.run(services.sync.run_pass))
            await services.run(gate.wait_for_arrivals)
            (jp_root_dir / "last").write_bytes(bytes(17 << 20))
            stopped = asyncio.ensure_future(extension(jp_serverapp).stop_extension())
            await services.run(lambda: saved.wait(4))
            assert saved.is_set()
            gate.release()
            await under_way
            await stopped
        assert {f"{home}last", f"{home}slow"} <= set(strict_s3.keys(home))

    async def test_what_was_never_restored_is_not_counted_in_files(
        self, jp_serverapp: ServerApp, caplog: pytest.LogCaptureFixture
    ) -> None:
        report = PassReport(complete=False, error="Home was not restored.")
        extension(jp_serverapp)._tell(report)
        assert "Home is NOT saved: Home was not restored." in caplog.text
        assert "0 files" not in caplog.text

    async def test_a_failure_in_the_hook_is_logged_and_not_raised(
        self, jp_serverapp: ServerApp, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def broken() -> None:
            raise RuntimeError("the kernels are gone already")

        jp_serverapp.cleanup_kernels = broken  # type: ignore[method-assign]
        await extension(jp_serverapp).stop_extension()
        assert "the kernels are gone already" in caplog.text
        assert "Home is saved in full" in caplog.text

    async def test_files_that_wait_keep_an_idle_server_alive(
        self, jp_serverapp: ServerApp, jp_root_dir: Path, strict_s3: Any
    ) -> None:
        app = extension(jp_serverapp)
        services: Services = jp_serverapp.web_app.settings["wherobots"]
        assert services.sync is not None
        strict_s3.deny()
        (jp_root_dir / "waits.txt").write_text("waits")
        await services.run(lambda: services.sync and services.sync.run_pass())
        assert app.current_activity()
        strict_s3.allow_all()
        await services.run(lambda: services.sync and services.sync.run_pass())
        assert not app.current_activity()

    async def test_a_second_engine_leaves_home_alone_and_says_so(
        self, jp_serverapp: ServerApp, jp_configurable_serverapp: Any
    ) -> None:
        services: Services = jp_serverapp.web_app.settings["wherobots"]
        other = WherobotsApp(parent=jp_serverapp, config=jp_serverapp.config)
        other.serverapp = jp_serverapp
        other.initialize_settings()
        refused: Services = other.settings["wherobots"]
        assert services.sync is not None
        assert refused.sync is None
        assert str(os.getpid()) in refused.persistence.reason
        refused.close()
