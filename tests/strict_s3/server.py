"""The server: an HTTP endpoint on a thread, and the tests' way to look at and change its state."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from tests.strict_s3 import control
from tests.strict_s3.bodies import Body, Synthetic
from tests.strict_s3.calls import Call, Operation
from tests.strict_s3.clock import Clock
from tests.strict_s3.conditions import Access, Denial, Quirk
from tests.strict_s3.dispatch import Dispatcher, Signatures
from tests.strict_s3.faults import Fault, FaultRule, Gate, Hook, Interference, Match, When
from tests.strict_s3.http import Connection, HttpRequest, Response
from tests.strict_s3.journal import Journal, Record
from tests.strict_s3.objects import remove
from tests.strict_s3.state import Limits, State
from tests.strict_s3.store import Bucket, Generated, Upload, Version

WRITES = frozenset({Access.WRITE, Access.DELETE})


class StrictS3:
    """An S3 in memory that listens on 127.0.0.1 from `start()` (or `with`) to `stop()`.

    Methods may be called from any thread; none of them counts as a request. `bucket` is the name
    of the bucket that exists from the beginning and that they are about.
    """

    def __init__(
        self,
        bucket: str = "strict-bucket",
        *,
        port: int = 0,
        region: str = "us-east-1",
        seed: int | None = None,
    ) -> None:
        self.bucket = bucket
        self.region = region
        self._port = port
        self._seed = seed
        self.journal = Journal()
        self.signatures = Signatures()
        self._interference = Interference()
        self._state = State(region, random.Random(seed))
        self._state.buckets[bucket] = Bucket(bucket)
        self._dispatcher = Dispatcher(
            self._state, self.signatures, self._interference, self.journal, self._control
        )
        self._connections: set[Connection] = set()
        self._failures: list[BaseException] = []
        self._loop: asyncio.AbstractEventLoop
        self._thread: threading.Thread | None = None

    # Life

    def start(self) -> StrictS3:
        """Listen; returns when the port is open. Raises OSError when it is taken."""
        port: Future[int] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(port)), name="strict-s3", daemon=True
        )
        self._thread.start()
        self._port = port.result(timeout=10)
        return self

    def stop(self) -> None:
        """Close everything. Raises what a hook, or the server itself, had raised meanwhile."""
        if self._thread is not None:
            self._interference.clear()
            self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join(timeout=10)
            if self._thread.is_alive():
                raise RuntimeError("the strict S3 did not stop: a hook is still running")
            self._thread = None
        if self._failures:
            raise self._failures.pop()

    def __enter__(self) -> StrictS3:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    async def _run(self, port: Future[int]) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._failed)
        self._stopped = asyncio.Event()
        try:
            server = await self._loop.create_server(
                lambda: Connection(self._dispatcher, self.journal, self._connections),
                "127.0.0.1",
                self._port,
                backlog=1024,
            )
        except OSError as error:
            port.set_exception(error)
            return
        port.set_result(server.sockets[0].getsockname()[1])
        await self._stopped.wait()
        server.close()
        for connection in list(self._connections):
            connection.abort()

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        failure = context.get("exception")
        lost_connection = "transport" in context and isinstance(failure, OSError)
        if isinstance(failure, Exception) and not lost_connection:
            self._failures.append(failure)

    @property
    def port(self) -> int:
        """The port it listens on, the same when it is started again."""
        return self._port

    @property
    def url(self) -> str:
        """What AWS_ENDPOINT_URL_S3 is set to."""
        return f"http://127.0.0.1:{self._port}"

    def _control(self, request: HttpRequest) -> Response:
        return control.answer(self, request.body)

    def drop_connections(self) -> None:
        """Reset every connection that is open now."""

        def drop() -> None:
            for connection in list(self._connections):
                connection.abort()

        self._loop.call_soon_threadsafe(drop)

    # Rules

    @property
    def clock(self) -> Clock:
        """The clock of Date, Last-Modified and Initiated."""
        return self._state.clock

    @property
    def limits(self) -> Limits:
        """S3's limits, to be lowered."""
        return self._state.limits

    @property
    def quirks(self) -> set[Quirk]:
        """Rules that are broken as some store breaks them; add to it and remove from it."""
        return self._state.policy.quirks

    def set_versioning(self, status: str | None = "Enabled") -> None:
        """ "Enabled", "Suspended", or None: never enabled."""
        self._state.buckets[self.bucket].versioning = status

    def deny(self, prefix: str = "", access: Iterable[Access] = WRITES) -> None:
        """Answer AccessDenied under a prefix; by default to every write and delete."""
        self._state.policy.denials.append(Denial(frozenset(access), prefix))

    def allow_all(self) -> None:
        """Take back every `deny`."""
        self._state.policy.denials.clear()

    @property
    def latency(self) -> float:
        """Seconds that every answer takes; requests overlap, so `journal.peak` means something."""
        return self._dispatcher.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._dispatcher.latency = seconds

    # Interference

    def fail(
        self,
        operation: Operation | str | None = None,
        fault: Fault = Fault.ERROR,
        *,
        code: str = "InternalError",
        key: str = "*",
        conditional: bool | None = None,
        times: int | None = 1,
        probability: float = 1.0,
        seconds: float = 0.0,
        seed: int = 0,
    ) -> FaultRule:
        """Let the next `times` matching requests fail (None: all of them, until `heal()`).

        Raises ValueError for an operation or a code that S3 has not. `hits` of what is returned
        counts how often it struck.
        """
        rule = FaultRule(
            match=_match(operation, key, conditional),
            fault=fault,
            code=code,
            times=times,
            probability=probability,
            seconds=seconds,
            random=random.Random(seed),
        )
        self._interference.rules += (rule,)
        return rule

    def gate(
        self,
        operation: Operation | str | None = None,
        *,
        key: str = "*",
        conditional: bool | None = None,
        when: When = When.BEFORE,
    ) -> Gate:
        """Hold matching requests before they are carried out, or before they are answered."""
        gate = Gate(_match(operation, key, conditional), when, self._loop)
        self._interference.gates += (gate,)
        return gate

    @property
    def gates(self) -> tuple[Gate, ...]:
        """All gates since the last `heal()`."""
        return self._interference.gates

    def on(
        self,
        operation: Operation | str | None,
        callback: Callable[[Call], None],
        *,
        key: str = "*",
        conditional: bool | None = None,
        when: When = When.BEFORE,
        times: int | None = None,
    ) -> Hook:
        """Call a function with each matching request; the request waits for it."""
        hook = Hook(_match(operation, key, conditional), callback, when, times)
        self._interference.hooks += (hook,)
        return hook

    def heal(self) -> None:
        """Forget all faults and hooks, open all gates."""
        self._interference.clear()

    # Looking

    def count(self, *operations: Operation | str) -> int:
        """How many requests of these operations were answered or dropped; of all if none given."""
        if not operations:
            return sum(self.journal.counts.values())
        return sum(self.journal.counts[Operation(each)] for each in operations)

    @property
    def counts(self) -> dict[str, int]:
        """Requests by operation."""
        return {operation.value: count for operation, count in self.journal.counts.items()}

    @property
    def requests(self) -> list[Record]:
        """The last requests, oldest first (at most 100,000)."""
        return list(self.journal.requests)

    def wait_for(self, operation: Operation | str, count: int = 1, timeout: float = 10.0) -> None:
        """Block until so many requests of an operation were carried out or refused; the answer
        may still be on its way. Raises TimeoutError."""
        if not self.journal.wait(lambda: self.count(operation) >= count, timeout):
            raise TimeoutError(f"{self.count(operation)} of {count} {operation}: {self.counts}")

    def wait_until(self, true: Callable[[], bool], timeout: float = 10.0) -> None:
        """Block until `true()` holds, looked at after each request. Raises TimeoutError."""
        if not self.journal.wait(true, timeout):
            raise TimeoutError(f"it never came true; requests: {self.counts}")

    # The state

    def wait_until_left(self, timeout: float = 10.0) -> None:
        """Block until no client is connected, and all that they had sent is carried out. Raises TimeoutError.

        What a killed process sent last may be read only after its death.
        """
        control.Remote(self.url)("stats")  # accepted after all who came before
        asyncio.run_coroutine_threadsafe(self._left(), self._loop).result(timeout)

    async def _left(self) -> None:
        while self._connections:
            await asyncio.gather(*(each.end() for each in self._connections))

    def put(
        self,
        key: str,
        body: bytes = b"",
        *,
        metadata: Mapping[str, str] | None = None,
        content_type: str = "binary/octet-stream",
    ) -> str:
        """Write an object, as another client would; returns its ETag, quoted."""
        return self._put(key, body, metadata or {}, content_type)

    def put_synthetic(self, key: str, size: int) -> str:
        """Write an object of any size that takes no memory; returns its ETag, quoted."""
        return self._put(key, Synthetic(key, size), {}, "binary/octet-stream")

    def _put(self, key: str, body: Body, metadata: Mapping[str, str], content_type: str) -> str:
        with self._dispatcher.lock:
            bucket = self._state.buckets[self.bucket]
            version = Version(
                key=key,
                etag=self._state.token(),
                last_modified=self.clock.now(),
                body=body,
                metadata=metadata,
                headers={"content-type": content_type},
                version_id=self._state.version_id(bucket),
            )
            bucket.add(version)
            return f'"{version.etag}"'

    def put_many(self, objects: Mapping[str, bytes]) -> None:
        """Write many objects at once."""
        with self._dispatcher.lock:
            for key, body in objects.items():
                self._put(key, body, {}, "binary/octet-stream")

    def generate(
        self, prefix: str, count: int, *, size: int = 1000, name: str = "{index:08d}.bin"
    ) -> None:
        """Let `count` keys of `size` bytes exist without memory.

        `name` is a format of `index`, `high` (index // 1000) and `low` (index % 1000) that must
        give names in key order, for instance "{high:05d}/{low:03d}.csv"; else ValueError.
        """

        def key(index: int) -> str:
            return prefix + name.format(index=index, high=index // 1000, low=index % 1000)

        with self._dispatcher.lock:
            region = Generated(key, count, size, self.clock.now())
            self._state.buckets[self.bucket].generate(region)

    def delete(self, key: str) -> None:
        """Delete an object, as another client would."""
        with self._dispatcher.lock:
            remove(self._state, self._state.buckets[self.bucket], key, None)

    def object(self, key: str) -> Version | None:
        """The current version, None if there is none."""
        with self._dispatcher.lock:
            return self._state.buckets[self.bucket].current(key)

    def versions(self, key: str) -> list[Version]:
        """All versions and delete markers of a key, newest first."""
        with self._dispatcher.lock:
            return self._state.buckets[self.bucket].versions(key)

    def body(self, key: str) -> bytes:
        """The bytes of an object. Raises KeyError."""
        version = self.object(key)
        if version is None:
            raise KeyError(key)
        return version.body[:]

    def keys(self, prefix: str = "") -> list[str]:
        """The keys of all current objects under a prefix, in order; not for generated millions."""
        found = []
        with self._dispatcher.lock:
            bucket = self._state.buckets[self.bucket]
            for version in bucket.from_key(prefix):
                if not version.key.startswith(prefix):
                    break
                if not version.is_delete_marker:
                    found.append(version.key)
        return found

    def contents(self, prefix: str = "") -> dict[str, bytes]:
        """The bytes of all current objects under a prefix."""
        with self._dispatcher.lock:
            return {key: self.body(key) for key in self.keys(prefix)}

    def uploads(self) -> list[Upload]:
        """The multipart uploads that are neither completed nor aborted."""
        with self._dispatcher.lock:
            return [
                replace(upload, parts=dict(upload.parts))
                for upload in self._state.buckets[self.bucket].uploads.values()
            ]

    def reset(self) -> None:
        """As it was in the beginning: an empty bucket, no rules, nothing counted."""
        self.heal()
        self.latency = 0.0
        with self._dispatcher.lock:
            fresh = State(self.region, random.Random(self._seed))
            fresh.buckets[self.bucket] = Bucket(self.bucket)
            vars(self._state).update(vars(fresh))
            vars(self.signatures).update(vars(Signatures()))
        self.journal.clear()


def _match(operation: Operation | str | None, key: str, conditional: bool | None) -> Match:
    return Match(None if operation is None else Operation(operation), key, conditional)
