"""What the home mirror promises, over plain dicts: the reference that the real one is compared with.

A *thing* is what a person would miss: a file with its bytes, or a link with what it says. Each home has a tree (path ->
thing), S3 has versions (key -> thing, ETag, who wrote it). The model learns what people did, in home and in S3; then it is
shown what an engine did: every change of a key, in order, and the tree that it left. It raises `Broken` where that is not
allowed:

- I1: an engine replaces or deletes only what it wrote itself or has held, byte for byte; nothing else ever leaves S3,
- I2: unless the same thing lies under another key at that moment.
- I3: it deletes only what a person removed from home two passes ago or more, and the last of a home only on a person's word.
- I5: a valid notebook gives way to anything else only if it is kept under another key.
- I7: what a person only renamed never leaves S3 on the way, so that a kill at any moment costs nothing.
- In home it writes only what it restores, over nothing that it does not keep aside, and never what it saved from there before.
- What it calls saved, is.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

PREFIX = "org/notebooks/customer-abc/"
OURS = PREFIX + ".wherobots/"
EARLIER = " (earlier version "
ODD = OURS + "names/"


class Broken(AssertionError):
    """A promise was not kept."""


class Thing(NamedTuple):
    kind: str
    body: bytes


class Version(NamedTuple):
    """``beside``: it was kept beside another version, of which it is a copy."""

    etag: str
    thing: Thing
    writer: str
    beside: bool = False


class Change(NamedTuple):
    """One key got another version, or none."""

    writer: str
    key: str
    before: Version | None
    after: Version | None


def key_of(path: bytes) -> str:
    """The key of a path: itself or, for what S3 cannot hold, the digest of the name."""
    try:
        text = path.decode()
    except UnicodeDecodeError:
        text = "\0"
    odd = text.startswith(".wherobots/") or len((PREFIX + text).encode()) > 1024
    if odd or any(c < " " or c in "\x7f\ufffe\uffff" for c in text):
        return ODD + hashlib.sha256(path).hexdigest()
    return PREFIX + text


def is_users(key: str, thing: Thing) -> bool:
    """Whether an object is a person's file: neither the mirror's own nor a folder's marker."""
    if key.startswith(OURS):
        return key.startswith(ODD) and not key.endswith(".name")
    return not (key.endswith("/") and not thing.body)


def is_mirrored(path: bytes) -> bool:
    """As far as the names go that the machine uses."""
    return path != b".ssh/id_rsa" and not path.rpartition(b"/")[2].startswith(b".~")


def is_notebook(key: str, thing: Thing) -> bool:
    """Whether it is what its name says."""
    try:
        found = json.loads(thing.body) if key.endswith(".ipynb") and thing.kind == "file" else None
    except ValueError:
        found = None
    return isinstance(found, dict) and "cells" in found


@dataclass
class Home:
    """One instance's home. ``past``: all that each path ever held. ``gone``: what a person removed, and the
    passes since; what is made and removed again between two passes was gone all the time, for all that an engine can see.

    ``confirmed``: paths whose deletion a person confirmed. ``arrived``: paths that an engine made, with the
    keys that they may stand for. ``renamed``: what a person gave another name, and still has under it. ``taken``: what was
    here under a path while somebody else took it out of S3.
    ``discarded``: what an engine had kept beside in S3, and a person took away there.
    """

    tree: dict[bytes, Thing] = field(default_factory=dict)
    aside: frozenset[Thing] = frozenset()
    past: dict[bytes, set[Thing]] = field(default_factory=dict)
    gone: dict[bytes, int] = field(default_factory=dict)
    confirmed: set[bytes] = field(default_factory=set)
    arrived: dict[bytes, set[str]] = field(default_factory=dict)
    renamed: dict[bytes, Thing] = field(default_factory=dict)
    taken: set[tuple[bytes, Thing]] = field(default_factory=set)
    discarded: set[Thing] = field(default_factory=set)

    def mirrored(self) -> dict[bytes, Thing]:
        return {path: thing for path, thing in self.tree.items() if is_mirrored(path)}

    def remember(self, tree: Mapping[bytes, Thing]) -> None:
        self.tree = dict(tree)
        for path, thing in tree.items():
            self.past.setdefault(path, set()).add(thing)

    def held(self, key: str, thing: Thing) -> bool:
        """Whether it ever had this under the path of this key, or under a name that a restore chose."""
        paths = (path for path in self.past if path in self.arrived or key_of(path) == key)
        return any(thing in self.past[path] for path in paths)

    def keys(self, path: bytes) -> set[str]:
        """The keys under which a path may be saved."""
        digest = hashlib.sha256(path).hexdigest()
        return {key_of(path), ODD + digest} | self.arrived.get(path, set())

    def has_to_keep(self, thing: Thing) -> bool:
        """Whether a thing was only renamed, and not taken out of S3 by others wherever it is now."""
        now = {(path, had) for path, had in self.mirrored().items() if had == thing}
        return thing in self.renamed.values() and not (now and now <= self.taken)


