"""What a store's conditional requests are worth, found out on a key of our own.

Judged both ways: the right ETag must be accepted and a stale one refused. By refusals alone a store
that always answers 412 would look perfect, and every save would become a conflict.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ..errors import (
    Conflicted,
    NotFound,
    PreconditionFailed,
    StorageFailed,
    Throttled,
    Unreachable,
    WherobotsError,
)
from . import multipart
from .client import S3, EtagForm
from .keys import Condition, absent, matches
from .objects import copy, delete, head, put

_TRIES = (
    5  # of a request answered with 409, which says nothing about its condition, and of a verdict
)
_PAUSE = 0.1
_LONG = 10.0  # seconds after which nothing is tried again: S3 does not answer at all


@dataclass(frozen=True)
class Capabilities:
    """Which conditions a store keeps: each was seen to accept what it must and to refuse what it
    must.

    ``etag_form`` is how If-Match wants the ETag. ``notes`` say in sentences what was seen, for each
    that is False.
    """

    put_if_none_match: bool
    put_if_match: bool
    delete_if_match: bool
    copy_if_none_match: bool
    complete_if_none_match: bool
    complete_if_match: bool
    etag_form: EtagForm
    notes: tuple[str, ...]


def probe(s3: S3, key: str) -> Capabilities:
    """Try every condition on ``key`` and on ``key`` + ``-copy``, which must be nobody's, and remove
    both again.

    Some 30 requests. Sets ``s3.etag_form``. Raises AccessDenied where the role may not write or
    delete, and whatever else keeps it from an answer (Unreachable, Throttled, …): then nothing is
    known, and it can be called again.
    """
    trial = _Trial(s3, key)
    try:
        put_if_none_match = _patiently(trial.put_if_none_match)
        put_if_match = _patiently(trial.put_if_match)
        copy_if_none_match = _patiently(trial.copy_if_none_match)
        complete_if_none_match = _patiently(trial.complete_if_none_match)
        complete_if_match = _patiently(trial.complete_if_match)
        delete_if_match = _patiently(trial.delete_if_match)
    finally:
        trial.clean(s3)
    s3.etag_form = trial.s3.etag_form
    return Capabilities(
        put_if_none_match,
        put_if_match,
        delete_if_match,
        copy_if_none_match,
        complete_if_none_match,
        complete_if_match,
        s3.etag_form,
        tuple(trial.notes),
    )


def _patiently(verdict: Callable[[], bool]) -> bool:
    """A verdict, from its beginning again if S3 fails on the way: none of its requests can be repeated alone."""
    began = time.monotonic()
    for tried in range(1, _TRIES + 1):
        try:
            return verdict()
        except (Conflicted, Throttled, Unreachable):
            if tried == _TRIES or time.monotonic() - began > _LONG:
                raise
            time.sleep(_PAUSE * 2**tried * random.random())
    raise AssertionError("the last try returns or raises")


class _Trial:
    """One run of the probe."""

    def __init__(self, s3: S3, key: str) -> None:
        # One attempt each: the second try of a request whose answer was lost looks like a refusal.
        self.s3 = s3.sibling(attempts=1, etag_form=EtagForm.QUOTED)
        self.key = key
        self.copied = key + "-copy"
        self.notes: list[str] = []
        self._uploads: list[tuple[str, str]] = []
        self._bodies = 0

    # -- the verdicts

    def put_if_none_match(self) -> bool:
        self._put(self.key)  # a role that may not write is found out by an ordinary PUT
        refused = not self._accepts(lambda: self._put(self.key, absent()))
        delete(self.s3, self.key)
        accepted = self._accepts(lambda: self._put(self.key, absent()))
        return self._verdict("If-None-Match: * on PUT", accepted, refused)

    def put_if_match(self) -> bool:
        stale = self._put(self.key)
        current = self._put(self.key)
        accepted = False
        for form in EtagForm:
            self.s3.etag_form = form
            if self._accepts(lambda: self._put(self.key, matches(current))):
                accepted = True
                break
        else:
            self.s3.etag_form = EtagForm.QUOTED
        refused = not self._accepts(lambda: self._put(self.key, matches(stale)))
        return self._verdict("If-Match on PUT", accepted, refused)

    def copy_if_none_match(self) -> bool:
        self._put(self.key)
        delete(self.s3, self.copied)
        accepted = self._accepts(self._copy)
        self._put(self.copied)
        refused = not self._accepts(self._copy)
        return self._verdict("If-None-Match: * on COPY", accepted, refused)

    def complete_if_none_match(self) -> bool:
        self._put(self.copied)
        refused = not self._accepts(lambda: self._upload(absent()))
        delete(self.s3, self.copied)
        accepted = self._accepts(lambda: self._upload(absent()))
        return self._verdict("If-None-Match: * on CompleteMultipartUpload", accepted, refused)

    def complete_if_match(self) -> bool:
        stale = self._put(self.copied)
        current = self._put(self.copied)
        refused = not self._accepts(lambda: self._upload(matches(stale)))
        if not refused:
            current = self._put(self.copied)
        accepted = self._accepts(lambda: self._upload(matches(current)))
        return self._verdict("If-Match on CompleteMultipartUpload", accepted, refused)

    def delete_if_match(self) -> bool:
        stale = self._put(self.key)
        self._put(self.key)
        refused = (
            not self._accepts(lambda: delete(self.s3, self.key, condition=matches(stale)))
            and self._exists()
        )
        current = self._put(self.key)
        accepted = (
            self._accepts(lambda: delete(self.s3, self.key, condition=matches(current)))
            and not self._exists()
        )
        return self._verdict("If-Match on DELETE", accepted, refused)

    def _verdict(self, what: str, accepted: bool, refused: bool) -> bool:
        if not accepted:
            self.notes.append(f"The store refuses {what} even where it holds.")
        elif not refused:
            self.notes.append(f"The store ignores {what}.")
        return accepted and refused

    # -- the requests

    def _accepts(self, request: Callable[[], object]) -> bool:
        for _ in range(_TRIES):
            try:
                request()
            except Conflicted as exc:
                conflict = exc
                time.sleep(_PAUSE)
            except (PreconditionFailed, NotFound, StorageFailed):
                # A store that does not know the header at all answers 400 or 501: no acceptance
                # either.
                return False
            else:
                return True
        raise conflict

    def _put(self, key: str, condition: Condition | None = None) -> str:
        self._bodies += 1  # another body, so another ETag
        return put(self.s3, key, b"probe %d" % self._bodies, metadata={}, condition=condition)

    def _copy(self) -> None:
        copy(self.s3, self.key, self.copied, condition=absent(), size=0, verify=False)

    def _upload(self, condition: Condition) -> None:
        upload_id = multipart.create(self.s3, self.copied, metadata={})
        self._uploads.append((self.copied, upload_id))
        self._bodies += 1
        part = multipart.put_part(self.s3, self.copied, upload_id, 1, b"probe %d" % self._bodies)
        multipart.complete(self.s3, self.copied, upload_id, [part], condition=condition)

    def _exists(self) -> bool:
        try:
            head(self.s3, self.key)
        except NotFound:
            return False
        return True

    def clean(self, s3: S3) -> None:
        """Remove what the run left, with the ordinary retries. Raises the first failure, once all
        was tried.
        """
        requests = [partial(multipart.abort, s3, *upload) for upload in self._uploads]
        requests += [partial(delete, s3, key) for key in (self.key, self.copied)]
        failures = [failure for request in requests if (failure := _denied(request))]
        if failures:
            raise failures[0]


def _denied(request: Callable[[], None]) -> WherobotsError | None:
    """What S3 said against a request. Raises Unreachable: then the others would only wait as long."""
    try:
        request()
    except Unreachable:
        raise
    except WherobotsError as exc:
        return exc
    return None
