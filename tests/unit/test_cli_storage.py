"""What the storage commands answer: usage, permissions, questions; `rm`, `mkdir` and `cat`. Stores: strict S3, moto for cat."""

from __future__ import annotations

import json
import os
import signal

import pytest

from jupyter_wherobots.cli import main
from jupyter_wherobots.cli.outcome import amount
from jupyter_wherobots.cli.progress import Meter
from jupyter_wherobots.cli.running import stoppable
from tests.commanded import OWN, SHARED, World, noise, sha
from tests.strict_s3 import Access, StrictS3

COMMANDS = ("cp", "mv", "rm", "mkdir", "cat")


# -- help and usage --------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples_and_json(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert f"jupyter wherobots {command}" in text.partition("examples:")[2]
    assert "--json" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cp", "a", "b"], "Neither a nor b is in the managed storage"),
        (["cp", "-", "b"], "- stands for one side"),
        (["cp", "wb:/data/shared/a", "wb:/data/shared/b", "-"], "- stands for one side"),
        (["cp", "-", "a", "wb:/data/shared/"], "- stands for one side"),
        (["cp", "-", "-"], "- stands for one side"),
        (["cp", "-", "wb:/data/shared/"], "standard input has no name"),
        (["cp", "a", "wb:data/shared/"], "not a path of the managed storage"),
        (["cp", "a", "s3://other/org/data/shared/"], "not an s3:// path of the bucket"),
        (["cp", "a", "s3://strict-bucket/org2/data/shared/"], "outside the organization"),
        (["cp", "folder", "wb:/data/shared/"], "folder is a folder"),
        (["cp", "-r", "/", "wb:/data/shared/"], "no name of its own"),
        (["cp", "-r", "wb:/", "folder"], "no name of its own"),
        (["cp", "wb:/data/shared", "."], "/data/shared/ is a folder"),
        (["cp", "a", "folder/a", "wb:/data/shared/"], "the same name"),
        (["cp", "a", "folder/b", "wb:/data/shared/no"], "There is no folder /data/shared/no"),
        (["cp", "a", "folder/b", "wb:/data/shared/file"], "/data/shared/file is a file"),
        (["cp", "wb:/data/shared/file", "wb:/data/shared/f/g", "no"], "There is no folder no"),
        (["mv", "a", "wb:/data/shared/"], "a is not in the managed storage"),
        (["mv", "wb:/data/shared/file", "a"], "a is not in the managed storage"),
        (["rm", "--yes", "wb:/data/shared/f"], "/data/shared/f/ is a folder"),
        (["rm", "wb:/data/shared/file"], "1 object, 4 B"),
        (["rm", "--yes", "/data/shared/file"], "Write wb:/data/shared/file"),
        (["rm", "--yes", "a"], "a is a local path"),
        (["mkdir", "/data/shared/x"], "Write wb:/data/shared/x"),
        (["cat", "a"], "a is a local path"),
        (["cp", "a", "wb:/data/shared/../../x/"], "'..'"),
        (["cp", "wb:/data/shared/../x", "."], "'..'"),
        (["rm", "--yes", "wb:/data/shared/../x"], "'..'"),
    ],
)
def test_what_cannot_be_meant_is_code_2_and_nothing_is_done(
    arguments: list[str],
    words: str,
    world: World,
    strict_s3: StrictS3,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name in ("a", "folder/a", "folder/b"):
        world.write(name)
    strict_s3.put_many({f"org{SHARED}{name}": b"body" for name in ("file", "f/g")})
    remote, local = world.remote(), world.local()
    assert main(arguments) == 2
    told = capfd.readouterr()
    assert words in told.err
    assert told.out == ""
    assert (world.remote(), world.local()) == (remote, local)


# -- spark logs ------------------------------------------------------------------------------------

LOGS = "wb:/spark-logs/"


@pytest.mark.parametrize(
    ("arguments", "there"),
    [
        (["cp", "x", LOGS], {"app", "x"}),
        (["cp", f"wb:{OWN}x", LOGS], {"app", "x"}),
        (["mv", f"wb:{OWN}x", LOGS], {"app", "x"}),
        (["mv", f"{LOGS}app", f"wb:{OWN}"], set()),
        (["mkdir", f"{LOGS}new"], {"app", "new/"}),
        (["rm", f"{LOGS}app"], set()),
    ],
)
def test_spark_logs_want_a_word(
    arguments: list[str], there: set[str], world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    world.write("x")
    world.put(f"{OWN}x")
    world.put("/spark-logs/app")
    before = world.remote()
    assert main(arguments) == 2
    told = capfd.readouterr().err
    assert "Changing Spark logs may affect your experience." in told
    assert "Add --yes if this is meant." in told
    assert world.remote() == before
    assert main([*arguments, "--yes"]) == 0
    assert set(world.remote("/spark-logs/")) == there


def test_reading_spark_logs_wants_none(world: World) -> None:
    world.put("/spark-logs/app")
    assert main(["cp", f"{LOGS}app", "."]) == 0
    assert main(["cp", f"{LOGS}app", f"wb:{OWN}"]) == 0
    assert set(world.remote(OWN)) == {"app"}


# -- rm, mkdir, cat --------------------------------------------------------------------------------


def test_rm_deletes_what_is_named_and_says_what_it_was(
    world: World, strict_s3: StrictS3, capfd: pytest.CaptureFixture[str]
) -> None:
    names = ("x", "twin", "twin/a", *(f"f/{number:04}" for number in range(1500)))
    strict_s3.put_many({f"org{SHARED}{name}": b"body" for name in names})
    paths = [f"wb:{SHARED}{name}" for name in ("f", "x", "gone", "twin")]
    assert main(["rm", "-r", "--yes", *paths]) == 1
    told = capfd.readouterr()
    assert told.out.splitlines() == [
        f"Deleted wb:{SHARED}f (1,500 objects, 6.0 kB)",
        f"Deleted wb:{SHARED}x (4 B)",
        f"Deleted wb:{SHARED}twin (4 B)",
    ]
    assert f"{SHARED}gone does not exist" in told.err
    assert set(world.remote(SHARED)) == {"twin/a"}  # without its slash the name is the file's
    assert strict_s3.count("DeleteObjects", "DeleteObject") == 4


def test_rm_names_what_s3_does_not_let_go(
    world: World, strict_s3: StrictS3, capfd: pytest.CaptureFixture[str]
) -> None:
    strict_s3.put_many({f"org{SHARED}f/{name}": b"x" for name in "abc"})
    strict_s3.deny(f"org{SHARED}f/b", [Access.DELETE])
    assert main(["rm", "-r", "--yes", f"wb:{SHARED}f/", "--json"]) == 1
    told = capfd.readouterr()
    outcome = json.loads(told.out)
    assert (outcome["path"], outcome["state"], outcome["objects"]) == (
        f"wb:{SHARED}f/",
        "failed",
        2,
    )
    assert [error["path"] for error in outcome["errors"]] == [f"{SHARED}f/b"]
    assert f"{SHARED}f/b" in told.err
    assert set(world.remote(SHARED)) == {"f/b"}


@pytest.mark.parametrize(
    ("arguments", "code", "there"),
    [
        ([f"wb:{SHARED}n"], 0, {"f/a", "n/"}),
        ([f"wb:{SHARED}n/"], 0, {"f/a", "n/"}),
        ([f"wb:{SHARED}f"], 1, {"f/a"}),
        ([f"wb:{SHARED}n/m"], 1, {"f/a"}),
        ([f"wb:{SHARED}f/n"], 0, {"f/a", "f/n/"}),
        (["-p", f"wb:{SHARED}n/m"], 0, {"f/a", "n/", "n/m/"}),
        (["-p", f"wb:{SHARED}f"], 0, {"f/a"}),
        (["-p", "wb:/data/shared"], 0, {"f/a"}),
        ([f"wb:{SHARED}f", f"wb:{SHARED}n", f"wb:{SHARED}f/n"], 1, {"f/a", "n/", "f/n/"}),
        ([f"wb:{SHARED}n//"], 1, {"f/a"}),
    ],
)
def test_mkdir(arguments: list[str], code: int, there: set[str], world: World) -> None:
    world.put(f"{SHARED}f/a")
    assert main(["mkdir", *arguments]) == code
    assert set(world.remote(SHARED)) == there


def test_mkdir_of_what_is_there_says_what_to_do(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    world.put(f"{SHARED}f/a")
    assert main(["mkdir", f"wb:{SHARED}f", "--json"]) == 1
    told = capfd.readouterr()
    assert told.err == f"error: {SHARED}f/ already exists.\n  Add -p if that is meant.\n"
    assert json.loads(told.out)["errors"][0]["code"] == "AlreadyExists"


def test_cat_writes_all_bytes_in_order_and_names_what_is_missing(
    any_world: World, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    bodies = [noise(3_000_001), b"", noise(1000)]
    for number, body in enumerate(bodies):
        any_world.put(f"{SHARED}{number}", body)
    paths = [f"wb:{SHARED}{name}" for name in ("0", "gone", "1", "2")]
    assert main(["cat", *paths]) == 1
    told = capfdbinary.readouterr()
    assert sha(told.out) == sha(b"".join(bodies))
    assert f"{SHARED}gone does not exist".encode() in told.err
    assert main(["cat", "--json", paths[0], "wb:/data/shared"]) == 1
    told = capfdbinary.readouterr()
    assert sha(told.out) == sha(bodies[0])
    first, second = (json.loads(line) for line in told.err.splitlines() if line.startswith(b"{"))
    assert (first["state"], first["bytes"]) == ("done", 3_000_001)
    assert second["errors"][0]["message"] == "/data/shared is a folder."


# -- showing ---------------------------------------------------------------------------------------


def test_the_bar_tells_speed_and_time_left_of_the_last_seconds() -> None:
    now = [100.0]
    meter = Meter(clock=lambda: now[0])
    lines = []
    for seconds, size in ((0.0, 0), (2.0, 2_000_000), (20.0, 20_000_000), (25.0, 45_000_000)):
        now[0] = 100.0 + seconds
        lines.append(meter.line("Uploading", 1, 3, size, 60_000_000))
    assert lines == [
        "Uploading [------------------------] 1 of 3 files, 0 B of 60 MB",
        "Uploading [------------------------] 1 of 3 files, 2.0 MB of 60 MB, 1.0 MB/s, 0:58 left",
        "Uploading [########----------------] 1 of 3 files, 20 MB of 60 MB",
        "Uploading [##################------] 1 of 3 files, 45 MB of 60 MB, 5.0 MB/s, 0:03 left",
    ]
    assert meter.line("Copying", 2, None, 45_000_000, None) == "Copying … 45 MB, 5.0 MB/s"


@pytest.mark.parametrize(
    ("left", "text"), [(4_000, "1:06:40"), (75, "1:15"), (1e9, "99:59:59"), (0.2, "0:00")]
)
def test_the_time_left_is_read_by_people(left: float, text: str) -> None:
    now = [0.0]
    meter = Meter(clock=lambda: now[0])
    meter.line("Reading", 0, 1, 0, 1)
    now[0] = 10.0
    assert meter.line("Reading", 0, 1, 1000, 1000 + round(100 * left)).endswith(f", {text} left")


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable():
            os.kill(os.getpid(), signal.SIGHUP)
            with pytest.raises(SystemExit) as ended:
                os.kill(os.getpid(), signal.SIGTERM)
        assert ended.value.code == 143
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_amounts_are_words() -> None:
    assert amount(1, 12) == "1 object, 12 B"
    assert amount(1234, 5_000_000) == "1,234 objects, 5.0 MB"
