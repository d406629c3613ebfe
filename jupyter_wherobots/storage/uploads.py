"""Upload sessions: a file in parts, which can be sent in any order, again, and after a reload or a restart."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ..errors import (
    AlreadyExists,
    InvalidRequest,
    NotFound,
    PreconditionFailed,
    StorageError,
    WherobotsError,
)
from ..layout import Layout
from ..s3 import multipart
from ..s3.keys import absent, matches
from ..s3.multipart import Part
from ..s3.objects import head
from .entries import Entry, iso
from .naming import Conflict
from .options import Options, part_size
from .permissions import check_put
from .reading import content_type
from .records import Record, Records
from .writing import check_size, entry_at, target, version

if TYPE_CHECKING:
    from ..s3.client import S3, Stop

log = logging.getLogger(__name__)

MARK = "wherobots-upload"
"""User metadata of a file that came in parts: the session's id. It tells our own Complete, whose answer was lost, from
another's."""

_MISSING_SHOWN = 10


@dataclass(frozen=True)
class Upload:
    """A session and the parts that S3 holds of it."""

    record: Record
    uri: str
    parts: tuple[Part, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As the API shows it."""
        record = self.record
        return {
            "id": record.id,
            "path": record.path,
            "uri": self.uri,
            "size": record.size,
            "partSize": record.part_size,
            "partCount": part_count(record),
            "parts": [part_json(part) for part in self.parts],
            "received": sum(part.size for part in self.parts),
            "conflict": record.conflict,
            "etag": record.etag,
            "label": record.label,
            "created": iso(datetime.fromtimestamp(int(record.created), timezone.utc)),
        }


def part_json(part: Part) -> dict[str, Any]:
    """A part as the API shows it."""
    return {"number": part.number, "size": part.size, "etag": part.etag}


def part_count(record: Record) -> int:
    """How many parts the file has; an empty file has one, which is empty."""
    return max(1, -(-record.size // record.part_size))


def expected_size(record: Record, number: int) -> int:
    """Bytes that a part must have. Raises InvalidRequest for a number that the file has not."""
    count = part_count(record)
    if not 1 <= number <= count:
        raise InvalidRequest(f"The file has parts 1 to {count}, not {number}.", path=record.path)
    return record.part_size if number < count else record.size - (count - 1) * record.part_size


class Uploads:
    """The sessions of one user. Every method blocks and is thread-safe.

    ``patient`` is the same bucket for requests whose answer may take minutes.
    """

    def __init__(
        self,
        s3: S3,
        patient: S3,
        layout: Callable[[], Layout],
        records: Records,
        options: Options,
    ) -> None:
        self._s3 = s3
        self._patient = patient
        self._layout = layout
        self._records = records
        self._options = options
        self._running: set[str] = set()

    @contextmanager
    def remembering(self, path: str, key: str) -> Iterator[Callable[[str], None]]:
        """Around a multipart request of a job: gives a function to be told the upload's id.

        What is begun is kept in mind until the block ends, so that the janitor of the next process aborts it
        if this one is killed. If the block fails and the upload cannot be aborted, this one's janitor goes on
        trying.
        """
        begun: list[Record] = []

        def created(upload_id: str) -> None:
            record = Record(
                id=uuid.uuid4().hex,
                bucket=self._s3.bucket,
                key=key,
                path=path,
                upload_id=upload_id,
                size=0,
                part_size=multipart.PART,
                conflict=Conflict.FAIL.value,
                etag=None,
                label=None,
                created=time.time(),
                resumable=False,
            )
            self._running.add(record.id)
            begun.append(record)
            self._records.save(record)

        try:
            yield created
        except WherobotsError:
            for record in begun:
                with suppress(WherobotsError):
                    multipart.abort(self._s3, key, record.upload_id)
                    self._records.remove(record.id)
            raise
        else:
            for record in begun:
                self._records.remove(record.id)
        finally:
            self._running.difference_update(record.id for record in begun)

    def create(
        self,
        path: str,
        size: int,
        conflict: Conflict = Conflict.FAIL,
        *,
        etag: str | None = None,
        confirm: bool = False,
        label: str | None = None,
    ) -> Upload:
        """Begin a session. Raises what `writing.target` raises, and TooLarge."""
        layout = self._layout()
        check_put(layout, path, confirm)
        hint = "Copy the s3:// path of the folder and use the AWS CLI for files of that size."
        check_size(size, self._options.upload_limit, path, hint)
        given: set[str] = set()
        if conflict is Conflict.KEEP_BOTH:
            given = {record.key for record in self._records.all(self._s3.bucket)}
        where = target(self._s3, layout, path, conflict, etag=etag, confirm=confirm, given=given)
        session = uuid.uuid4().hex
        upload_id = multipart.create(
            self._s3, where.key, metadata={MARK: session}, content_type=content_type(where.path)
        )
        record = Record(
            id=session,
            bucket=self._s3.bucket,
            key=where.key,
            path=where.path,
            upload_id=upload_id,
            size=size,
            part_size=part_size(size),
            conflict=where.conflict.value,
            etag=etag,
            label=label,
            created=time.time(),
        )
        self._records.save(record)
        return Upload(record, layout.uri(where.path))

    def list(self) -> list[Upload]:
        """All sessions that a person can go on with, oldest first, without their parts. Asks S3 nothing."""
        layout = self._layout()
        return [
            Upload(record, layout.uri(record.path))
            for record in self._records.all(self._s3.bucket)
            if record.resumable and self._is_ours(layout, record)
        ]

    def get(self, session: str) -> Upload:
        """One session with its parts. Raises NotFound."""
        record = self.record(session)
        return Upload(record, self._layout().uri(record.path), self._parts(record))

    def record(self, session: str) -> Record:
        """What is remembered of a session. Raises NotFound."""
        record = self._records.get(session)
        if record is None or not record.resumable or not self._is_ours(self._layout(), record):
            raise NotFound("There is no such upload session.", hint="Begin the upload again.")
        return record

    def put_part(
        self, session: str, number: int, body: bytes | bytearray, stop: Stop | None = None
    ) -> Part:
        """Send one part. Raises InvalidRequest if it has not the size that it must have, NotFound, Cancelled by ``stop``."""
        record = self.record(session)
        size = expected_size(record, number)
        if len(body) != size:
            raise InvalidRequest(
                f"Part {number} has {len(body)} bytes instead of {size}.", path=record.path
            )
        try:
            part = multipart.put_part(
                self._patient, record.key, record.upload_id, number, body, stop=stop
            )
        except NotFound as error:
            raise self._gone(record) from error
        self._records.touch(session)
        return part

    def complete(
        self, session: str, conflict: Conflict | None = None, etag: str | None = None
    ) -> Entry:
        """Make the file of the parts and give its entry. ``conflict`` and ``etag`` replace the session's own.

        Raises AlreadyExists and PreconditionFailed where the rule forbids it: the session is still there, and
        can be completed by another rule. Raises InvalidRequest if parts are missing.
        """
        record = self.record(session)
        layout = self._layout()
        rule = conflict or Conflict(record.conflict)
        wanted = etag or (record.etag if conflict is None else None)
        if wanted is not None and rule is not Conflict.REPLACE:
            raise InvalidRequest("An ETag names a version to replace: the rule has to be replace.")
        parts = self._parts(record)
        self._check_parts(record, parts)
        # S3 decides at the end; this look is for the stores that ignore conditions.
        found = version(self._s3, record.key)
        condition = None
        if wanted is not None:
            if found != wanted:
                raise PreconditionFailed(
                    f"{record.path} is not the version that was named.", path=record.path
                )
            condition = matches(wanted)
        elif rule is not Conflict.REPLACE:
            if found is not None:
                raise self._taken(record)
            condition = absent()
        try:
            multipart.complete(
                self._patient, record.key, record.upload_id, parts, condition=condition
            )
        except StorageError as error:
            # Any of them can be about our own request that was sent again after its answer was lost.
            if not self._is_there(record):
                if isinstance(error, NotFound):
                    raise self._gone(record) from error
                if isinstance(error, PreconditionFailed) and wanted is None:
                    raise self._taken(record) from error
                raise
        self._records.remove(session)
        return entry_at(self._s3, layout, record.key)

    def abort(self, session: str) -> None:
        """End a session; S3 forgets its parts. Raises NotFound."""
        record = self.record(session)
        multipart.abort(self._s3, record.key, record.upload_id)
        self._records.remove(session)

    def sweep(self) -> int:
        """Abort the sessions that nobody continued for too long, those of killed servers and jobs too; gives their number.

        One that cannot be aborted now stays for the next sweep.
        """
        aborted = 0
        for record in self._records.all(self._s3.bucket):
            if record.id in self._running:
                continue
            if self._records.idle(record.id) < self._options.upload_age:
                continue
            try:
                multipart.abort(self._s3, record.key, record.upload_id)
            except WherobotsError as error:
                log.warning("The forgotten upload of %s is not aborted yet: %s", record.path, error)
                continue
            self._records.remove(record.id)
            log.info("Aborted the upload of %s, which nobody continued", record.path)
            aborted += 1
        return aborted

    # -- inside -----------------------------------------------------------------------------------

    def _parts(self, record: Record) -> tuple[Part, ...]:
        try:
            return multipart.list_parts(self._s3, record.key, record.upload_id)
        except NotFound as error:
            raise self._gone(record) from error

    @staticmethod
    def _check_parts(record: Record, parts: tuple[Part, ...]) -> None:
        sizes: Mapping[int, int] = {part.number: part.size for part in parts}
        wrong = [
            number
            for number in range(1, part_count(record) + 1)
            if sizes.get(number) != expected_size(record, number)
        ]
        if wrong:
            some = ", ".join(map(str, wrong[:_MISSING_SHOWN]))
            more = (
                "" if len(wrong) <= _MISSING_SHOWN else f" and {len(wrong) - _MISSING_SHOWN} more"
            )
            raise InvalidRequest(
                f"S3 does not have all parts of {record.path} yet: {some}{more}.",
                path=record.path,
                hint="Send them, then complete again.",
            )

    def _is_there(self, record: Record) -> bool:
        """Whether the file is ours already: an answer of S3 was lost, and the request was repeated."""
        try:
            return head(self._s3, record.key).metadata.get(MARK) == record.id
        except WherobotsError:
            return False

    def _gone(self, record: Record) -> NotFound:
        self._records.remove(record.id)
        return NotFound(
            f"S3 has no unfinished upload of {record.path} any more.",
            path=record.path,
            hint="It was completed or aborted elsewhere; look at the folder, then begin again if need be.",
        )

    @staticmethod
    def _taken(record: Record) -> AlreadyExists:
        return AlreadyExists(
            f"{record.path} already exists.",
            path=record.path,
            hint="Complete it again with replace, or abort it.",
        )

    @staticmethod
    def _is_ours(layout: Layout, record: Record) -> bool:
        """Whether it lies where this user may write: the directory may be shared with a server of another setting."""
        try:
            return check_put(layout, record.path, confirm=True) == record.key
        except WherobotsError:
            return False
