"""The command line: what it prints, where, and the exit code. Stores: strict S3."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from jupyter_wherobots.cli import main, parser, status
from jupyter_wherobots.cli.common import human_size, printable
from jupyter_wherobots.cli.progress import bar
from jupyter_wherobots.cli.status import Running, exit_code
from jupyter_wherobots.sync.status import Progress
from tests.conftest import S3Environment
from tests.strict_s3 import Access, StrictS3

COMMANDS = ("env", "ls", "doctor", "sync", "restore", "status", "demo")
HOME = "org/notebooks/customer-u/"


@pytest.fixture(autouse=True)
def _own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the developer's own; the place is only set by `place`."""
    for name in list(os.environ):
        if name.startswith(("WHEROBOTS_", "USER_S3_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))


@pytest.fixture
def place(strict_s3: StrictS3, s3_env: S3Environment, monkeypatch: pytest.MonkeyPatch) -> StrictS3:
    """The strict S3, configured as bucket of the organization ``org`` and the user ``u``."""
    s3_env(strict_s3)
    monkeypatch.setenv("WHEROBOTS_BUCKET", strict_s3.bucket)
    monkeypatch.setenv("WHEROBOTS_ORGANIZATION", "org")
    monkeypatch.setenv("WHEROBOTS_USER", "u")
    return strict_s3


# -- help and usage --------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples_and_json(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"jupyter wherobots {command}" in said.partition("examples:")[2]
    assert "--json" in said


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    said = parser().format_help()
    assert all(f"    {command} " in said for command in COMMANDS)


def test_the_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, jupyter_wherobots.cli as cli; cli.parser().format_help(); "
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "jupyter_wherobots" in loaded
    assert not {"boto3", "botocore", "obstore", "traitlets", "tornado", "jupyter_core"} & set(
        loaded
    )


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["ls", "--nonsense"],
        ["demo", "--port", "0"],
        ["demo", "--port", "http"],
        ["demo", "--token", "a b"],
        ["demo", "--endpoint-url", "localhost:9000"],
        ["sync", "--once", "--timeout", "-1"],
    ],
)
def test_wrong_usage_is_code_2_and_says_what(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["env"], ["ls"], ["sync", "--once"], ["restore"]])
def test_without_configuration_it_is_code_2_with_exactly_what_is_missing(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHEROBOTS_BUCKET", "bucket")
    assert main(command) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "WHEROBOTS_ORGANIZATION, WHEROBOTS_USER" in said.err
    assert "WHEROBOTS_BUCKET" not in said.err


def test_an_error_is_json_too_where_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["env", "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "NotConfigured"
    assert error["hint"]


def test_a_configuration_file_that_fails_is_told_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "jupyter_server_config.py").write_text("c.X = 1 / 0\n")
    assert main(["env"]) == 2
    said = capsys.readouterr().err
    assert f"division by zero ({tmp_path}/config/jupyter_server_config.py, line 1)" in said
    assert "Traceback" not in said


def test_a_trait_of_the_wrong_type_is_told_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "jupyter_server_config.py").write_text(
        "c.WherobotsApp.stop_timeout = 'soon'\n"
    )
    assert main(["env", "--json"]) == 2
    said = capsys.readouterr()
    assert "'stop_timeout' trait of a WherobotsApp" in json.loads(said.out)["error"]["message"]
    assert said.err.count("stop_timeout") == 1


