"""What lies in home now, compared with the journal as it is walked: only differences are kept.

The scan is the truth that hints only hurry. It never follows a link, never crosses into another file system, opens folders
alone (so no fifo can hang it), and an error is never an absence: a name is *missing* only if its folder was
read to the end without it, or that folder itself is missing.
"""

from __future__ import annotations

import errno
import os
import stat as st
import struct
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ..mounts import mounts_below
from ..s3.client import Stop
from . import beneath, sidecars
from .filestat import pack, pack_members
from .ignore import (
    CACHE_TAG,
    RULES_FILE,
    SSH,
    STAGED,
    Ignore,
    Rules,
    is_cache,
    is_private_key,
    message,
    parse,
    ruled,
)
from .journal import ATTENTION, Flag, Journal
from .status import NotDurable, Skipped, SkipReason, Why, shown

_MAX_RULES = 1024 * 1024
_LOST_AND_FOUND = b"lost+found"
"""Where home is a file system of its own, this folder is fsck's, and root's."""
_OURS = (b".~", STAGED)
_READ_AGAIN = int(Flag.RACY | Flag.PENDING | Flag.ABSENT | Flag.BACK)
_NOTED = ATTENTION & ~int(Flag.RACY | Flag.PENDING | Flag.BACK)


class Entry(NamedTuple):
    """A file or link that is not as the journal has it."""

    path: bytes
    stat: bytes
    links: int


@dataclass
class Scan:
    """What one walk found.

    ``missing``: journaled, and certainly not in home. ``hidden``: journaled, but not mirrored any more, or now. ``seen``: rows
    that are as the journal has them and want to be recorded as seen. ``folders`` and their stats. ``linked``: the paths
    of each inode that has several names. ``unread``: folders that are there, but were not read. ``unreadable``: what an error
    kept from being looked at, a folder with a slash at its end. ``complete``: nothing was left unread. ``moved``: a folder
    went, or was replaced, before it was read: what was in it may lie where was looked before.
    """

    files: int = 0
    size: int = 0
    changed: list[Entry] = field(default_factory=list)
    seen: list[bytes] = field(default_factory=list)
    missing: list[bytes] = field(default_factory=list)
    hidden: list[bytes] = field(default_factory=list)
    folders: dict[bytes, os.stat_result] = field(default_factory=dict)
    linked: dict[tuple[int, int], list[bytes]] = field(default_factory=dict)
    unread: list[bytes] = field(default_factory=list)
    unreadable: dict[bytes, NotDurable] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    complete: bool = True
    moved: bool = False
    stopped: bool = False


class Scanner:
    """Walks one home. ``root`` is its open folder."""

    def __init__(self, root: int, home: Path, journal: Journal, ignore: Ignore, stop: Stop) -> None:
        self._root = root
        self._home = home
        self._journal = journal
        self._ignore = ignore
        self._stop = stop

    def scan(
        self,
        only: Iterable[bytes] | None = None,
        *,
        deep: bool = False,
        known: Container[bytes] = (),
    ) -> Scan:
        """Walk home, or (``only``) look at these folders alone; ``deep``: and at what lies in them and is not ``known``.

        A walk of chosen folders says nothing of absence: ``missing`` and ``hidden`` stay empty.
        """
        walk = _Walk(self._root, mounts_below(self._home), self._journal, self._ignore)
        found = walk.found
        stack = [_Folder(b"", None, ())] if only is None else [*map(walk.reached, only)]
        while stack:
            if self._stop.is_set():
                found.complete, found.stopped = False, True
                break
            folder = stack.pop()
            below = walk.read(folder) if folder is not None else ()
            if only is None:
                stack.extend(below)
            elif deep:
                stack.extend(each for each in below if each.path not in known)
        if only is not None or found.stopped:
            found.missing, found.hidden = [], []
        else:
            walk.judge_unreached()
        return found


class _Folder(NamedTuple):
    """A folder to be read, as its parent showed it."""

    path: bytes
    identity: tuple[int, int] | None
    rules: tuple[Rules, ...]


