"""A repository in which somebody commits, branches, packs and prunes all the time comes back sound from S3, each time."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from jupyter_wherobots.sync.scan import Scan, Scanner
from jupyter_wherobots.sync.service import HomeSync
from jupyter_wherobots.sync.status import Why
from tests.adversary.committer import git
from tests.adversary.conftest import Restored, at_work
from tests.strict_s3 import Call, When
from tests.sync.conftest import Place

pytestmark = pytest.mark.process


def head(repository: Path) -> str:
    """The commit that is checked out; everything in the repository is sound."""
    said = git(repository, "fsck", "--full", "--strict", check=False)
    wrong = [line for line in said.splitlines() if not line.startswith("dangling ")]
    assert not wrong, wrong
    return git(repository, "rev-parse", "--verify", "HEAD^{commit}").strip()


def torment(place: Place, restored: Restored, seed: int, rounds: int) -> None:
    heads: list[str] = []
    with place.engine() as sync:
        repository = place.home / "repo"
        repository.mkdir()
        with at_work("committer", repository, seed) as process:
            assert sync.run_pass().complete
            assert process.stdin is not None
            process.stdin.write(b"\n")
            # Now and then it is so busy that only the next pass finds it whole.
            while len(heads) < rounds or len(set(heads)) < 2:
                sync.run_pass()
                heads.append(head(restored() / "repo"))
        for _ in range(3):
            report = sync.run_pass()
        assert report.complete, report.not_durable
    print(f"{len(set(heads))} states of the repository came back in {len(heads)} rounds")
    assert head(restored() / "repo") == head(place.home / "repo")


def test_a_busy_repository(place: Place, restored: Restored) -> None:
    torment(place, restored, 1, 5)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_busy_repository_for_long(place: Place, restored: Restored) -> None:
    torment(place, restored, 2, 100)


# -- one thing at a time -------------------------------------------------------------------------------


@pytest.fixture
def repository(place: Place) -> Path:
    """With one commit."""
    made = place.home / "repo"
    made.mkdir()
    git(made, "init", "-q", "-b", "main")
    (made / "file").write_text("first")
    commit(made, "first")
    return made


def commit(repository: Path, message: str) -> None:
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", message)


def test_head_waits_for_the_branch_it_names(
    place: Place, restored: Restored, repository: Path
) -> None:
    with place.engine() as sync:
        sync.run_pass()
        first = head(repository)
        git(repository, "checkout", "-qb", "other")
        (repository / "file").write_text("second")
        commit(repository, "second")
        place.s3.fail("PutObject", key=place.key("repo/.git/refs/heads/other"), times=None)
        place.s3.fail("CopyObject", key=place.key("repo/.git/refs/heads/other"), times=None)
        report = sync.run_pass()
        waiting = {each.path: each.why for each in report.not_durable}
        assert waiting["repo/.git/HEAD"] is Why.REPOSITORY
        assert head(restored() / "repo") == first
        place.s3.heal()
        assert sync.run_pass().complete
    assert head(restored() / "repo") == head(repository) != first


def test_a_branch_that_has_no_commit_yet_is_saved(place: Place, restored: Restored) -> None:
    repository = place.home / "repo"
    repository.mkdir()
    git(repository, "init", "-q", "-b", "unborn")
    with place.engine() as sync:
        assert sync.run_pass().complete
    assert git(restored() / "repo", "branch", "--show-current") == "unborn\n"


def test_a_branch_that_is_packed_is_saved(
    place: Place, restored: Restored, repository: Path
) -> None:
    git(repository, "pack-refs", "--all")
    with place.engine() as sync:
        assert sync.run_pass().complete
        git(repository, "checkout", "-qb", "other")
        git(repository, "pack-refs", "--all")
        assert sync.run_pass().complete
    assert git(restored() / "repo", "branch", "--show-current") == "other\n"


@contextmanager
def on_a_packed_branch(place: Place, repository: Path) -> Iterator[HomeSync]:
    """An engine that has saved all; what is checked out is ``left``, which nothing but the list of branches has."""
    git(repository, "checkout", "-qb", "left")
    git(repository, "pack-refs", "--all")
    with place.engine() as sync:
        for _ in range(3):
            sync.run_pass()
        yield sync


@pytest.mark.parametrize("fails", ["repo/.git/HEAD", "repo/.git/refs/heads/other", None])
def test_what_is_checked_out_is_on_the_list_or_a_file_at_every_moment(
    place: Place, restored: Restored, repository: Path, fails: str | None
) -> None:
    """``HEAD`` leaves a branch that the list loses for one that only the list has: whichever came first would be alone."""
    with on_a_packed_branch(place, repository) as sync:
        assert "repo/.git/refs/heads/left" not in place.remote()
        was = head(repository)
        git(repository, "checkout", "-qb", "other")
        (repository / "file").write_text("second")
        commit(repository, "second")
        git(repository, "branch", "-qD", "left")
        git(repository, "pack-refs", "--all")
        states = [was]

        def look(_: Call) -> None:
            states.append(head(restored() / "repo"))

        if fails is None:
            for name in ("HEAD", "packed-refs", "refs/heads/other"):
                place.s3.on("PutObject", look, key=place.key(f"repo/.git/{name}"), when=When.AFTER)
        else:
            place.s3.fail("PutObject", key=place.key(fails), times=None)
        assert sync.run_pass().complete == (fails is None)
        look_again = head(restored() / "repo")
        assert look_again in (was, head(repository))
        place.s3.heal()
        assert sync.run_pass().complete
        assert set(states) <= {was, head(repository)}
        assert fails is not None or len(states) == 4
        for _ in range(3):
            sync.run_pass()
        assert "repo/.git/refs/heads/other" not in place.remote()
    assert head(restored() / "repo") == head(repository) != was


def test_a_scan_that_git_works_under_is_no_state_of_the_repository(
    place: Place, restored: Restored, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks at ``HEAD``, then a branch is left and deleted, then it looks at the list of branches."""
    with on_a_packed_branch(place, repository) as sync:
        git(repository, "branch", "another")
        git(repository, "pack-refs", "--all")
        scan, torn = Scanner.scan, 0

        def slow_scan(self: Scanner, only: Any = None, **how: Any) -> Scan:
            nonlocal torn
            found = scan(self, only, **how)
            if only == [b"repo/.git"] and not torn:
                torn += 1
                git(repository, "checkout", "-q", "main")
                git(repository, "branch", "-qD", "left")
                path = b"repo/.git/packed-refs"
                found.changed = [each for each in found.changed if each.path != path]
                found.changed += [e for e in scan(self, only, **how).changed if e.path == path]
            return found

        monkeypatch.setattr(Scanner, "scan", slow_scan)
        sync.run_pass()
        head(restored() / "repo")
        assert torn
        assert sync.run_pass().complete
    assert git(restored() / "repo", "branch", "--show-current") == "main\n"


