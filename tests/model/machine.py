"""People at work in homes and in S3, engines between them, crashes and faults; after each step the model judges."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from jupyter_wherobots.sync.status import PassReport, shown
from tests.model.model import PREFIX, Broken, Home, Model, is_users, key_of
from tests.model.world import (
    USER,
    Instance,
    World,
    armed,
    clear_way,
    failpoint_names,
)
from tests.strict_s3 import Call, Fault, When

PATHS = [
    b"a",
    b"b.txt",
    b"nb.ipynb",
    b"d",
    b"d/a",
    b"d/e",
    b"d/e/f",
    "d/\u00e9 +%&=?#.txt".encode(),
    "e\u0301".encode(),
    b"bad\xff",
    b"new\nline",
    b".ssh/id_rsa",
    b".~nb.ipynb",
]
FOLDERS = [b"d", b"d/e", b".ssh", b"empty"]
KEYS = [key_of(path) for path in PATHS[:9]] + [
    PREFIX + key for key in ("theirs", "a//b", "../evil", "d/", "d/e/", "b (from S3).txt")
]
QUIET_PASSES = 10

paths = st.sampled_from(PATHS)
folders = st.sampled_from(FOLDERS)
keys = st.sampled_from(KEYS)
names = st.sampled_from(["one", "one", "one", "two"])
index = st.integers(0, 30)


@dataclass(frozen=True)
class Fails:
    """S3 fails some requests of one operation."""

    operation: str | None
    fault: Fault
    code: str
    times: int


@dataclass(frozen=True)
class Meanwhile:
    """A person does something while S3 works at the n-th request of an operation."""

    operation: str
    when: When
    nth: int
    action: tuple[Any, ...]


@dataclass(frozen=True)
class Deadline:
    """The deadline comes when the clock was looked at so often."""

    looks: int


operations = st.sampled_from(
    ["PutObject", "GetObject", "HeadObject", "CopyObject", "DeleteObject", "ListObjectsV2"]
)
fails = st.one_of(
    st.builds(
        Fails,
        st.none() | operations,
        st.sampled_from([Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.SHORT_BODY]),
        st.just("InternalError"),
        st.sampled_from([1, 2, 4, 8]),
    ),
    st.builds(
        Fails,
        st.none() | operations,
        st.sampled_from([Fault.ERROR, Fault.ERROR, Fault.ERROR_AFTER]),
        st.sampled_from(["SlowDown", "InternalError", "ConditionalRequestConflict"]),
        st.sampled_from([1, 2, 4, 8]),
    ),
    st.builds(
        Fails, st.none() | operations, st.just(Fault.ERROR), st.just("ExpiredToken"), st.just(1)
    ),
)
actions = st.one_of(
    st.tuples(st.just("write"), names, paths),
    st.tuples(st.just("edit"), names, index),
    st.tuples(st.just("delete"), names, index),
    st.tuples(st.just("rename"), names, index, paths),
    st.tuples(st.just("put"), keys),
    st.tuples(st.just("remove"), index),
)
meanwhile = st.builds(
    Meanwhile, operations, st.sampled_from(list(When)), st.sampled_from([1, 1, 2, 3]), actions
)
trouble = st.one_of(
    st.none(), st.none(), fails, meanwhile, meanwhile, st.builds(Deadline, st.integers(0, 40))
)


class Mirror(RuleBasedStateMachine):
    """``world`` is set by the test that runs it; ``steps`` counts over all examples."""

    world: ClassVar[World]
    steps: ClassVar[Counter[str]] = Counter()

    @initialize(threads=st.sampled_from([1, 1, 4]), versioned=st.booleans(), lease=st.booleans())
    def begin(self, threads: int, versioned: bool, lease: bool) -> None:
        self.world.begin()
        self.world.server.set_versioning("Enabled" if versioned else None)
        self.server, self.recorder = self.world.server, self.world.recorder
        self.model = Model()
        self.threads, self.lease = threads, lease
        self.instances: dict[str, Instance] = {}
        self.tokens = 0
        self.problems: list[BaseException] = []
        self._gone: dict[bytes, int] = {}
        self._start("one")

    def _start(self, name: str) -> None:
        instance = self.world.instance(self.threads, self.lease)
        self.instances[name] = instance
        self.model.homes[name] = Home()
        instance.open()

    def _instance(self, name: str) -> Instance:
        if name not in self.instances:
            self._start(name)
        return self.instances[name]

    def teardown(self) -> None:
        try:
            if getattr(self, "instances", None) and not self.problems:
                self._settle("one")
        finally:
            for instance in getattr(self, "instances", {}).values():
                instance.crash()
                self.world.discard(instance)

    # -- what people do --------------------------------------------------------------------------------

    def _local(
        self, what: str, name: str, change: Callable[[Instance], object], **how: bool
    ) -> None:
        """Something happens to a home; the model sees what is there before and after."""
        self.steps[what] += 1
        instance = self._instance(name)
        self.model.noticed(name, instance.tree())
        change(instance)
        self.model.user_changed(name, instance.tree(), **how)

    def _body(self, path: bytes, size: int = 0) -> bytes:
        self.tokens += 1
        text = b"%06d" % self.tokens
        if path.endswith(b".ipynb"):
            return b'{"cells": [], "n": "%s"}' % text
        return text + b"." * max(0, size - 6)

    def _pick(self, name: str, which: int) -> bytes | None:
        there = sorted(self._instance(name).tree())
        return there[which % len(there)] if there else None

    def write_now(self, name: str, path: bytes) -> None:
        def change(instance: Instance) -> None:
            with open(clear_way(instance.home, path), "wb") as file:
                file.write(self._body(path))

        self._local("write", name, change)

    @rule(name=names, path=paths)
    def write_more(self, name: str, path: bytes) -> None:
        self.write_now(name, path)

    @rule(name=names, path=paths)
    def write(self, name: str, path: bytes) -> None:
        self.write_now(name, path)

    def edit_now(self, name: str, which: int, *, keep_time: bool = False) -> None:
        path = self._pick(name, which)
        if path is None:
            return

        def change(instance: Instance) -> None:
            full = os.fsencode(instance.home) + b"/" + path
            if os.path.islink(full):
                return
            info = os.stat(full)
            with open(full, "r+b") as file:
                body = self._body(path, info.st_size)
                file.write(body)
                file.truncate(max(len(body), info.st_size) if keep_time else len(body))
            if keep_time:
                os.utime(full, ns=(info.st_atime_ns, info.st_mtime_ns))

        self._local("edit", name, change)

    @rule(name=names, which=index, keep_time=st.booleans())
    def edit(self, name: str, which: int, keep_time: bool) -> None:
        self.edit_now(name, which, keep_time=keep_time)

    @rule(name=names, which=index, size=st.sampled_from([0, 0, 3]))
    def truncate(self, name: str, which: int, size: int) -> None:
        path = self._pick(name, which)
        if path is not None:

            def change(instance: Instance) -> None:
                full = os.fsencode(instance.home) + b"/" + path
                if not os.path.islink(full):
                    os.truncate(full, size)

            self._local("truncate", name, change)

    @rule(name=names, which=index, mode=st.sampled_from([0o600, 0o644, 0o755]), when=index)
    def touch(self, name: str, which: int, mode: int, when: int) -> None:
        path = self._pick(name, which)
        if path is not None:

            def change(instance: Instance) -> None:
                full = os.fsencode(instance.home) + b"/" + path
                os.utime(full, ns=(when, when * 10**17 + when), follow_symlinks=False)
                if not os.path.islink(full):
                    os.chmod(full, mode)

            self._local("touch", name, change)

    def rename_now(self, name: str, which: int, to: bytes) -> None:
        path = self._pick(name, which)
        if path is not None and not to.startswith(path) and not path.startswith(to):

            def change(instance: Instance) -> None:
                target = clear_way(instance.home, to)
                source = os.fsencode(instance.home) + b"/" + path
                if os.path.lexists(source):  # else the way was cleared over it
                    os.rename(source, target)

            self._local("rename", name, change, renamed=True)

    @rule(name=names, which=index, to=paths)
    def rename(self, name: str, which: int, to: bytes) -> None:
        self.rename_now(name, which, to)

    @rule(name=names, which=index, other=index)
    def exchange(self, name: str, which: int, other: int) -> None:
        """Two files change places."""
        one, two = self._pick(name, which), self._pick(name, other)
        if one is not None and two is not None and one != two:

            def change(instance: Instance) -> None:
                home = os.fsencode(instance.home) + b"/"
                os.rename(home + one, home + b".between")
                os.rename(home + two, home + one)
                os.rename(home + b".between", home + two)

            self._local("exchange", name, change, renamed=True)

    @rule(name=names, folder=folders, to=st.sampled_from([b"moved", b"d/moved", b"a", b"d"]))
    def rename_folder(self, name: str, folder: bytes, to: bytes) -> None:
        home = os.fsencode(self._instance(name).home)
        if os.path.isdir(home + b"/" + folder) and not (to + b"/").startswith(folder + b"/"):
            if (folder + b"/").startswith(to + b"/"):
                return

            def change(instance: Instance) -> None:
                target = clear_way(instance.home, to)
                if os.path.isdir(home + b"/" + folder):
                    os.rename(home + b"/" + folder, target)

            self._local("rename folder", name, change, renamed=True)

    @rule(name=names, which=index, to=paths)
    def copy(self, name: str, which: int, to: bytes) -> None:
        path = self._pick(name, which)
        if path is not None and not to.startswith(path) and not path.startswith(to):

            def change(instance: Instance) -> None:
                target = clear_way(instance.home, to)
                source = os.fsencode(instance.home) + b"/" + path
                if os.path.lexists(source):
                    shutil.copy2(source, target, follow_symlinks=False)

            self._local("copy", name, change)

    @rule(name=names, path=paths, says=st.sampled_from([b"a", b"d", b"/etc", b"../..", b"nowhere"]))
    def link(self, name: str, path: bytes, says: bytes) -> None:
        self._local("link", name, lambda each: os.symlink(says, clear_way(each.home, path)))

    @rule(name=names, folder=folders)
    def make_folder(self, name: str, folder: bytes) -> None:
        def change(instance: Instance) -> None:
            clear_way(instance.home, folder + b"/x")

        self._local("mkdir", name, change)

    def delete_now(self, name: str, which: int) -> None:
        path = self._pick(name, which)
        if path is not None:
            self._local(
                "delete", name, lambda each: os.unlink(os.fsencode(each.home) + b"/" + path)
            )

    @rule(name=names, which=index)
    def delete(self, name: str, which: int) -> None:
        self.delete_now(name, which)

    @rule(name=names, folder=folders)
    def delete_folder(self, name: str, folder: bytes) -> None:
        def change(instance: Instance) -> None:
            full = os.fsencode(instance.home) + b"/" + folder
            if os.path.isdir(full) and not os.path.islink(full):
                shutil.rmtree(full)

        self._local("delete folder", name, change)

    def _as_person(self, what: str, change: Callable[[], object]) -> None:
        self.steps[what] += 1
        with self.recorder.as_person():
            change()

    def put_now(self, key: str, body: bytes | None = None) -> None:
        text = b"" if key.endswith("/") else body or self._body(key.encode())
        self._as_person("remote put", lambda: self.server.put(key, text))

    @rule(key=keys)
    def remote_put(self, key: str) -> None:
        self.put_now(key)
        self._learn()

    @rule(which=index, key=st.none() | keys)
    def remote_put_again(self, which: int, key: str | None) -> None:
        """The bytes of an object once more, in its own place or another."""
        there = sorted(self.model.remote)
        if there:
            source = there[which % len(there)]
            thing = self.model.remote[source].thing
            if is_users(source, thing):
                self.put_now(key or source, thing.body)
                self._learn()

    def remove_now(self, which: int) -> None:
        with self.recorder.as_person():
            there = self.server.keys(PREFIX)
        there = [key for key in there if not key.startswith(PREFIX + ".wherobots/")]
        if there:
            self._as_person("remote delete", lambda: self.server.delete(there[which % len(there)]))

    @rule(which=index)
    def remote_delete(self, which: int) -> None:
        self.remove_now(which)
        self._learn()

    def _learn(self, may_replace: bool = True) -> None:
        """Show the model what happened in S3."""
        changes, self.recorder.changes = self.recorder.changes, []
        for change in changes:
            gone = self._gone if change.writer == self.recorder.engine else {}
            self.model.changed(change, gone, may_replace=may_replace)

    # -- what engines do -------------------------------------------------------------------------------

    def _engine(
        self,
        what: str,
        name: str,
        act: Callable[[Instance], object],
        *,
        restoring: bool,
        looks: bool = False,
        point: tuple[str, int] | None = None,
    ) -> Any:
        """A step of an engine, and the judgement; None if it ended in a crash, at a failpoint."""
        self.steps[what] += 1
        instance = self._instance(name)
        self.recorder.engine = name
        self._gone = dict(self.model.homes[name].gone)
        result: Any = None
        may_replace = instance.engine.may_replace()
        seen = instance.tree().keys()
        try:
            with armed(*(point or (None,))) as trap:
                result = act(instance)
            instance.quiesce()
            may_replace = may_replace or instance.engine.may_replace()
            if trap.sprung:
                self.steps["crash"] += 1
                result = None
                instance.crash()
                instance.open()
        finally:
            instance.clock.leap_after = None
            self.server.heal()
        if self.problems:
            raise self.problems[0]
        self.model.witness(self.recorder.changes)
        tree = instance.tree()
        looked = seen if looks and result is not None and result.error is None else set()
        self.model.left(name, tree, instance.aside(), restoring=restoring, looked=looked)
        self._learn(may_replace)
        self.recorder.engine = USER
        return result

    def _pass(
        self,
        what: str,
        name: str,
        act: Callable[[Instance], PassReport],
        point: tuple[str, int] | None = None,
    ) -> Any:
        instance = self._instance(name)
        self.model.pass_begins(name)
        before = self.model.homes[name].mirrored()
        restoring = not instance.engine.restored
        report = self._engine(what, name, act, restoring=restoring, looks=True, point=point)
        if report is not None and report.complete:
            now = self.model.homes[name].mirrored()
            same = {path: thing for path, thing in before.items() if now.get(path) == thing}
            self.model.called_saved(name, same)
        return report

    def _upset(self, instance: Instance, what: object) -> None:
        if isinstance(what, Fails):
            self.server.fail(what.operation, what.fault, code=what.code, times=what.times)
        elif isinstance(what, Deadline):
            instance.clock.leap_after = what.looks
        elif isinstance(what, Meanwhile):
            left = what.nth

            def strike(call: Call) -> None:
                nonlocal left
                left -= 1
                if left == 0:
                    try:
                        self._act(*what.action)
                        self.steps["beside"] += instance.hint((b"", b"d", b"d/e"))
                    except BaseException as problem:  # noqa: BLE001 - raised by the step that it is part of
                        self.problems.append(problem)

            self.server.on(what.operation, strike, when=what.when)

    def _act(self, kind: str, *arguments: Any) -> None:
        now: dict[str, Callable[..., None]] = {
            "write": self.write_now,
            "edit": self.edit_now,
            "delete": self.delete_now,
            "rename": self.rename_now,
            "put": self.put_now,
            "remove": self.remove_now,
        }
        if kind in ("put", "remove") or arguments[0] in self.instances:
            now[kind](*arguments)

    @rule(name=names, what=trouble)
    def run_pass(self, name: str, what: object) -> None:
        deadline = 500.0 if isinstance(what, Deadline) else None

        def act(instance: Instance) -> PassReport:
            self._upset(instance, what)
            return instance.sync.run_pass(deadline=deadline)

        self._pass("pass", name, act)

    @rule(
        name=names,
        some=st.lists(paths, min_size=1, max_size=3),
        nth=st.integers(1, 3),
        when=st.sampled_from(list(When)),
        action=actions,
        point=st.none() | st.tuples(st.sampled_from(failpoint_names()), st.integers(1, 3)),
    )
    def run_pass_beside(
        self,
        name: str,
        some: list[bytes],
        nth: int,
        when: When,
        action: tuple[Any, ...],
        point: tuple[str, int] | None,
    ) -> None:
        """Something changes while other files are sent, and another pass is made beside; perhaps one of them dies."""
        for path in some:
            self.write_now(name, path)

        def act(instance: Instance) -> PassReport:
            self._upset(instance, Meanwhile("PutObject", when, nth, action))
            return instance.sync.run_pass()

        self._pass("pass", name, act, point=point)

    @rule(name=names)
    def run_plain_pass(self, name: str) -> None:
        self._pass("pass", name, lambda each: each.sync.run_pass())

    @rule(name=names, what=trouble)
    def final(self, name: str, what: object) -> None:
        """The last pass, and a new start."""

        def act(instance: Instance) -> PassReport:
            self._upset(instance, what)
            return instance.sync.final(500.0)

        self._instance(name)
        self.model.pass_begins(name)  # it looks twice
        self._pass("final", name, act)
        self._restart(self._instance(name))

    def _restart(self, instance: Instance) -> None:
        instance.sync.stop()
        instance.open()

    @rule(name=names, what=trouble)
    def restart(self, name: str, what: object) -> None:
        """Stop without a word, start, restore."""

        def act(instance: Instance) -> object:
            self._restart(instance)
            self._upset(instance, what)
            return instance.sync.restore()

        self._engine("restore", name, act, restoring=True)

    @rule(
        name=names,
        path=paths,
        point=st.sampled_from(failpoint_names()),
        count=st.integers(1, 4),
        restores=st.booleans(),
    )
    def crash(self, name: str, path: bytes, point: str, count: int, restores: bool) -> None:
        """Die at a failpoint, if it is reached, in a pass or in a start; something is there to be done."""
        if restores:
            self.put_now(key_of(path) if key_of(path) in KEYS else KEYS[0])
            self._learn()
        else:
            self.write_now(name, path)

        if restores:

            def act(instance: Instance) -> object:
                self._restart(instance)
                return instance.sync.restore()

            self._engine("restore", name, act, restoring=True, point=(point, count))
        else:
            self._pass("pass", name, lambda each: each.sync.run_pass(), point=(point, count))

    @rule(name=names, renews=st.booleans())
    def time_passes(self, name: str, renews: bool) -> None:
        """So long that a lease which is not renewed may be taken; one instance is the first to look."""
        self._instance(name)
        self.steps["time"] += 1
        self.server.clock.advance(100)
        for instance in self.instances.values():
            instance.clock.leap(100)
        for instance in [self.instances[name], *self.instances.values()]:
            instance.renew_lease()
            if not renews:
                break  # the others have lost the network

    # -- what must come of it ----------------------------------------------------------------------------

    def _settle(self, name: str) -> None:
        """Nothing happens any more: some passes later all is saved, nothing is asked of S3, nothing is left over."""
        saving = self.instances[name].home / ".~nb.ipynb"
        if os.path.lexists(saving):  # Jupyter does not save for ever
            self._local("delete", name, lambda _: saving.unlink())
        self.time_passes(name, renews=False)
        quiet = passes = 0
        while quiet < 2:  # the first that finds a file gone asks nothing either
            asked = self.server.count()
            report: PassReport = self._pass("quiet pass", name, lambda each: each.sync.run_pass())
            quiet = quiet + 1 if report.complete and self.server.count() == asked else 0
            passes += 1
            if passes > QUIET_PASSES:
                raise Broken(f"{name} never rests: {report}")
        instance = self.instances[name]
        if self.server.uploads():
            raise Broken(f"uploads are left: {self.server.uploads()}")
        if instance.pending_intents():
            raise Broken("the journal has writes whose outcome it does not know")
        if instance.sync.status().pending_files:
            raise Broken(f"pending: {instance.sync.status()}")
        held = set(report.pending_deletes.examples)
        stale = {path for path in self.model.stale(name) if shown(path) not in held}
        if stale:
            raise Broken(f"deleted in {name}, but still in S3: {stale}")

    @rule(name=names, word=st.sampled_from(["confirm deletes", "save again", "check remote"]))
    def say(self, name: str, word: str) -> None:
        """A person looks, or answers what the mirror asks."""
        sync = self._instance(name).sync
        if word == "check remote":
            self._engine(word, name, lambda each: each.sync.check_remote(), restoring=False)
        elif word == "save again":
            self.steps[word] += sync.save_again() > 0
        elif sync.confirm_deletes():
            self.steps[word] += 1
            home = self.model.homes[name]
            home.confirmed |= home.gone.keys() - home.tree.keys()

    @rule(name=names)
    def settle(self, name: str) -> None:
        self._instance(name)
        self._settle(name)

    @rule(moves_in=st.booleans())
    def restore_into_an_empty_home(self, moves_in: bool) -> None:
        """A new pod: everything that lies in S3 comes, under its own name if an engine put it there."""
        self._start("new")
        new = self.instances["new"]
        wanted = self.model.things()
        report = self._engine("restore", "new", lambda each: each.sync.restore(), restoring=True)
        assert report.complete, report
        tree = new.tree()
        if Counter(tree.values()) != wanted:
            raise Broken(f"restored {tree}, but S3 has {self.model.remote}")
        before = self.model.users()
        self._settle("new")
        if before != self.model.users():
            raise Broken(f"what was only restored is saved again: {self.model.users()}")
        if moves_in:
            self._retire("one")
            self.instances["one"] = self.instances.pop("new")
            self._rename_home("new", "one")
        else:
            self._retire("new")

    def _retire(self, name: str) -> None:
        instance = self.instances.pop(name)
        instance.crash()
        self.world.discard(instance)
        self._rename_home(name, f"dead {self.steps.total()}")

    def _rename_home(self, name: str, new: str) -> None:
        self.model.homes[new] = self.model.homes.pop(name)
        versions = self.recorder.versions
        for key, version in versions.items():
            if version.writer == name:
                versions[key] = version._replace(writer=new)
                self.model.remote[key] = versions[key]
        for key, writer in self.model.last.items():
            if writer == name:
                self.model.last[key] = new
