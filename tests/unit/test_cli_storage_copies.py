"""What `cp` and `mv` make of bytes, names and places. Stores: strict S3 and moto."""

from __future__ import annotations

import json

import pytest

from jupyter_wherobots.cli import main
from jupyter_wherobots.cli.upload import ONE_REQUEST
from tests.commanded import OWN, SHARED, World, noise, sha
from tests.strict_s3 import StrictS3

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
    outcome = json.loads(capfd.readouterr().out)
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
