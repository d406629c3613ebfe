"""Putting a git repository: its objects, and only then what points to them, as it was at one moment before.

`repository` knows what is what in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from . import beneath
from .failpoints import failpoint
from .filestat import pack
from .ground import Ground
from .journal import Flag
from .plan import Put
from .push import Pusher
from .repository import (
    Branches,
    heads_of,
    is_head,
    is_packed_refs,
    is_ref,
    listed,
    lost_objects,
    named,
    object_folders,
    objects_of,
    pointers,
)
from .scan import Scan, Scanner
from .status import NotDurable, Why, shown

_ROUNDS = 3
"""So often a repository's objects are looked for in one pass while they keep moving."""


class RepositoryPusher:
    """Puts one repository for one pass. ``folder`` is its ``.git``."""

    def __init__(self, ground: Ground, scanner: Scanner, pusher: Pusher, folder: bytes) -> None:
        self._ground = ground
        self._scanner = scanner
        self._pusher = pusher
        self._camera = pusher.camera
        self._tally = pusher.tally
        self._folder = folder

    def push(self, heads: Iterable[Put]) -> None:
        """Put the objects, and then these heads as they were before the objects were looked for."""
        try:
            self._push(heads)
        finally:
            self._camera.release()

    def _push(self, heads: Iterable[Put]) -> None:
        ground, scanner, pusher, tally = self._ground, self._scanner, self._pusher, self._tally
        puts = {put.entry.path: put for put in heads}
        for _ in range(_ROUNDS):
            if ground.halt.is_set():
                return
            # Those of a busy repository are others by now.
            before = scanner.scan([self._folder], deep=True)
            for put in heads_of(before, self._folder, ground.journal):
                if put.entry.path not in puts and not put.is_doubt:
                    tally.expect(put.entry)
                puts[put.entry.path] = put
            ready = pusher.prepare(puts.values())
            failpoint("pass.heads-captured")
            if not self._is_one_moment(before):
                continue
            found = [scanner.scan([each], deep=True) for each in object_folders(before)]
            objects = {
                put.entry.path: put
                for each in found
                for put in objects_of(each, self._folder, ground.journal)
            }
            tally.vanished.clear()
            for put in objects.values():
                tally.expect(put.entry)
            pusher.push([*objects.values()])
            failpoint("pass.objects-pushed")
            whole = all(each.complete for each in found) and not lost_objects(before, found)
            if whole and not tally.vanished and not tally.unsaved.keys() & objects.keys():
                captured = {put.entry.path for put in ready}
                missed = puts.keys() & tally.unsaved.keys() - captured
                # Branches, and what is checked out, mean something only together.
                if not any(is_ref(path) for path in missed):
                    self._push_heads(ready)
                    return
        for path in puts.keys() & tally.unsaved.keys():
            message = "It waits for the objects of its repository, which is busy."
            tally.not_durable[path] = NotDurable(shown(path), Why.REPOSITORY, message)

    def _push_heads(self, ready: list[Put]) -> None:
        """Put what was captured of a repository, such that ``HEAD`` names a branch that is there after each put.

        ``HEAD`` goes before the list of packed branches, which may have lost the one that was left. A branch that is
        nowhere but in the list is put as a file of its own first.
        """
        pusher, tally, kept = self._pusher, self._tally, self._camera.kept
        branches = Branches(self._ground, tally, self._folder)
        heads = {put.entry.path: put for put in ready if is_head(put.entry.path)}
        lists = [put for put in ready if is_packed_refs(put.entry.path)]
        pusher.push([put for put in ready if put not in lists and put.entry.path not in heads])
        waiting = [path for path in heads if not branches.has(path, kept(path))]
        wanted = {ref for path in waiting for ref in named(kept(path))}
        lists = [put for put in lists if self._push_listed(put, wanted)]
        now = [path for path in heads if branches.has(path, kept(path))]
        pusher.push([heads.pop(path) for path in now])
        for path in heads:
            message = "It waits for the branch that it names."
            tally.not_durable[path] = NotDurable(shown(path), Why.REPOSITORY, message)
        if heads or tally.unsaved.keys() & set(now):
            for put in lists:
                path = put.entry.path
                message = "It waits for what is checked out."
                tally.not_durable[path] = NotDurable(shown(path), Why.REPOSITORY, message)
        else:
            pusher.push(lists)

    def _push_listed(self, packed: Put, wanted: Collection[bytes]) -> bool:
        """Put branches as files of their own, with what a list says of them; whether all were.

        These are the ones that are ``wanted``, and those that S3 still has as files which say something else.
        """
        ground = self._ground
        puts = []
        body = self._camera.kept(packed.entry.path)
        for put, said in listed(packed, body, wanted, ground.journal, ground.root):
            self._camera.stand_in(put.entry, said)
            self._tally.expect(put.entry)
            puts.append(put)
        self._pusher.push(puts)
        return not self._tally.unsaved.keys() & {put.entry.path for put in puts}

    def _is_one_moment(self, before: Scan) -> bool:
        """Whether what is checked out and the lists of branches were captured, or saved earlier, as they are together now."""
        root, journal = self._ground.root, self._ground.journal
        for folder in before.folders:
            for path in pointers(folder):
                row = journal.get(path)
                if row is not None and row.flags & Flag.PENDING:
                    continue
                known = self._camera.kept_stat(path) or (row.stat if row is not None else b"")
                try:
                    now = pack(beneath.lstat(root, path))
                except OSError:
                    continue
                if now != known:
                    return False
        return True
