"""`cp`, `mv`, `rm`, `mkdir` and `cat`: what they do, print and answer. Stores: strict S3; bytes and names on moto too."""

from __future__ import annotations

import hashlib
import json
import os
import random
import stat
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import pytest

from jupyter_wherobots.cli import main
from jupyter_wherobots.cli.outcome import amount
from jupyter_wherobots.cli.upload import ONE_REQUEST
from tests.conftest import Endpoint, S3Environment
from tests.strict_s3 import Access, Call, Fault, StrictS3

OWN = "/data/customer-u/"
SHARED = "/data/shared/"
COMMANDS = ("cp", "mv", "rm", "mkdir", "cat")

AWKWARD = (
    "with spaces at the end ",
    "a+b",
    "100%25.txt",
    "#hash",
    "q?x=1&y=2",
    "a:b",
    'it\'s "quoted"',
    "naïve 東京 🗺",
    ".leading",
    "-dash",
    "back\\slash",
    "star*[x]",
    "tab\there",
    "line\nbreak",
    "wb:name",
)


class World:
    """The store of one test, and the folder that commands run in."""

    def __init__(self, server: Endpoint, folder: Path) -> None:
        self.server = server
        self.folder = folder

    @cached_property
    def boto(self) -> Any:
        return boto3.client("s3")

    def put(self, path: str, body: bytes = b"body") -> None:
        if isinstance(self.server, StrictS3):  # without a request, which is quicker
            self.server.put(f"org{path}", body)
        else:
            self.boto.put_object(Bucket=self.server.bucket, Key=f"org{path}", Body=body)

    def remote(self, path: str = "/") -> dict[str, bytes]:
        """Everything below a folder, by its path there."""
        prefix, bucket = f"org{path}", self.server.bucket
        if isinstance(self.server, StrictS3):
            found = self.server.contents(prefix)
        else:
            pages = self.boto.get_paginator("list_objects_v2").paginate(
                Bucket=bucket, Prefix=prefix
            )
            keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
            found = {
                key: self.boto.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys
            }
        return {key[len(prefix) :]: body for key, body in found.items()}

    def local(self, name: str = ".") -> dict[str, bytes]:
        """All files below a folder of this machine."""
        top = self.folder / name
        return {
            str(path.relative_to(top)): path.read_bytes()
            for path in top.rglob("*")
            if path.is_file()
        }

    def write(self, name: str, body: bytes = b"body") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        return path


MakeWorld = Callable[[Endpoint], World]


