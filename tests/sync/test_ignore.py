"""What is not mirrored: each by its reason, nothing silently, and nothing for looking alike."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from jupyter_wherobots.sync.ignore import CACHE_SIGNATURE
from jupyter_wherobots.sync.status import PassReport, SkipReason
from tests.sync.conftest import Place

SECRETS = [
    ".aws/credentials",
    ".aws/sso/cache/0a.json",
    ".aws/cli/cache/x.json",
    ".azure/msal_token_cache.json",
    ".boto",
    ".condarc-tokens",
    ".config/gcloud/credentials.db",
    ".config/gh/hosts.yml",
    ".config/git/credentials",
    ".config/rclone/rclone.conf",
    ".databrickscfg",
    ".docker/config.json",
    ".git-credentials",
    ".gnupg/private-keys-v1.d/x.key",
    ".huggingface/token",
    ".jupyter/jupyter_cookie_secret",
    ".kaggle/kaggle.json",
    ".kube/config",
    ".local/share/jupyter/runtime/kernel-1.json",
    ".local/share/keyrings/login.keyring",
    ".my.cnf",
    ".netrc",
    ".passwd-s3fs",
    ".pgpass",
    ".pypirc",
    ".s3cfg",
    ".ssh/id_ed25519",
    ".ssh/id_rsa",
    ".ssh/identity",
    ".ssh/work.pem",
    ".terraform.d/credentials.tfrc.json",
    ".vault-token",
]
LOOK_ALIKE = [
    ".aws/config",
    ".ssh/config",
    ".ssh/id_ed25519.pub",
    ".ssh/known_hosts",
    ".docker/daemon.json",
    ".kube/kubens",
    "work/.aws/credentials",
    "work/.netrc",
    "id_rsa",
    "aws/credentials",
]


def reasons(report: PassReport) -> dict[str, SkipReason]:
    assert all(each.message for each in report.skipped)
    return {each.path: each.reason for each in report.skipped}


def test_credentials_are_withheld_and_said(place: Place) -> None:
    for name in SECRETS + LOOK_ALIKE:
        place.write(name, b"secret")
    report = place.engine().run_pass()
    assert report.complete
    assert set(place.remote()) == set(LOOK_ALIKE)
    said = reasons(report)
    assert set(said.values()) == {SkipReason.CREDENTIALS}
    # A folder is said once, with its slash, for all in it.
    assert all(any(name == each or name.startswith(each) for each in said) for name in SECRETS)


PRIVATE_KEYS = {
    "openssh": b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n",
    "rsa": b"\n-----BEGIN RSA PRIVATE KEY-----\nAAAA\n",
    "pkcs8": b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n",
    "putty": b"PuTTY-User-Key-File-3: ssh-ed25519\n",
}


def test_private_keys_of_any_name_are_withheld_and_said(place: Place) -> None:
    for name, body in PRIVATE_KEYS.items():
        place.write(f".ssh/{name}", body)
    place.write(".ssh/wanted", PRIVATE_KEYS["rsa"])
    place.write(".ssh/authorized_keys", b"ssh-ed25519 AAAA me\n")
    place.write(".ssh/certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n")
    os.mkfifo(place.home / ".ssh/socket")
    place.write(".wherobotsignore", b"!/.ssh/wanted\n")
    report = place.engine().run_pass()
    assert report.complete
    mirrored = {".ssh/wanted", ".ssh/authorized_keys", ".ssh/certificate", ".wherobotsignore"}
    assert set(place.remote()) == mirrored
    said = dict.fromkeys((f".ssh/{name}" for name in PRIVATE_KEYS), SkipReason.CREDENTIALS)
    assert reasons(report) == {**said, ".ssh/socket": SkipReason.SPECIAL}


def test_a_line_of_a_rules_file_brings_credentials_back(place: Place) -> None:
    place.write(".ssh/id_rsa", b"mine")
    place.write(".netrc", b"mine")
    place.write(".wherobotsignore", b"!/.ssh/id_rsa\n")
    said = reasons(place.engine().run_pass())
    assert set(place.remote()) == {".ssh/id_rsa", ".wherobotsignore"}
    assert said == {".netrc": SkipReason.CREDENTIALS}


def test_caches_and_leavings_stay_here(place: Place) -> None:
    place.write("tool/CACHEDIR.TAG", CACHE_SIGNATURE + b"\n")
    place.write("tool/much/data")
    place.write("pkg/__pycache__/m.pyc")
    place.write(".cache/pip/x")
    place.write(".local/share/Trash/files/old")
    place.write(".Trash-1000/files/old")
    place.write(
        ".npm/_logs/2026-11-20T12_00_00_000Z-debug-0.log"
    )  # one for each start of JupyterLab
    place.write(".npm/_cacache/index-v5/x")
    place.write(".~nb.ipynb")
    place.write("r/.git/index.lock")
    place.write("r/.git/gc.pid")
    place.write("r/.git/objects/pack/tmp_pack_x")
    place.write("r/.git/objects/pack/multi-pack-index-1234.bitmap")
    place.write("r/.git/objects/info/commit-graph")
    place.write("r/.git/modules/m/objects/info/commit-graphs/commit-graph-chain")
    # None of these is one of those.
    place.write("other/CACHEDIR.TAG", b"Signature: none\n")
    place.write("env/CACHEDIR.TAG", CACHE_SIGNATURE)
    place.write("env/pyvenv.cfg", b"home = /usr/bin\n")
    place.write("work/.cache/x")
    place.write(".npm/notes")
    place.write("poetry.lock")
    place.write("r/.git/objects/info/alternates")
    place.write("objects/info/commit-graph")
    place.write("trash/x")
    report = place.engine().run_pass()
    assert report.complete
    assert set(place.remote()) == {
        "other/CACHEDIR.TAG",
        "env/CACHEDIR.TAG",
        "env/pyvenv.cfg",
        "work/.cache/x",
        ".npm/notes",
        "poetry.lock",
        "r/.git/objects/info/alternates",
        "objects/info/commit-graph",
        "trash/x",
    }
    assert reasons(report) == {
        "tool/": SkipReason.CACHE,
        "pkg/__pycache__/": SkipReason.CACHE,
        ".cache/": SkipReason.CACHE,
        ".local/share/Trash/": SkipReason.CACHE,
        ".Trash-1000/": SkipReason.CACHE,
        ".npm/_logs/": SkipReason.CACHE,
        ".npm/_cacache/": SkipReason.CACHE,
        ".~nb.ipynb": SkipReason.TEMPORARY,
        "r/.git/index.lock": SkipReason.TEMPORARY,
        "r/.git/gc.pid": SkipReason.TEMPORARY,
        "r/.git/objects/pack/tmp_pack_x": SkipReason.TEMPORARY,
        "r/.git/objects/pack/multi-pack-index-1234.bitmap": SkipReason.CACHE,
        "r/.git/objects/info/commit-graph": SkipReason.CACHE,
        "r/.git/modules/m/objects/info/commit-graphs/": SkipReason.CACHE,
    }


def test_rules_are_gits(place: Place) -> None:
    place.write(".wherobotsignore", b"*.tmp\n!keep.tmp\n/build/\n# note\n\nraw/**/big\n")
    place.write("sub/.wherobotsignore", b"/only-here\n!*.tmp\n")
    for name in ("a.tmp", "keep.tmp", "build/x", "sub/build/x", "raw/1/2/big", "raw/small"):
        place.write(name)
    for name in ("only-here", "sub/only-here", "sub/b.tmp", "sub/deep/c.tmp"):
        place.write(name)
    report = place.engine().run_pass()
    assert {path for path in place.remote() if not path.endswith(".wherobotsignore")} == {
        "keep.tmp",
        "sub/build/x",
        "raw/small",
        "only-here",
        "sub/b.tmp",
        "sub/deep/c.tmp",
    }
    assert reasons(report) == dict.fromkeys(
        ("a.tmp", "build/", "raw/1/2/big", "sub/only-here"), SkipReason.RULE
    )


def test_a_rule_that_is_no_pattern_is_said_and_the_others_hold(place: Place) -> None:
    place.write(".wherobotsignore", b"!\n*.tmp\n")
    place.write("a.tmp")
    report = place.engine().run_pass()
    assert set(place.remote()) == {".wherobotsignore"}
    assert any(".wherobotsignore" in note for note in report.notes)


def test_rules_that_cannot_be_read_are_said_and_cost_nothing(place: Place) -> None:
    place.write("d/a")
    (place.home / "d/.wherobotsignore").mkdir()
    place.write("rules", b"*.csv")
    (place.home / ".wherobotsignore").symlink_to("rules")
    with place.engine() as sync:
        report = sync.run_pass()
        opened = []
        for each in Path("/proc/self/fd").iterdir():
            with suppress(OSError):  # other threads close some meanwhile
                opened.append(os.readlink(each))
    assert str(place.home / "d/.wherobotsignore") not in opened
    assert sorted(report.notes) == [
        "The rules in .wherobotsignore do not hold: it is a link, and none is followed.",
        "The rules in d/.wherobotsignore do not hold: Is a directory.",
    ]


def test_rules_with_a_byte_order_mark_hold(place: Place) -> None:
    place.write(".wherobotsignore", b"\xef\xbb\xbf*.csv\r\n*.log\r\n")
    for name in ("a.csv", "a.log", "a.txt"):
        place.write(name)
    with place.engine() as sync:
        sync.run_pass()
    assert set(place.remote()) == {".wherobotsignore", "a.txt"}


def test_what_is_no_file_is_said(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.home)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        report = place.engine().run_pass()
    assert report.complete
    assert place.remote() == {}
    assert reasons(report) == {"socket": SkipReason.SPECIAL}