class Model:
    """All homes, and the one prefix that they share. ``last`` is who changed a key last."""

    def __init__(self) -> None:
        self.homes: dict[str, Home] = {}
        self.remote: dict[str, Version] = {}
        self.last: dict[str, str] = {}
        self.ever: dict[Thing, set[str]] = {}

    def users(self) -> dict[str, Version]:
        return {key: v for key, v in self.remote.items() if is_users(key, v.thing)}

    def things(self) -> Counter[Thing]:
        """All that a restore is to bring back."""
        return Counter(version.thing for version in self.users().values())

    # -- what people do -------------------------------------------------------------------------------

    def user_changed(
        self, name: str, tree: Mapping[bytes, Thing], *, renamed: bool = False
    ) -> None:
        home = self.homes[name]
        before = home.tree
        removed = before.keys() - tree.keys()
        saved = {before[path] for path in removed if self._is_saved(home, path)}
        home.remember(tree)
        for path in removed:
            home.gone.setdefault(path, 0)
        changed = {path for path in tree if tree[path] != before.get(path)}
        if renamed:
            saved |= {thing for path, thing in home.renamed.items() if tree.get(path) != thing}
            # To a name that is not mirrored: for the mirror it is deleted.
            withheld = {tree[path] for path in changed if not is_mirrored(path)}
            home.renamed |= {path: tree[path] for path in changed if tree[path] in saved - withheld}
        now = home.mirrored()
        home.renamed = {path: had for path, had in home.renamed.items() if now.get(path) == had}

    def _is_saved(self, home: Home, path: bytes) -> bool:
        """Whether S3 has what lies at a path, under a key of that path; the same bytes of another file do not count.

        Nor does a key that it may only stand for, once a person took out its own.
        """
        if (path, home.tree[path]) in home.taken:
            return False
        versions = (self.remote.get(key) for key in home.keys(path))
        return any(version is not None and version.thing == home.tree[path] for version in versions)

    # -- what an engine does --------------------------------------------------------------------------

    def pass_begins(self, name: str) -> None:
        home = self.homes[name]
        home.gone = {path: passes + 1 for path, passes in home.gone.items()}

    def witness(self, changes: Iterable[Change]) -> None:
        """Remember what was in S3 at some moment."""
        for _, key, _, after in changes:
            if after is not None:
                self.ever.setdefault(after.thing, set()).add(key)

    def changed(self, change: Change, gone: Mapping[bytes, int], *, may_replace: bool) -> None:
        """One change of a key. ``gone`` is what had been removed from the writer's home when its pass began.

        ``may_replace``: it held the lease.
        """
        writer, key, before, after = change
        self.witness([change])
        self.last[key] = writer
        if after is None:
            self.remote.pop(key, None)
        else:
            self.remote[key] = after
        for name, each in self.homes.items():
            at = {path for path in each.tree if key in each.keys(path)}
            if name == writer:
                again = set() if after is None else {(path, after.thing) for path in at}
                each.taken -= again
            elif before is not None and (after is None or after.thing != before.thing):
                each.taken |= {(path, before.thing) for path in at}
        home = self.homes.get(writer)
        if home is None:
            if before is not None and before.beside and before.writer in self.homes:
                self.homes[before.writer].discarded.add(before.thing)
            return
        elsewhere = {version.thing for other, version in self.remote.items() if other != key}
        if after is not None and is_users(key, after.thing):
            known = after.thing in elsewhere or any(after.thing in p for p in home.past.values())
            _require(known, f"{writer} wrote what never was in home", change)
        if before is None or not is_users(key, before.thing):
            return
        _require(may_replace, f"{writer} does not hold the lease and may only add", change)
        if before.thing in elsewhere or (after is not None and after.thing == before.thing):
            return
        ours = before.writer == writer or home.held(key, before.thing)
        ours = ours or before.thing in home.discarded
        _require(ours, f"I1: {writer} destroyed a version that is not its own", change)
        kept = not home.has_to_keep(before.thing)
        _require(kept, "I7: what was only renamed left S3", change)
        if after is None:
            had = {path for path in gone if before.thing in home.past[path]}
            old = any(gone[path] > 1 for path in had)
            # Copies that the engine made itself, of what was about to be overwritten.
            aside = EARLIER in key or key.startswith(f"{PREFIX}.wherobots/names/")
            old = old or (before.beside and before.writer == writer and aside)
            _require(old, "I3: deleted, but nobody removed it two passes ago", change)
            meant = bool(home.mirrored()) or bool(had & home.confirmed)
            _require(meant, "I3: the last of a home was deleted", change)
        elif is_notebook(key, before.thing) and after.thing.kind == "file":
            _require(is_notebook(key, after.thing), "I5: a notebook was spoilt", change)

    def noticed(self, name: str, tree: Mapping[bytes, Thing]) -> None:
        """What an engine has made in home so far, before a person does something in the middle of its step."""
        home = self.homes[name]
        for path, thing in tree.items():
            if home.tree.get(path) != thing and thing in self.ever:
                home.arrived[path] = self.ever[thing]
        home.remember(tree)

    def left(
        self,
        name: str,
        tree: Mapping[bytes, Thing],
        aside: frozenset[Thing],
        *,
        restoring: bool,
        looked: AbstractSet[bytes],
    ) -> None:
        """What an engine left in home; only a restore may have changed it. ``looked``: what of it it may have seen."""
        home = self.homes[name]
        for path, thing in home.tree.items():
            kept = tree.get(path) == thing or (restoring and thing in aside)
            _require(kept, f"{name} lost {path!r} in home", thing)
            stale = tree.get(path) != thing and self._is_its_own(name, path, tree.get(path))
            _require(not stale, f"{name} let {path!r} give way to what it saved before", thing)
        for path, thing in tree.items():
            if home.tree.get(path) != thing:
                _require(restoring and thing in self.ever, f"{name} invented {path!r}", thing)
                removed = path in home.gone and path not in home.tree
                back = removed and self._is_its_own(name, path, thing)
                _require(not back, f"{name} brought {path!r} back, which a person deleted", thing)
                home.arrived[path] = self.ever[thing]
        _require(home.aside <= aside, f"{name} lost what was kept aside", home.aside - aside)
        home.aside = aside
        home.gone = {path: n for path, n in home.gone.items() if path not in tree.keys() & looked}
        home.remember(tree)

    def _is_its_own(self, name: str, path: bytes, thing: Thing | None) -> bool:
        """Whether this is what an engine itself wrote to S3 from this path."""
        version = self.remote.get(key_of(path))
        mine = version is not None and version.writer == name and not version.beside
        return mine and version is not None and version.thing == thing

    def stale(self, name: str) -> set[bytes]:
        """Paths whose object this engine wrote and should have deleted by now."""
        home = self.homes[name]
        mine = {k for k, v in self.remote.items() if v.writer == name and not v.beside}
        # A file that came under another name keeps the key that it had.
        for path in home.arrived.keys() & home.tree.keys():
            mine -= {
                k for k in home.arrived[path] & mine if self.remote[k].thing == home.tree[path]
            }
        return {path for path in home.past.keys() - home.tree.keys() if key_of(path) in mine}

    def called_saved(self, name: str, tree: Mapping[bytes, Thing]) -> None:
        """The engine said that all of this is in S3; what others did to it since is theirs."""
        home = self.homes[name]
        now = self.things()
        for path, thing in tree.items():
            keys = home.keys(path)
            version = self.remote.get(key_of(path))
            saved = any(key in self.remote and self.remote[key].thing == thing for key in keys)
            saved = saved or (path in home.arrived and thing in now)
            theirs = (path, thing) in home.taken
            theirs = theirs or any(self.last.get(key, name) != name for key in keys)
            _require(saved or theirs, f"{name} calls {path!r} saved", (thing, version))


def _require(holds: bool, what: str, detail: object) -> None:
    if not holds:
        raise Broken(f"{what}: {detail}")