@pytest.fixture
def make_world(s3_env: S3Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MakeWorld:
    """The place ``org``/``u`` on a server, nothing of the developer's own, and an empty folder to work in."""
    for name in list(os.environ):
        if name.startswith(("WHEROBOTS_", "USER_S3_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def make(server: Endpoint) -> World:
        s3_env(server)
        settings = {
            "BUCKET": server.bucket,
            "ORGANIZATION": "org",
            "USER": "u",
            "LAYOUT": "current",
        }
        for name, value in settings.items():
            monkeypatch.setenv(f"WHEROBOTS_{name}", value)
        return World(server, folder)

    return make


@pytest.fixture
def world(make_world: MakeWorld, strict_s3: StrictS3) -> World:
    return make_world(strict_s3)


@pytest.fixture(params=["strict_s3", "moto_server"])
def any_world(make_world: MakeWorld, request: pytest.FixtureRequest) -> World:
    return make_world(request.getfixturevalue(request.param))


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def said(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


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


# -- bytes and names -------------------------------------------------------------------------------


SIZES = (0, 1, ONE_REQUEST - 1, ONE_REQUEST, ONE_REQUEST + 1, 2 * ONE_REQUEST, 2 * ONE_REQUEST + 1)
"""Each side of where parts begin and end."""


def test_the_bytes_are_the_same_there_and_back(any_world: World) -> None:
    sums = {
        str(size): sha(any_world.write(f"there/{size}", noise(size)).read_bytes()) for size in SIZES
    }
    assert main(["cp", "-r", "there", f"wb:{OWN}"]) == 0
    assert {name: sha(body) for name, body in any_world.remote(f"{OWN}there/").items()} == sums
    assert main(["cp", "-r", f"wb:{OWN}there", f"wb:{SHARED}copy"]) == 0
    assert main(["cp", "-r", f"wb:{SHARED}copy", "back"]) == 0
    assert {name: sha(body) for name, body in any_world.local("back").items()} == sums
    assert "Uploads" not in any_world.boto.list_multipart_uploads(Bucket=any_world.server.bucket)
    assert list((any_world.folder.parent / "state").rglob("*.json")) == []


def test_awkward_names_go_everywhere(any_world: World, capfd: pytest.CaptureFixture[str]) -> None:
    # moto answers 404 for a key with a line break.
    names = [n for n in AWKWARD if isinstance(any_world.server, StrictS3) or "\n" not in n]
    for name in names:
        any_world.write(f"there/{name}", name.encode())
    bodies = {name: name.encode() for name in names}
    assert main(["cp", "-r", "there", f"wb:{OWN}"]) == 0
    assert any_world.remote(f"{OWN}there/") == bodies
    assert main(["mv", f"wb:{OWN}there", f"wb:{SHARED}moved"]) == 0
    assert any_world.remote() == {f"data/shared/moved/{n}": b for n, b in bodies.items()}
    assert main(["cp", "-r", f"wb:{SHARED}moved", "back"]) == 0
    assert any_world.local("back") == bodies
    capfd.readouterr()
    paths = [f"wb:{SHARED}moved/{name}" for name in names]
    assert main(["cat", *paths]) == 0
    assert capfd.readouterr().out == "".join(names)
    assert main(["cp", *paths, "here/"]) == 0
    assert any_world.local("here") == bodies
    assert main(["cp", *(f"here/{name}" for name in names), f"wb:{SHARED}again/"]) == 0
    assert main(["rm", "--yes", *paths]) == 0
    assert any_world.remote() == {f"data/shared/again/{n}": b for n, b in bodies.items()}


def test_what_no_disk_can_hold_is_named_and_can_be_taken_by_another_name(
    world: World, strict_s3: StrictS3, capfd: pytest.CaptureFixture[str]
) -> None:
    names = ("good", "/nameless", "a//b", "../up", "x" * 256, "body/", "both", "both/x")
    strict_s3.put_many({f"org{SHARED}f/{name}": name.encode() for name in names})
    strict_s3.put(f"org{SHARED}f/empty/", b"")
    assert main(["cp", "-r", f"wb:{SHARED}f", ".", "--json"]) == 1
    (outcome,) = said(capfd)
    assert outcome["errorCount"] == 6  # of both and both/x only one has room
    found = world.local("f")
    assert found.pop("good") == b"good"
    assert len(found) == 1
    assert (world.folder / "f" / "empty").is_dir()
    assert not (world.folder / "up").exists()
    for name in ("/nameless", "a//b", "x" * 256):
        assert main(["cp", f"wb:{SHARED}f/{name}", "taken", "--on-conflict", "replace"]) == 0
        assert world.local()["taken"] == name.encode()
    assert main(["cp", "taken", f"wb:{SHARED}g//odd"]) == 0
    assert main(["cp", f"wb:{SHARED}g//odd", f"wb:{SHARED}g//odder"]) == 0
    assert set(world.remote(f"{SHARED}g/")) == {"/odd", "/odder"}


def test_a_uri_of_the_variables_is_a_managed_path(world: World) -> None:
    world.write("x")
    uri = f"s3://{world.server.bucket}/org{OWN}"
    assert main(["cp", "x", uri]) == 0
    assert main(["cp", f"{uri}x", f"{uri.replace('s3', 's3a')}y"]) == 0
    assert set(world.remote(OWN)) == {"x", "y"}


# -- where things go -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "there"),
    [
        (["x", f"wb:{OWN}"], {"x"}),
        (["x", "wb:/data/customer-u"], {"x"}),
        (["x", f"wb:{OWN}new"], {"new"}),
        (["x", f"wb:{OWN}new/"], {"new/x"}),
        (["x", f"wb:{OWN}old"], {"old/x"}),
        (["-r", "f", f"wb:{OWN}"], {"f/a", "f/g/b", "f/e/"}),
        (["-r", "f/", f"wb:{OWN}"], {"f/a", "f/g/b", "f/e/"}),
        (["-r", "f", f"wb:{OWN}new"], {"new/a", "new/g/b", "new/e/"}),
        (["-r", "f", f"wb:{OWN}old"], {"old/f/a", "old/f/g/b", "old/f/e/"}),
        (["-r", "f/g/..", f"wb:{OWN}"], {"f/a", "f/g/b", "f/e/"}),
        (["x", "f/a", "f/g", f"wb:{OWN}new/", "-r"], {"new/x", "new/a", "new/g/b"}),
        (["x", f"wb:{SHARED}s", f"wb:{OWN}new/"], {"new/x", "new/s"}),
        ([f"wb:{SHARED}s", f"wb:{OWN}t"], {"t"}),
        (["-r", f"wb:{SHARED}h", f"wb:{OWN}"], {"h/c"}),
        (["-R", f"wb:{SHARED}h/", f"wb:{OWN}i"], {"i/c"}),
    ],
)
def test_where_a_copy_into_the_storage_lies(
    arguments: list[str], there: set[str], world: World
) -> None:
    for name in ("x", "f/a", "f/g/b"):
        world.write(name)
    (world.folder / "f" / "e").mkdir()
    for path in (f"{OWN}old/y", f"{SHARED}s", f"{SHARED}h/c"):
        world.put(path)
    assert main(["cp", *arguments]) == 0
    assert set(world.remote(OWN)) == {"old/y"} | there


@pytest.mark.parametrize(
    ("arguments", "there"),
    [
        ([f"wb:{SHARED}s", "."], {"s"}),
        ([f"wb:{SHARED}s", "new"], {"new"}),
        ([f"wb:{SHARED}s", "new/"], {"new/s"}),
        ([f"wb:{SHARED}s", "deep/er/new"], {"deep/er/new"}),
        ([f"wb:{SHARED}s", "old"], {"old/s"}),
        ([f"wb:{SHARED}s", "link"], {"old/s"}),
        ([f"wb:{SHARED}s", f"wb:{OWN}o", "new/"], {"new/s", "new/o"}),
        (["-r", f"wb:{SHARED}h", "."], {"h/c"}),
        (["-r", f"wb:{SHARED}h", "new"], {"new/c"}),
        (["-r", "wb:/data/shared", "."], {"shared/s", "shared/h/c"}),
        (["-r", "wb:/data", "new"], {"new/shared/s", "new/shared/h/c", "new/customer-u/o"}),
        (["-r", "wb:/spark-logs", "."], set()),
    ],
)
def test_where_a_copy_out_of_the_storage_lies(
    arguments: list[str], there: set[str], world: World
) -> None:
    world.write("old/y")
    (world.folder / "link").symlink_to("old")
    for path in (f"{SHARED}s", f"{SHARED}h/c", f"{OWN}o"):
        world.put(path)
    world.put("/data/customer-v/private")
    assert main(["cp", *arguments]) == 0
    assert set(world.local()) == {"old/y"} | there


@pytest.mark.parametrize(
    ("arguments", "there"),
    [
        ([f"wb:{OWN}x", f"wb:{OWN}y"], {f"{OWN}y", f"{OWN}f/a", f"{OWN}f/b"}),
        ([f"wb:{OWN}x", f"wb:{SHARED}"], {f"{SHARED}x", f"{OWN}f/a", f"{OWN}f/b"}),
        ([f"wb:{OWN}x", f"wb:{OWN}f"], {f"{OWN}f/x", f"{OWN}f/a", f"{OWN}f/b"}),
        ([f"wb:{OWN}f", f"wb:{SHARED}"], {f"{OWN}x", f"{SHARED}f/a", f"{SHARED}f/b"}),
        ([f"wb:{OWN}f/", f"wb:{OWN}g"], {f"{OWN}x", f"{OWN}g/a", f"{OWN}g/b"}),
        (
            [f"wb:{OWN}x", f"wb:{OWN}f", f"wb:{SHARED}n/"],
            {f"{SHARED}n/x", f"{SHARED}n/f/a", f"{SHARED}n/f/b"},
        ),
    ],
)
def test_where_a_move_ends(arguments: list[str], there: set[str], world: World) -> None:
    for name in ("x", "f/a", "f/b"):
        world.put(OWN + name)
    assert main(["mv", *arguments]) == 0
    assert {f"/{path}" for path in world.remote()} == there


def test_a_move_neither_downloads_nor_loses_what_cannot_be_copied(
    world: World, strict_s3: StrictS3, capfd: pytest.CaptureFixture[str]
) -> None:
    strict_s3.put_many({f"org{OWN}f/{name}": b"x" for name in ("good", "bad")})
    strict_s3.deny(f"org{SHARED}f/bad")
    assert main(["mv", f"wb:{OWN}f", f"wb:{SHARED}"]) == 1
    assert "Your role may not copy" in capfd.readouterr().err
    assert set(world.remote()) == {"data/customer-u/f/bad", "data/shared/f/good"}
    assert strict_s3.count("PutObject") == 0


# -- the rule for names that are taken -------------------------------------------------------------

RULES = [
    ("fail", 1, {"x": b"old", "f/a": b"old"}),
    ("replace", 0, {"x": b"new", "f/a": b"new", "f/b": b"new"}),
    (
        "keep-both",
        0,
        {"x": b"old", "f/a": b"old", "x (1)": b"new", "f (1)/a": b"new", "f (1)/b": b"new"},
    ),
]


@pytest.mark.parametrize(("rule", "code", "there"), RULES)
@pytest.mark.parametrize("way", ["up", "down", "across", "move"])
def test_the_rule_for_names_that_are_taken(
    way: str, rule: str, code: int, there: dict[str, bytes], any_world: World
) -> None:
    new = {"x": b"new", "f/a": b"new", "f/b": b"new"}
    old = {"x": b"old", "f/a": b"old"}
    for name, body in new.items():
        any_world.write(name, body) if way == "up" else any_world.put(OWN + name, body)
    for name, body in old.items():
        any_world.write(f"to/{name}", body) if way == "down" else any_world.put(SHARED + name, body)
    sources = ["x", "f"] if way == "up" else [f"wb:{OWN}x", f"wb:{OWN}f"]
    destination = "to" if way == "down" else f"wb:{SHARED}"
    command = ["mv"] if way == "move" else ["cp", "-r"]
    assert main([*command, *sources, destination, "--on-conflict", rule]) == code
    assert (any_world.local("to") if way == "down" else any_world.remote(SHARED)) == there
    if way == "move":
        assert any_world.remote(OWN) == (new if rule == "fail" else {})


def test_two_of_one_name_are_both_kept(world: World) -> None:
    for name in ("a/x", "b/x"):
        world.write(name, name.encode())
        world.put(OWN + name, name.encode())
    rule = ["--on-conflict", "keep-both"]
    assert main(["cp", "a/x", "b/x", f"wb:{SHARED}", *rule]) == 0
    assert world.remote(SHARED) == {"x": b"a/x", "x (1)": b"b/x"}
    assert main(["cp", f"wb:{OWN}a/x", f"wb:{OWN}b/x", ".", *rule]) == 0
    found = world.local()
    assert (found["x"], found["x (1)"]) == (b"a/x", b"b/x")


# -- what fails ------------------------------------------------------------------------------------


def test_each_failed_item_is_named_and_the_rest_is_done(
    world: World, strict_s3: StrictS3, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "f/b", "f/denied", "c"):
        world.write(name)
    strict_s3.deny(f"org{SHARED}f/denied")
    assert main(["cp", "-r", "a", "nothing", "f", "c", f"wb:{SHARED}", "--json"]) == 1
    told = capfd.readouterr()
    outcomes = {each["source"]: each for each in map(json.loads, told.out.splitlines())}
    assert {source: each["state"] for source, each in outcomes.items()} == {
        "a": "done",
        "nothing": "failed",
        "f": "failed",
        "c": "done",
    }
    assert outcomes["a"]["target"] == f"wb:{SHARED}a"
    assert (outcomes["f"]["objects"], outcomes["f"]["bytes"]) == (1, 4)
    assert [error["code"] for error in outcomes["f"]["errors"]] == ["AccessDenied"]
    assert "nothing does not exist" in told.err
    assert f"{SHARED}f/denied" in told.err
    assert set(world.remote(SHARED)) == {"a", "f/b", "c"}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["cp", "x", "wb:/data/new"], "/data/ is read-only"),
        (["cp", "x", "wb:/data/customer-v/"], "private to another user"),
        (["cp", "x", "wb:/data/customer-uv/"], "private to another user"),
        (["cp", "-r", "wb:/data/customer-v/", "."], "private to another user"),
        (["mv", "wb:/data/shared", f"wb:{OWN}"], "can be filled, but not deleted or renamed"),
        (["rm", "-r", "--yes", "wb:/data/shared"], "can be filled, but not deleted or renamed"),
        (["rm", "-r", "--yes", "wb:/data"], "/data/ is read-only"),
        (["mkdir", "wb:/new"], "/ is read-only"),
        (["mkdir", "-p", "wb:/data/new/x"], "/data/ is read-only"),
        (["cat", "wb:/data/customer-v/x"], "private to another user"),
    ],
)
def test_what_the_layout_forbids_is_answered_with_the_reason(
    arguments: list[str],
    reason: str,
    world: World,
    strict_s3: StrictS3,
    capfd: pytest.CaptureFixture[str],
) -> None:
    world.write("x")
    strict_s3.put_many({f"org{path}": b"" for path in (f"{SHARED}s", "/data/customer-v/x")})
    before = strict_s3.contents()
    assert main(arguments) == 1
    assert reason in capfd.readouterr().err
    assert strict_s3.contents() == before
    assert strict_s3.count("PutObject", "GetObject", "CopyObject", "DeleteObjects") == 0


