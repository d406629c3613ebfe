"""The three variables are in every kernel and terminal, however it was started. Real server, real ipykernels. No S3."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from tornado.httpclient import HTTPRequest
from tornado.ioloop import IOLoop
from tornado.websocket import websocket_connect

from tests.jupyter_process import TOKEN, JupyterProcess, jupyter

pytestmark = pytest.mark.process

PLACE = {
    "WHEROBOTS_BUCKET": "wbts-wbc-m97rcg45xi",
    "WHEROBOTS_ORGANIZATION": "jf3gkm4ile",
    "WHEROBOTS_USER": "besg0oop07pktb",
}
BASE = "s3://wbts-wbc-m97rcg45xi/jf3gkm4ile/data"
EXPECTED = {
    "USER_S3_PATH": f"{BASE}/customer-besg0oop07pktb/",
    "USER_S3_SHARED_PATH": f"{BASE}/shared/",
    "USER_WAREHOUSE_PATH": f"{BASE}/customer-besg0oop07pktb/warehouse/",
}
PRINT = (
    "import os, json; print(json.dumps({n: os.environ.get(n) for n in "
    "('USER_S3_PATH', 'USER_S3_SHARED_PATH', 'USER_WAREHOUSE_PATH')}))"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterProcess]:
    # Set but empty, as an image template leaves it: counts as unset.
    with jupyter(tmp_path_factory.mktemp("server"), {**PLACE, "USER_S3_PATH": ""}) as running:
        yield running


def run_in_kernel(server: JupyterProcess, kernel_id: str, code: str) -> str:
    """What a cell prints, through the kernel's own connection file."""
    runtime = Path(server.environment["JUPYTER_RUNTIME_DIR"])
    client = BlockingKernelClient(connection_file=str(runtime / f"kernel-{kernel_id}.json"))
    client.load_connection_file()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        printed: list[str] = []

        def collect(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
                printed.append(message["content"]["text"])

        client.execute_interactive(code, timeout=60, output_hook=collect)
        return "".join(printed).strip()
    finally:
        client.stop_channels()


def new_session(server: JupyterProcess) -> str:
    body = {"path": "a.ipynb", "name": "a", "type": "notebook", "kernel": {"name": "python3"}}
    status, session = server.request("POST", "api/sessions", body)
    assert status == 201, session
    return str(session["kernel"]["id"])


def test_a_notebook_session_and_its_restart_have_them(server: JupyterProcess) -> None:
    kernel = new_session(server)
    assert json.loads(run_in_kernel(server, kernel, PRINT)) == EXPECTED
    shown = run_in_kernel(
        server, kernel, "print(get_ipython().run_line_magic('env', 'USER_S3_PATH'))"
    )
    assert shown == EXPECTED["USER_S3_PATH"]
    assert server.request("POST", f"api/kernels/{kernel}/restart", {})[0] == 200
    assert json.loads(run_in_kernel(server, kernel, PRINT)) == EXPECTED


def test_a_kernel_without_session_has_them(server: JupyterProcess) -> None:
    status, kernel = server.request("POST", "api/kernels", {"name": "python3"})
    assert status == 201
    assert json.loads(run_in_kernel(server, kernel["id"], PRINT)) == EXPECTED


def test_a_terminal_has_them(server: JupyterProcess) -> None:
    status, terminal = server.request("POST", "api/terminals", {})
    assert status == 200

    async def talk() -> str:
        url = f"{server.url.replace('http', 'ws')}terminals/websocket/{terminal['name']}"
        request = HTTPRequest(url, headers={"Authorization": f"token {TOKEN}"})
        socket = await websocket_connect(request)
        # Split, so that the echo of the command is not taken for its output.
        await socket.write_message(json.dumps(["stdin", 'echo "<<$USER_WAREHOUSE_PATH"">>"\r']))
        seen = ""
        while (message := await socket.read_message()) is not None:
            kind, *rest = json.loads(message)
            seen += rest[0] if kind == "stdout" else ""
            if ">>" in seen and f"<<{EXPECTED['USER_WAREHOUSE_PATH']}>>" in seen.replace(
                "\r\n", ""
            ):
                break
        socket.close()
        return seen

    assert EXPECTED["USER_WAREHOUSE_PATH"] in IOLoop(make_current=False).run_sync(talk, timeout=60)


def test_nbconvert_started_from_a_kernel_has_them(server: JupyterProcess, tmp_path: Path) -> None:
    notebook = {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": "a",
                "metadata": {},
                "outputs": [],
                "source": PRINT,
            }
        ],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "p", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    source = tmp_path / "in.ipynb"
    source.write_text(json.dumps(notebook))
    kernel = new_session(server)
    command = f"{sys.executable} -m nbconvert --execute --to notebook --output out.ipynb {source}"
    run_in_kernel(
        server, kernel, f"import subprocess; subprocess.run({command.split()!r}, check=True)"
    )
    outputs = json.loads((tmp_path / "out.ipynb").read_text())["cells"][0]["outputs"]
    text = "".join(line for out in outputs if out.get("name") == "stdout" for line in out["text"])
    assert json.loads(text) == EXPECTED


def test_a_value_of_the_operator_stays_and_is_logged(tmp_path: Path) -> None:
    own = {**PLACE, "USER_S3_PATH": "s3://operator/path/"}
    with jupyter(tmp_path, own) as server:
        server.output.wait_for(r"USER_S3_PATH is already 's3://operator/path/' and stays")
        status, kernel = server.request("POST", "api/kernels", {"name": "python3"})
        assert status == 201
        seen = json.loads(run_in_kernel(server, kernel["id"], PRINT))
    assert seen == {**EXPECTED, "USER_S3_PATH": "s3://operator/path/"}


def test_without_configuration_nothing_is_set_and_one_message_says_why(tmp_path: Path) -> None:
    with jupyter(tmp_path, {}) as server:
        status, kernel = server.request("POST", "api/kernels", {"name": "python3"})
        assert status == 201
        assert set(json.loads(run_in_kernel(server, kernel["id"], PRINT)).values()) == {None}
        messages = [line for line in server.output.lines if "not configured" in line]
        assert len(messages) == 1, messages
        for name in PLACE:
            assert name in messages[0]


def test_the_variables_reach_a_process_of_the_server_itself(tmp_path: Path) -> None:
    """`jupyter wherobots env` in a terminal says the same as the kernel's environment."""
    result = subprocess.run(
        [sys.executable, "-m", "jupyter", "wherobots", "env", "--json"],
        env={
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(tmp_path),
            **PLACE,
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert EXPECTED.items() <= json.loads(result.stdout).items()