@pytest.mark.parametrize("command", [["env"], ["env", "--json"]])
def test_an_output_that_is_full_is_no_fault_of_the_program(
    place: StrictS3,
    command: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(command) == 1
    said = capsys.readouterr().err
    assert said == "error: The output cannot be written: No space left on device.\n"


def test_an_output_that_is_closed_is_no_failure(
    place: StrictS3, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["env"]) == 0
    assert capsys.readouterr().err == ""


def test_a_doctor_without_configuration_fails_in_clear_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert all(f"Set WHEROBOTS_{name} " in said for name in ("BUCKET", "ORGANIZATION", "USER"))


def test_an_s3_that_does_not_answer_is_code_1_and_says_where_to_look(
    place: StrictS3, capsys: pytest.CaptureFixture[str]
) -> None:
    place.stop()
    assert main(["ls", "/data/shared"]) == 1
    said = capsys.readouterr().err
    assert "did not answer" in said
    assert "AWS_ENDPOINT_URL_S3" in said


@pytest.mark.parametrize("command", [["sync", "--once"], ["restore"]])
def test_an_s3_that_refuses_ends_the_home_commands_with_the_reason(
    place: StrictS3, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place.deny("org/notebooks/", [Access.LIST])
    (tmp_path / "home").mkdir()
    places = ["--home", str(tmp_path / "home"), "--state", str(tmp_path / "state")]
    assert main([*command, *places]) == 1
    said = capsys.readouterr()
    assert "may not list s3://" in said.err
    assert said.err.count("jupyter wherobots doctor") == 1
    assert said.out == ""


@pytest.mark.parametrize("command", [["sync", "--once"], ["restore"]])
def test_a_journal_is_not_put_among_the_files_it_is_about(
    place: StrictS3, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--home", str(tmp_path), "--state", str(tmp_path)]) == 2
    assert "--state" in capsys.readouterr().err
    assert place.requests == []


def test_a_misspelt_variable_is_warned_of(
    place: StrictS3, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHEROBOTS_LAYOUTS", "2024")
    assert main(["env"]) == 0
    assert "is WHEROBOTS_LAYOUT meant?" in capsys.readouterr().err


# -- env -------------------------------------------------------------------------------------------


def test_env_is_made_for_a_shell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHEROBOTS_BUCKET", "bucket")
    monkeypatch.setenv("WHEROBOTS_ORGANIZATION", "it's $HOME")
    monkeypatch.setenv("WHEROBOTS_USER", "u")
    assert main(["env"]) == 0
    lines = [shlex.split(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["export", "USER_S3_PATH=s3://bucket/it's $HOME/data/customer-u/"],
        ["export", "USER_S3_SHARED_PATH=s3://bucket/it's $HOME/data/shared/"],
        ["export", "USER_WAREHOUSE_PATH=s3://bucket/it's $HOME/data/customer-u/warehouse/"],
    ]


def test_env_as_json_follows_the_settings_and_warns_of_wrong_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHEROBOTS_BUCKET", "bucket")
    monkeypatch.setenv("WHEROBOTS_ORGANIZATION", "org")
    monkeypatch.setenv("WHEROBOTS_USER", "u")
    monkeypatch.setenv("WHEROBOTS_TRAILING_SLASH", "no")
    monkeypatch.setenv("WHEROBOTS_LAYOUT", "2025")
    assert main(["env", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["USER_S3_PATH"] == "s3://bucket/org/data/customer-u"
    assert "layout is '2025'" in said.err


# -- ls --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        ([], ["data/", "spark-logs/"]),
        (["wb:/data"], ["customer-u/", "shared/"]),
        (["/data/customer-u"], ["/", "a b.csv", "empty/", "folder/", "twin", "twin/", "x\\x1b[2J"]),
        (["s3://strict-bucket/org/data/customer-u/folder/"], ["inner.txt"]),
        (["/data/customer-u//"], ["slashed"]),
        (["/data/customer-u/twin"], ["twin", "below"]),
        (["/data/shared"], []),
        (["/data/customer-u/empty"], []),
        (
            ["/data/customer-u/folder", "/data/shared/"],
            ["/data/customer-u/folder:", "inner.txt", "", "/data/shared/:"],
        ),
        (
            ["-R", "/data/customer-u/twin"],
            [f"/data/customer-u/{n}" for n in ("twin", "twin/below")],
        ),
    ],
)
def test_ls_shows_files_and_folders_whatever_their_names(
    place: StrictS3, arguments: list[str], lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("a b.csv", "folder/inner.txt", "/slashed", "twin", "twin/below", "empty/", "x\x1b[2J")
    place.put_many({f"org/data/customer-u/{name}": b"" for name in names})
    place.put("org/data/customer-uv/private", b"not ours")
    assert main(["ls", *arguments]) == 0
    assert capsys.readouterr().out.splitlines() == lines


def test_ls_everything_stays_in_what_is_ours(
    place: StrictS3, capsys: pytest.CaptureFixture[str]
) -> None:
    for key in ("org/data/customer-u/a", "org/data/shared/b", "org/spark-logs/c"):
        place.put(key, b"x")
    for key in ("org/data/customer-v/a", "org/data/x", "org2/data/shared/b", "org/notes"):
        place.put(key, b"x")
    assert main(["ls", "-R"]) == 0
    assert capsys.readouterr().out.split() == [
        "/data/customer-u/a",
        "/data/shared/b",
        "/spark-logs/c",
    ]


def test_ls_goes_through_all_pages(place: StrictS3, capsys: pytest.CaptureFixture[str]) -> None:
    place.put_many({f"org/data/shared/{number:04}": b"" for number in range(2500)})
    assert main(["ls", "/data/shared"]) == 0
    assert capsys.readouterr().out.split() == [f"{number:04}" for number in range(2500)]
    assert place.count("ListObjectsV2") == 1 + 3  # one finds out the layout


def test_ls_long_and_json_tell_sizes(place: StrictS3, capsys: pytest.CaptureFixture[str]) -> None:
    place.put("org/data/shared/f", b"x" * 1500)
    assert main(["ls", "-l", "/data/shared"]) == 0
    assert capsys.readouterr().out.split()[:2] == ["1.5", "kB"]
    assert main(["ls", "-l", "/"]) == 0
    assert "data/  (read-only)" in capsys.readouterr().out
    assert main(["ls", "--json", "/data/shared/f"]) == 0
    entry = json.loads(capsys.readouterr().out)
    assert entry["uri"] == "s3://strict-bucket/org/data/shared/f"
    assert (entry["type"], entry["size"]) == ("FILE", 1500)


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("/data/shared/nothing", 1, "does not exist"),
        ("-R/data/shared/nothing", 1, "does not exist"),
        ("/data/customer-uv", 1, "private to another user"),
        ("s3://strict-bucket/org/data/customer-uv/x", 1, "private to another user"),
        ("s3://strict-bucket/org2/data/shared", 2, "outside the organization"),
        ("s3://other/org/data/shared", 2, "not an s3:// path of the bucket"),
        ("/data/shared/../../org2", 2, "'..'"),
        ("data/shared", 2, "wb:/data/"),
        ("/nope/", 1, "/nope/ is not part of the managed storage."),
        ("/data/nope", 1, "Its folders are /data/customer-u/, /data/shared/, /spark-logs/."),
    ],
)
def test_ls_of_what_is_not_to_be_seen_says_why(
    place: StrictS3, path: str, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place.put("org/data/customer-uv/x", b"private")
    arguments = ["-R", path[2:]] if path.startswith("-R") else [path]
    assert main(["ls", *arguments]) == code
    said = capsys.readouterr()
    assert words in said.err
    assert said.out == ""


def test_ls_that_s3_denies_says_so(place: StrictS3, capsys: pytest.CaptureFixture[str]) -> None:
    place.deny("org/data/shared/", [Access.LIST])
    assert main(["ls", "/data/shared"]) == 1
    assert "may not list" in capsys.readouterr().err


# -- status ----------------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A server that announces itself as Jupyter does and answers the status that the test puts into the dictionary."""
    answer: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers["Authorization"] == "token T" and self.path.startswith(
                "/base/wherobots/status?"
            )
            self.send_response(answer.get("answer", 200) if known else 403)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        runtime = tmp_path / "runtime"
        runtime.mkdir()
        url = f"http://127.0.0.1:{http.server_port}/base/"
        for pid in (os.getpid(), 2**22 + 1):  # the second is no process
            said = {"url": url, "pid": pid, "token": "T"}
            (runtime / f"jpserver-{pid}.json").write_text(json.dumps(said))
        (runtime / "jpserver-3.json").write_text('{"url":')
        yield answer
        http.shutdown()


SYNC: dict[str, Any] = {
    "error": None,
    "restored": True,
    "pendingFiles": 0,
    "pendingBytes": 0,
    "savedAt": "2025-05-01T12:00:00.000Z",
    "notes": [],
    "skipped": [],
    "pending": [],
    "lostAtLastStop": [],
}


STATUS: dict[str, Any] = {
    "configured": True,
    "problems": [],
    "bucket": "b",
    "organization": "org",
    "user": "u",
    "message": None,
    "home": "/home/u",
    "homePersistence": {"mode": "sync", "reason": "home_persistence is off.", "failed": False},
    "sync": None,
}


@pytest.mark.parametrize(
    ("sync", "code", "words"),
    [
        (SYNC, 0, "saved "),
        (None, 0, "not synchronised: home_persistence is off."),
        ({**SYNC, "pendingFiles": 3, "pendingBytes": 2000}, 3, "3 to save (2.0 kB)"),
        ({**SYNC, "pendingFiles": 1, "pending": [{"path": "a", "message": "Why."}]}, 3, "a: Why."),
        ({**SYNC, "error": "No network."}, 3, "not synchronised: No network."),
        ({**SYNC, "error": "No network."}, 3, "`jupyter wherobots doctor`"),
        ({**SYNC, "restored": False, "savedAt": None}, 3, "being restored"),
    ],
)
def test_status_asks_the_running_servers(
    server: dict[str, Any],
    sync: dict[str, Any] | None,
    code: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.update(STATUS, sync=sync)
    assert main(["status"]) == code
    said = capsys.readouterr().out
    assert words in said
    assert said.count("s3://b/org/") == 1
    assert main(["status", "--json"]) == code
    (answer,) = json.loads(capsys.readouterr().out)["servers"]
    assert answer["pid"] == os.getpid()
    assert answer["status"]["sync"] == sync


FAILED = {"mode": "off", "reason": "The state cannot be used.", "failed": True}
WRONG = {"setting": "bucket", "message": "bucket is not set"}


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"homePersistence": FAILED}, 3, "not synchronised: The state cannot be used."),
        ({"homePersistence": FAILED, "problems": [WRONG]}, 2, "not synchronised"),
        ({"configured": False, "problems": [WRONG], "message": "Set it."}, 2, "problem  Set it."),
        ({"sync": {**SYNC, "pendingFiles": 1}, "problems": [WRONG]}, 3, "1 to save"),
        ({"answer": 500}, 1, "problem  It answered 500 "),
        ({"answer": 404}, 1, "is one without it"),
        ({"answer": 403}, 1, "No Jupyter server with Managed storage is running here"),
    ],
)
def test_status_that_is_not_well_is_no_success(
    server: dict[str, Any],
    changes: dict[str, Any],
    code: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.update(STATUS, **changes)
    assert main(["status"]) == code
    assert words in capsys.readouterr().out


def test_of_several_servers_the_worst_counts_and_who_keeps_a_home_speaks_for_it() -> None:
    saved = Running("u1", 1, {**STATUS, "sync": SYNC})
    beside = Running("u2", 2, {**STATUS, "homePersistence": FAILED})
    elsewhere = Running("u3", 3, {**beside.status, "home": "/home/other"})  # type: ignore[dict-item]
    mute = Running("u4", 4, None, "It did not answer within 10 s.")
    assert exit_code([saved, beside]) == 0
    assert exit_code([saved, mute]) == 1
    assert exit_code([elsewhere, saved, mute]) == 3
    older = {**STATUS, "homePersistence": {"mode": "off", "reason": "It is off."}}
    assert exit_code([Running("u5", 5, older)]) == 0


def test_a_server_that_does_not_answer_is_told_from_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(status, "_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        (tmp_path / "runtime").mkdir()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        said = {"url": url, "pid": os.getpid(), "token": "T"}
        (tmp_path / "runtime" / "jpserver-1.json").write_text(json.dumps(said))
        assert main(["status", "--json"]) == 1
    (answer,) = json.loads(capsys.readouterr().out)["servers"]
    assert answer["status"] is None
    assert answer["error"] == "It did not answer within 0.2 s."


def test_status_without_a_server_is_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 1
    assert "No Jupyter server" in capsys.readouterr().out


# -- printing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9949, "9.9 kB"),
        (9951, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (5_000_000_000, "5.0 GB"),
        (12_345_000_000_000_000, "12345 TB"),
    ],
)
def test_sizes_are_read_by_people(size: int, text: str) -> None:
    assert human_size(size) == text


def test_names_cannot_command_the_terminal() -> None:
    assert printable("a\x1b]0;b\x07\u202ec") == "a\\x1b]0;b\\x07\\u202ec"
    assert printable("Zürich 東京 🗺") == "Zürich 東京 🗺"


@pytest.mark.parametrize(
    ("progress", "filled"),
    [
        (Progress(0, 0, 0, 0), 0),
        (Progress(1, 2, 0, 0), 12),
        (Progress(0, 9, 0, 9_000), 0),
        (Progress(1, 2, 100, 100), 24),
        (Progress(9, 2, 900, 100), 24),
    ],
)
def test_a_progress_bar_never_leaves_its_frame(progress: Progress, filled: int) -> None:
    frame = bar("Saving", progress).partition("[")[2].partition("]")[0]
    assert frame == "#" * filled + "-" * (24 - filled)