def test_a_branch_is_deleted_before_its_objects(
    place: Place, restored: Restored, repository: Path
) -> None:
    with place.engine() as sync:
        git(repository, "checkout", "-qb", "other")
        (repository / "file").write_text("second")
        commit(repository, "second")
        sync.run_pass()
        git(repository, "checkout", "-q", "main")
        git(repository, "branch", "-qD", "other")
        git(repository, "reflog", "expire", "--expire=now", "--all")
        git(repository, "prune")
        place.s3.fail("DeleteObject", key=place.key("repo/.git/refs/heads/other"), times=None)
        for _ in range(4):
            sync.run_pass()
        head(restored() / "repo")
        place.s3.heal()
        objects = len([key for key in place.remote() if "/objects/" in key])
        for _ in range(2):
            sync.run_pass()
        assert len([key for key in place.remote() if "/objects/" in key]) == objects - 3
    assert head(restored() / "repo") == head(repository)


def test_a_large_index_is_of_the_time_of_its_objects(
    place: Place, restored: Restored, repository: Path
) -> None:
    """Over 16 MiB, so it is not held in memory while the objects are put."""
    blob = git(repository, "rev-parse", "HEAD:file").strip()
    long = "d" * 200
    entries = "".join(f"100644 {blob}\t{long}/{long}/{number}\n" for number in range(40_000))
    subprocess.run(
        ["git", "-C", repository, "update-index", "--index-info"],
        input=entries.encode(),
        check=True,
    )
    assert (repository / ".git/index").stat().st_size > 16 * 1024 * 1024
    with place.engine() as sync:
        assert sync.run_pass().complete

        added: list[str] = []

        def add(_: Call) -> None:
            added.append(f"newer-{len(added)}")
            (repository / added[-1]).write_text(added[-1])
            git(repository, "add", added[-1])

        (repository / "new").write_text("new")
        git(repository, "add", "new")
        # While the objects are put, and while those are put that were found a moment later.
        place.s3.on("PutObject", add, key=place.key("repo/.git/objects/*"), times=2)
        sync.run_pass()
        head(restored() / "repo")
        assert sync.run_pass().complete
        assert not list((place.state / "hot").iterdir())
    assert set(added) <= set(git(restored() / "repo", "ls-files").split("\n"))


def test_a_branch_is_not_forgotten_while_head_names_it(
    place: Place, restored: Restored, repository: Path
) -> None:
    git(repository, "checkout", "-qb", "other")
    git(repository, "pack-refs", "--all")
    with place.engine() as sync:
        sync.run_pass()
        git(repository, "checkout", "-q", "main")
        git(repository, "branch", "-qD", "other")
        place.s3.fail("PutObject", key=place.key("repo/.git/HEAD"), times=None)
        assert not sync.run_pass().complete
        head(restored() / "repo")
        place.s3.heal()
        assert sync.run_pass().complete
    assert git(restored() / "repo", "branch", "--format=%(refname:short)") == "main\n"
