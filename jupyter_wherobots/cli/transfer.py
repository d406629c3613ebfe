"""Copies and moves as ``cp`` and ``mv`` mean them: which thing goes where, judged before anything is done."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidRequest, NotFound
from ..storage.entries import EntryType
from ..storage.items import Item
from ..storage.naming import Conflict
from ..storage.permissions import check_change, check_fill
from . import local, running
from .common import ExitCode
from .download import Download, Incoming, Output, plan_output
from .managed import SCHEME, agreed, found_item, is_managed, managed_path
from .outcome import Outcome, judging, keeping, tell
from .upload import Outgoing, Upload, standard_input

if TYPE_CHECKING:
    from ..storage import Storage

_TAKEN = "Add --on-conflict replace or --on-conflict keep-both, or choose another name."


@dataclass(frozen=True)
class Renamed(Item):
    """An item that goes by another name where it is copied to; a folder's ends with a slash."""

    called: str = ""

    @property
    def name(self) -> str:
        """What it is called there."""
        return self.called


@dataclass(frozen=True)
class _Source:
    """Something that was named and is there: in the storage, or on this machine."""

    what: Item | Path
    name: str
    is_folder: bool
    outcome: Outcome


class Transfer:
    """One command. Usage that cannot be meant is raised before anything is done; what fails for one source is told of it."""

    def __init__(self, storage: Storage, arguments: argparse.Namespace, *, recursive: bool) -> None:
        self._storage = storage
        self._layout = storage.layout()
        self._arguments = arguments
        self._recursive = recursive
        self._conflict = Conflict(arguments.on_conflict)

    # -- into the storage ---------------------------------------------------------------------------

    def into_storage(
        self, texts: Sequence[str], destination: str, *, move: bool = False
    ) -> ExitCode:
        """Upload what is of this machine; let S3 copy (or move) what is in the storage."""
        folder, name = self._managed_place(destination, several=len(texts) > 1)
        outcomes = [Outcome(text, destination) for text in texts]
        places = [
            (source, folder + (name or source.name) + ("/" if source.is_folder else ""))
            for source in self._found(outcomes, named=name is not None)
        ]
        self._check_different(target for _, target in places)
        uploads: list[Outgoing] = []
        copies: list[tuple[Item, str, Outcome]] = []
        for source, target in places:
            with keeping(source.outcome):
                check_change(self._layout, target, confirm=True)
                source.outcome.target = SCHEME + target
                if isinstance(source.what, Path):
                    uploads.append(Outgoing(source.what, target, source.outcome))
                else:
                    copies.append((source.what, target[len(folder) :], source.outcome))
        changed = [folder, *(item.path for item, _, _ in copies if move)]
        agreed(self._arguments, self._layout, changed)

        def work() -> None:
            if uploads:
                plan = Upload(self._storage, self._conflict).plan(uploads)
                running.run(self._storage, plan, "Uploading")
            for item, called, outcome in copies:
                with keeping(outcome):
                    self._copy(Renamed(item.path, item.type, None, called), folder, outcome, move)

        return self._finish(outcomes, "Moved" if move else "Copied", work)

    def _copy(self, item: Item, folder: str, outcome: Outcome, move: bool) -> None:
        job = self._storage.copy([item], folder, self._conflict, move=move, confirm=True)
        try:
            running.finish(job, "Moving" if move else "Copying")
        finally:
            outcome.take(job)
            if job.results:
                outcome.target = SCHEME + job.results[0]

    def from_input(self, destination: str) -> ExitCode:
        """Upload standard input."""
        folder, name = self._managed_place(destination, several=False)
        if name is None:
            raise InvalidRequest(
                f"{destination} is a folder, and standard input has no name.",
                hint=f"Name the file: {destination.removesuffix('/')}/…",
            )
        target = folder + name
        outcome = Outcome("-", SCHEME + target)
        confirmed = agreed(self._arguments, self._layout, [target])
        with judging(outcome):  # before anything is read
            self._storage.target(target, self._conflict, confirm=confirmed)

        def work() -> None:
            if outcome.errors:
                return
            with standard_input() as handle:
                plan = Upload(self._storage, self._conflict).plan_open(
                    handle, "standard input", target, outcome
                )
                running.run(self._storage, plan, "Uploading")

        return self._finish([outcome], "Copied", work)

    def _managed_place(self, text: str, *, several: bool) -> tuple[str, str | None]:
        """The folder that a destination means and the new name, None for their own.

        Raises NotPermitted for a folder that cannot be filled, InvalidRequest, InvalidPath.
        """
        folder, name = self._meant(text, several)
        check_fill(self._layout, folder, confirm=True)
        return folder, name

    def _meant(self, text: str, several: bool) -> tuple[str, str | None]:
        path = managed_path(text, self._layout)
        if path.endswith("/"):
            return path, None
        try:
            entry = self._storage.stat(path).entry
        except NotFound:
            if several:
                raise InvalidRequest(
                    f"There is no folder {path}.", path=path, hint=f"To make it, write {text}/"
                ) from None
        else:
            if entry.type is EntryType.FOLDER:
                return entry.path, None
            if several:
                raise InvalidRequest(f"{path} is a file.", path=path)
        folder, _, name = path.rpartition("/")
        return folder + "/", name

    # -- out of the storage -------------------------------------------------------------------------

    def out_of_storage(self, texts: Sequence[str], destination: str) -> ExitCode:
        """Download."""
        place = Path(destination)
        into = destination.endswith("/") or place.is_dir()
        if len(texts) > 1 and not into:
            hint = f"To make it, write {destination}/" if not place.exists() else ""
            raise InvalidRequest(f"There is no folder {destination}.", hint=hint)
        if not into and place.is_symlink():  # one that is named is followed
            place = Path(os.path.realpath(place))
        outcomes = [Outcome(text, destination) for text in texts]
        steps = []
        for source in self._found(outcomes, named=not into):
            assert isinstance(source.what, Item)  # copies on this machine are refused before
            with keeping(source.outcome):
                target = local.below(place, source.name) if into else place
                steps.append(Incoming(source.what, target, source.outcome))
        self._check_different(str(step.target) for step in steps)

        def work() -> None:
            if not steps:
                return
            with closing(Download(self._storage, self._conflict)) as download:
                plan = download.plan(steps)
                running.run(self._storage, plan, "Downloading", tidy=running.LEAVE)

        return self._finish(outcomes, "Copied", work)

    def to_output(self, text: str) -> ExitCode:
        """Write one file to standard output."""
        outcome = Outcome(text, "-")
        write_out(self._storage, managed_path(text, self._layout), outcome)
        return tell([outcome], "", as_json=self._arguments.json, out=sys.stderr)

    # -- both ---------------------------------------------------------------------------------------

    def _found(self, outcomes: Iterable[Outcome], *, named: bool) -> list[_Source]:
        """What is there of what was named. Raises InvalidRequest (a folder without -r), InvalidPath.

        ``named``: whether it gets a new name, so that it needs none of its own.
        """
        found = []
        for outcome in outcomes:
            text = outcome.source
            with judging(outcome):
                source = self._look(text, outcome)
                if not (source.name or named):
                    raise InvalidRequest(
                        f"{text} has no name of its own.", hint="Write what it is to be called."
                    )
                found.append(source)
        return found

    def _look(self, text: str, outcome: Outcome) -> _Source:
        if is_managed(text):
            path = managed_path(text, self._layout)
            item = found_item(self._storage, path, recursive=self._recursive)
            return _Source(item, item.name.removesuffix("/"), item.is_folder, outcome)
        place = local.find(text)
        is_folder = place.is_dir()
        if is_folder and not self._recursive:
            raise InvalidRequest(f"{text} is a folder.", hint="Add -r to copy it.")
        return _Source(place, local.name_of(text), is_folder, outcome)

    def _check_different(self, targets: Iterable[str]) -> None:
        names = [target.removesuffix("/") for target in targets]
        if len(set(names)) < len(names) and self._conflict is not Conflict.KEEP_BOTH:
            raise InvalidRequest(
                "Two of the sources have the same name.", hint="Add --on-conflict keep-both."
            )

    def _finish(
        self, outcomes: Iterable[Outcome], verb: str, work: Callable[[], object]
    ) -> ExitCode:
        """Do it, and tell what became of everything, also when it is interrupted."""
        code = ExitCode.FAILED
        try:
            work()
        finally:
            code = tell(outcomes, verb, as_json=self._arguments.json, taken=_TAKEN)
        return code


def write_out(storage: Storage, path: str, outcome: Outcome) -> None:
    """Write a file to standard output. Raises BrokenPipeError when nobody reads it any more."""
    sys.stdout.flush()
    output = Output(sys.stdout.fileno())
    running.run(storage, plan_output(storage, path, output, outcome), "Reading", tidy=running.LEAVE)
    if output.closed:
        raise BrokenPipeError