def test_links_are_followed_where_they_are_named_only(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    world.write("f/good", b"1")
    world.write("secret/key", b"2")
    for name, target in (("link", "../secret/key"), ("folder", "../secret"), ("gone", "no")):
        (world.folder / "f" / name).symlink_to(target)
    os.mkfifo(world.folder / "f" / "pipe")
    (world.folder / os.fsdecode(b"f/\xff")).write_bytes(b"3")
    assert main(["cp", "-r", "f", f"wb:{SHARED}"]) == 1
    told = capfd.readouterr().err
    assert all(f"/f/{name} is " in told for name in ("link", "folder", "gone", "pipe"))
    assert "not valid unicode" in told
    assert main(["cp", "-r", "f/link", "f/folder", f"wb:{OWN}"]) == 0
    assert world.remote() == {
        "data/shared/f/good": b"1",
        "data/customer-u/link": b"2",
        "data/customer-u/folder/key": b"2",
    }
    assert main(["cp", "f/pipe", f"wb:{OWN}"]) == 1
    assert "not a regular file" in capfd.readouterr().err


def test_a_download_never_leaves_the_folder_and_replaces_no_link_or_device(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    world.put(f"{SHARED}f/out/key", b"evil")
    world.put(f"{SHARED}f/key", b"evil")
    secret = world.write("secret/key", b"secret")
    (world.folder / "f").mkdir()
    (world.folder / "f" / "out").symlink_to("../secret")
    (world.folder / "f" / "key").symlink_to("../secret/key")
    replace = ["--on-conflict", "replace"]
    assert main(["cp", "-r", f"wb:{SHARED}f", ".", *replace]) == 1
    assert secret.read_bytes() == b"secret"
    assert main(["cp", f"wb:{SHARED}f/key", "/dev/null", *replace]) == 1
    assert "not a regular file" in capfd.readouterr().err
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    # One that is named is the person's own.
    assert main(["cp", f"wb:{SHARED}f/key", "f/key", *replace]) == 0
    assert (secret.read_bytes(), (world.folder / "f" / "key").is_symlink()) == (b"evil", True)


def test_a_file_that_is_replaced_keeps_its_permissions(world: World) -> None:
    world.put(f"{SHARED}x", b"new")
    world.write("x", b"old").chmod(0o600)
    assert main(["cp", f"wb:{SHARED}x", "x", "--on-conflict", "replace"]) == 0
    assert world.local() == {"x": b"new"}
    assert stat.S_IMODE((world.folder / "x").stat().st_mode) == 0o600


def test_a_download_that_breaks_leaves_what_was_there(
    world: World, strict_s3: StrictS3, capfd: pytest.CaptureFixture[str]
) -> None:
    world.put(f"{SHARED}x", noise(300_000))
    world.write("x", b"old")
    strict_s3.fail("GetObject", Fault.SHORT_BODY, times=None)
    assert main(["cp", f"wb:{SHARED}x", "x", "--on-conflict", "replace"]) == 1
    assert f"{SHARED}x" in capfd.readouterr().err
    assert world.local() == {"x": b"old"}


def test_a_file_that_changes_while_it_is_read_is_not_torn(
    world: World, strict_s3: StrictS3, capfd: pytest.CaptureFixture[str]
) -> None:
    file = world.write("x", noise(ONE_REQUEST * 2))

    def rewrite(_: Call) -> None:
        file.write_bytes(noise(ONE_REQUEST * 2 + 1))

    strict_s3.on("UploadPart", rewrite, times=1)
    assert main(["cp", "x", f"wb:{SHARED}"]) == 1
    assert "was written to while it was read" in capfd.readouterr().err
    assert strict_s3.contents() == {}
    assert strict_s3.uploads() == []


def test_a_part_that_fails_calls_the_upload_off(
    world: World, strict_s3: StrictS3, capfd: pytest.CaptureFixture[str]
) -> None:
    world.write("x", noise(ONE_REQUEST * 2))
    strict_s3.fail("UploadPart", code="AccessDenied", times=None)
    assert main(["cp", "x", f"wb:{SHARED}"]) == 1
    assert "may list but not write" in capfd.readouterr().err
    assert strict_s3.uploads() == []


@pytest.mark.parametrize("rule", ["fail", "replace", "keep-both"])
@pytest.mark.parametrize(
    "fault",
    [
        {"code": "SlowDown"},
        {"fault": Fault.RESET_BEFORE},
        {"fault": Fault.RESET_AFTER},
        {"fault": Fault.ERROR_AFTER, "code": "InternalError"},
    ],
)
def test_a_request_that_fails_once_is_repeated_and_the_file_is_there_once(
    fault: dict[str, Any], rule: str, world: World, strict_s3: StrictS3
) -> None:
    world.write("x")
    struck = strict_s3.fail("PutObject", **fault)
    assert main(["cp", "x", f"wb:{SHARED}", "--on-conflict", rule]) == 0
    assert struck.hits == 1
    assert world.remote(SHARED) == {"x": b"body"}


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
def test_mkdir(arguments: list[str], code: int, there: set[str], any_world: World) -> None:
    any_world.put(f"{SHARED}f/a")
    assert main(["mkdir", *arguments]) == code
    assert set(any_world.remote(SHARED)) == there


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


def test_amounts_are_words() -> None:
    assert amount(1, 12) == "1 object, 12 B"
    assert amount(1234, 5_000_000) == "1,234 objects, 5.0 MB"
