"""Works in a git repository without a pause, from a line on stdin until that ends.

``python -m tests.adversary.committer REPOSITORY SEED``

A line on stdout tells that there is something to save.
"""

from __future__ import annotations

import os
import random
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path


def git(repository: Path, *arguments: str, check: bool = True) -> str:
    """What a git command says, without anybody's settings. Raises CalledProcessError."""
    who = {
        f"GIT_{who}_{what}": "a@b.c"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(repository),
        "GIT_CONFIG_NOSYSTEM": "1",
        **who,
    }
    command = ["git", "-C", str(repository), "-c", "gc.auto=0", *arguments]
    done = subprocess.run(
        command,
        env=environment,
        check=check,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return done.stdout


class Committer:
    """Commits, branches, rewrites, packs and prunes."""

    def __init__(self, repository: Path, seed: int) -> None:
        self._repository = repository
        self._random = random.Random(seed)
        self._count = 0
        self._acts: list[Callable[[], None]] = [
            *[self.commit] * 12,
            *[self.branch] * 3,
            self.merge,
            self.amend,
            self.reset,
            self.tag,
            self.stash,
            self.forget_branches,
            self.pack_refs,
            self.repack,
            self.collect,
            self.prune,
        ]

    def begin(self) -> None:
        self._git("init", "-q", "-b", "main")
        for _ in range(5):
            self.commit()

    def act(self) -> None:
        self._count += 1
        self._random.choice(self._acts)()

    def _git(self, *arguments: str) -> str:
        return git(self._repository, *arguments)

    def _edit(self) -> None:
        self._count += 1
        name = f"file-{self._random.randrange(20)}"
        (self._repository / name).write_text(f"{self._count}\n" * self._random.randrange(1, 500))
        self._git("add", name)

    def commit(self) -> None:
        self._edit()
        self._git("commit", "-qm", str(self._count))

    def branch(self) -> None:
        self._git("checkout", "-qb", f"branch-{self._count}")
        self.commit()

    def merge(self) -> None:
        self._git("checkout", "-q", "-B", "main")

    def amend(self) -> None:
        self._edit()
        self._git("commit", "-q", "--amend", "-m", "amended")

    def reset(self) -> None:
        self._git("reset", "-q", "--hard", "HEAD~1")
        self.commit()

    def tag(self) -> None:
        self._git("tag", "-am", "a tag", f"tag-{self._count}")

    def stash(self) -> None:
        self._edit()
        self._git("stash", "-q")

    def forget_branches(self) -> None:
        names = self._git("branch", "--format=%(refname:short)").split()
        current = self._git("branch", "--show-current").strip()
        for name in names:
            if name not in ("main", current):
                self._git("branch", "-qD", name)

    def pack_refs(self) -> None:
        self._git("pack-refs", "--all")

    def repack(self) -> None:
        self._git("repack", "-adq")

    def collect(self) -> None:
        self._git("gc", "-q")

    def prune(self) -> None:
        """The most that git throws away."""
        self._git("reflog", "expire", "--expire=now", "--all")
        self._git("gc", "-q", "--prune=now")


def main() -> None:
    repository, seed = sys.argv[1:]
    committer = Committer(Path(repository), int(seed))
    committer.begin()
    print(flush=True)
    os.read(0, 1)
    while not select.select([sys.stdin], [], [], 0)[0]:
        committer.act()


if __name__ == "__main__":
    main()