class _Walk:
    """One walk in progress."""

    def __init__(
        self, root: int, mounts: frozenset[bytes], journal: Journal, ignore: Ignore
    ) -> None:
        self.found = Scan()
        self._root = root
        self._device = os.fstat(root).st_dev
        self._mounts = mounts
        self._journal = journal
        self._ignore = ignore
        # Of each folder that was read: the names in it that are there without being mirrored. None: nothing
        # can be said of what is in it.
        self._hidden: dict[bytes, set[bytes] | None] = {}
        self._replaced: list[bytes] = []
        # The rules that hold in a folder; None: a rule leaves out the folder itself.
        self._rules_in: dict[bytes, tuple[Rules, ...] | None] = {}

    def reached(self, path: bytes) -> _Folder | None:
        """A folder as a walk from the top would reach it, with the rules above it; None if it is not mirrored."""
        rules: tuple[Rules, ...] = ()
        here = b""
        for name in path.split(b"/") if path else ():
            try:
                with beneath.folder(self._root, here) as folder:
                    rules = self._rules(here, folder, rules)
            except OSError:
                # It went, or a link took its place: the next walk from the top will say.
                return None
            here = here + b"/" + name if here else name
            if here in self._mounts or self._ignore.folder(here, name, rules):
                return None
        return _Folder(path, None, rules)

    def read(self, folder: _Folder) -> list[_Folder]:
        """Read one folder; returns those in it that are to be read."""
        path = folder.path
        try:
            fd = beneath.open_folder(self._root, path, folder.identity)
        except OSError as error:
            return self._not_read(path, error)
        try:
            with os.scandir(fd) as entries:
                return self._entries(folder, fd, list(entries))
        except OSError as error:
            return self._not_read(path, error)
        finally:
            os.close(fd)

    def _entries(  # noqa: PLR0912, PLR0915 - a call for each file would double the time of an idle scan
        self, folder: _Folder, fd: int, listing: list[os.DirEntry[str]]
    ) -> list[_Folder]:
        """Compare a folder's entries with the journal. This loop runs for every file in every scan: it is kept lean."""
        path, _, rules = folder
        info = os.fstat(fd)
        names = [os.fsencode(entry.name) for entry in listing]
        if info.st_dev != self._device:
            return self._leave(path, SkipReason.OTHER_DEVICE)
        if (
            CACHE_TAG in names
            and b"pyvenv.cfg" not in names
            and is_cache(beneath.head(fd, CACHE_TAG))
        ):
            return self._leave(path, SkipReason.CACHE)
        if RULES_FILE in names:
            rules = self._rules(path, fd, rules)
        self._rules_in[path] = rules
        found, ignore, changed = self.found, self._ignore, self.found.changed
        found.folders[path] = info
        prefix = path + b"/" if path else b""
        known = self._journal.folder(path)
        databases = sidecars.in_use(fd, names)
        logs = {name for live in databases.values() for name in live}
        look_closer = bool(rules or self._mounts or logs) or ignore.looks_closer(path)
        hidden: set[bytes] = set()
        vanished: set[bytes] = set()
        below: list[_Folder] = []
        matched = files = size = 0
        for name, entry in zip(names, listing, strict=True):
            if entry.is_dir(follow_symlinks=False):
                inner = prefix + name
                reason = ignore.folder(inner, name, rules)
                if reason is None and inner in self._mounts:
                    reason = SkipReason.OTHER_DEVICE
                if reason is None:
                    try:
                        # Not the inode of the listing: FUSE and overlays may list another.
                        stat = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        vanished.add(name)
                        found.moved = True
                        continue
                    except OSError as error:
                        hidden.add(name)
                        self._unreadable(inner, error, folder=True)
                        continue
                    below.append(_Folder(inner, (stat.st_dev, stat.st_ino), rules))
                else:
                    hidden.add(name)
                    self._skip(inner + b"/", reason)
                continue
            if look_closer or name.startswith(_OURS):
                inner = prefix + name
                reason = ignore.file(inner, name, rules)
                if reason is None and inner in self._mounts:
                    reason = SkipReason.OTHER_DEVICE
                if reason is None and name in logs:
                    reason = SkipReason.DATABASE_LOG
                if reason is None and path == SSH and is_private_key(beneath.head(fd, name)):
                    brought_back = ruled(rules, inner, False) is False
                    reason = None if brought_back else SkipReason.CREDENTIALS
                if reason is not None:
                    hidden.add(name)
                    self._skip(inner, reason)
                    continue
            try:
                stat = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                vanished.add(name)
                continue
            except OSError as error:
                hidden.add(name)
                self._unreadable(prefix + name, error)
                continue
            try:
                # `pack`, without the call.
                packed = pack_members(
                    stat.st_dev,
                    stat.st_ino,
                    stat.st_size,
                    stat.st_mtime_ns,
                    stat.st_ctime_ns,
                    stat.st_mode,
                )
            except struct.error:
                packed = pack(stat)
            if name in databases:
                packed = sidecars.together(fd, stat, databases[name])
            row = known.get(name)
            if row is not None and row.stat == packed:
                if row.flags & ATTENTION:
                    self._attend(Entry(prefix + name, packed, stat.st_nlink), row.flags)
            elif st.S_ISREG(stat.st_mode) or st.S_ISLNK(stat.st_mode):
                changed.append(Entry(prefix + name, packed, stat.st_nlink))
            else:
                hidden.add(name)
                self._skip(prefix + name, SkipReason.SPECIAL)
                continue
            files += 1
            size += stat.st_size
            if stat.st_nlink > 1:
                found.linked.setdefault((stat.st_dev, stat.st_ino), []).append(prefix + name)
            matched += row is not None
        found.files += files
        found.size += size
        if matched != len(known):
            folders = {each.path[len(prefix) :] for each in below}
            # A folder where a file was: the file is gone.
            gone = known.keys() - (set(names) - vanished - folders)
            self._lost([prefix + name for name in gone])
            found.hidden += [prefix + name for name in known.keys() & hidden]
        self._hidden[path] = hidden
        return below

    def _attend(self, entry: Entry, flags: int) -> None:
        if flags & _READ_AGAIN:
            self.found.changed.append(entry)
        if flags & _NOTED:
            self.found.seen.append(entry.path)

    # -- what was not reached ---------------------------------------------------------------------

    def _not_read(self, path: bytes, error: OSError) -> list[_Folder]:
        if beneath.is_gone(error):  # since its parent was read
            self.found.moved = True
            return []
        self.found.unread.append(path)
        if error.errno == errno.ESTALE:
            self._replaced.append(path)
            self.found.complete, self.found.moved = False, True
        elif path == _LOST_AND_FOUND and isinstance(error, PermissionError):
            return self._leave(path, SkipReason.UNREADABLE)
        else:
            self._unreadable(path, error, folder=True)
        return []

    def judge_unreached(self) -> None:
        """Say of the journaled files in folders that were not read whether they are missing or only hidden.

        Nothing is said of those in a folder that came, or was replaced, during the walk: the next one will read it.
        """
        verdicts: dict[bytes, bool | None] = dict.fromkeys(self._replaced)
        for folder in self._journal.folders():
            if self._hidden.get(folder) is None:
                gone = folder not in self._hidden and self._is_gone(folder, verdicts)
                prefix = folder + b"/" if folder else b""
                rows = [prefix + name for name in self._journal.folder(folder)]
                if gone:
                    self._lost(rows)
                elif gone is not None:
                    self.found.hidden += rows

    def _lost(self, paths: list[bytes]) -> None:
        """These are not there. What a rule leaves out by now may have been deleted because it is left out."""
        for path in paths:
            folder, _, name = path.rpartition(b"/")
            rules = self._rules_within(folder)
            ruled_out = rules is None or self._ignore.file(path, name, rules) is not None
            (self.found.hidden if ruled_out else self.found.missing).append(path)

    def _rules_within(self, folder: bytes) -> tuple[Rules, ...] | None:
        """The rules in a folder that may not exist any more, or None if one of them leaves it out."""
        trail = []
        while folder and folder not in self._rules_in:
            trail.append(folder)
            folder = folder.rpartition(b"/")[0]
        rules = self._rules_in.setdefault(folder, ())  # no recursion: see `arrivals.Local`
        for below in reversed(trail):
            name = below.rpartition(b"/")[2]
            if rules is not None and self._ignore.folder(below, name, rules):
                rules = None
            self._rules_in[below] = rules
        return rules

    def _is_gone(self, folder: bytes, verdicts: dict[bytes, bool | None]) -> bool | None:
        """Whether a folder that was not read is certainly not there; None if that cannot be said this time."""
        trail = [folder]
        while trail[-1] not in verdicts:
            folder = trail[-1]
            parent, _, name = folder.rpartition(b"/")
            if parent in self._hidden:
                hidden = self._hidden[parent]
                visible = hidden is not None and name not in hidden
                verdicts[folder] = visible and (self._no_folder(folder) or None)
            elif not parent:
                verdicts[folder] = False  # home itself was not read
            else:
                trail.append(parent)
        verdict = verdicts[trail[-1]]
        verdicts.update(dict.fromkeys(trail, verdict))
        return verdict

    def _no_folder(self, path: bytes) -> bool:
        """Whether there is certainly no folder at a path; an error is never an absence."""
        try:
            return not st.S_ISDIR(beneath.lstat(self._root, path).st_mode)
        except OSError as error:
            return beneath.is_gone(error)

    # -- rules and omissions ----------------------------------------------------------------------

    def _rules(self, path: bytes, folder: int, above: tuple[Rules, ...]) -> tuple[Rules, ...]:
        """The rules that hold in an open folder: those above it and its own."""
        name = path + b"/" + RULES_FILE if path else RULES_FILE
        try:
            fd = beneath.open_file(folder, RULES_FILE)
            try:
                rules = parse(path, os.read(fd, _MAX_RULES))
            finally:
                os.close(fd)
        except FileNotFoundError:
            return above
        except OSError as error:
            # git does not follow such a link either.
            is_link = error.errno == errno.ELOOP
            why = "it is a link, and none is followed" if is_link else error.strerror
            self.found.notes.append(f"The rules in {shown(name)} do not hold: {why}.")
            return above
        self.found.notes += [f"{shown(name)}: {problem}" for problem in rules.problems]
        return (*above, rules)

    def _leave(self, path: bytes, reason: SkipReason) -> list[_Folder]:
        """Leave out a folder that was already opened."""
        self._hidden[path] = None
        self._skip(path + b"/", reason)
        return []

    def _skip(self, path: bytes, reason: SkipReason) -> None:
        text = message(reason, path.rstrip(b"/"))
        self.found.skipped.append(Skipped(shown(path), reason, text))

    def _unreadable(self, path: bytes, error: OSError, *, folder: bool = False) -> None:
        self._hidden.setdefault(path, None)
        self.found.complete = False
        text = f"It cannot be read: {error.strerror or error}."
        path += b"/" if folder else b""
        self.found.unreadable[path] = NotDurable(shown(path), Why.UNREADABLE, text)
