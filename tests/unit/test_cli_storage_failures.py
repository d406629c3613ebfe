"""What storage commands do when something fails, or must not be done. Stores: strict S3."""

from __future__ import annotations

import json
import os
import stat
from typing import Any

import pytest

from jupyter_wherobots.cli import main
from jupyter_wherobots.cli.upload import ONE_REQUEST
from tests.commanded import OWN, SHARED, World, noise
from tests.strict_s3 import Call, Fault, StrictS3


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


def test_one_that_cannot_be_meant_does_not_stop_the_others(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    odd = os.fsdecode(b"\xff")
    for name in (odd, "good"):
        world.write(name)
    assert main(["cp", odd, "good", f"wb:{SHARED}"]) == 1
    assert "not valid unicode" in capfd.readouterr().err
    for name in ("a", "b"):
        world.put(f"{OWN}f/{name}")
    assert main(["mv", f"wb:{SHARED}good", f"wb:{OWN}f/a", f"wb:{SHARED}"]) == 1
    assert f"{SHARED}good is there already" in capfd.readouterr().err
    assert world.remote() == {
        "data/shared/good": b"body",
        "data/shared/a": b"body",
        "data/customer-u/f/b": b"body",
    }


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["cp", "x", "wb:/data/new"], "/data/ is read-only"),
        (["cp", "x", "wb:/"], "/ is read-only"),
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
