"""From an HTTP request to its answer: who asks, which operation, what interferes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.strict_s3 import buckets, calls, conditions, multipart, objects
from tests.strict_s3.calls import Call, Operation
from tests.strict_s3.clock import http_date
from tests.strict_s3.errors import S3Error
from tests.strict_s3.faults import Fault, FaultRule, Interference, Plan, When
from tests.strict_s3.http import HttpRequest, Response
from tests.strict_s3.journal import CONTROL_PATH, Journal, Record
from tests.strict_s3.state import State

HANDLERS: dict[Operation, Callable[[State, Call], Response]] = {
    Operation.LIST_BUCKETS: buckets.list_buckets,
    Operation.CREATE_BUCKET: buckets.create_bucket,
    Operation.DELETE_BUCKET: buckets.delete_bucket,
    Operation.HEAD_BUCKET: buckets.head_bucket,
    Operation.GET_BUCKET_LOCATION: buckets.get_location,
    Operation.GET_BUCKET_VERSIONING: buckets.get_versioning,
    Operation.PUT_BUCKET_VERSIONING: buckets.put_versioning,
    Operation.LIST_OBJECTS_V2: buckets.list_objects,
    Operation.LIST_OBJECT_VERSIONS: buckets.list_versions,
    Operation.LIST_MULTIPART_UPLOADS: buckets.list_uploads,
    Operation.DELETE_OBJECTS: objects.delete_objects,
    Operation.PUT_OBJECT: objects.put_object,
    Operation.GET_OBJECT: objects.get_object,
    Operation.HEAD_OBJECT: objects.head_object,
    Operation.DELETE_OBJECT: objects.delete_object,
    Operation.COPY_OBJECT: objects.copy_object,
    Operation.CREATE_MULTIPART_UPLOAD: multipart.create,
    Operation.UPLOAD_PART: multipart.upload_part,
    Operation.UPLOAD_PART_COPY: multipart.upload_part_copy,
    Operation.COMPLETE_MULTIPART_UPLOAD: multipart.complete,
    Operation.ABORT_MULTIPART_UPLOAD: multipart.abort,
    Operation.LIST_PARTS: multipart.list_parts,
}
_WITH_BODY = {Operation.PUT_OBJECT, Operation.UPLOAD_PART, Operation.DELETE_OBJECTS}
_SKEW_SECONDS = 15 * 60
_LONGEST_PRESIGNED_SECONDS = 7 * 24 * 3600


@dataclass
class Signatures:
    """Whose requests are taken. A signature must be there; it is not verified."""

    # None: any key id, any token.
    access_key: str | None = None
    session_token: str | None = None
    expired: bool = False
    # S3 refuses a request that is signed 15 minutes off its clock; off by default, so that a test
    # can move the clock for Date and Last-Modified alone.
    enforce_time: bool = False

    def check(self, call: Call, now: int) -> None:
        """Raises S3Error: AccessDenied, InvalidAccessKeyId, InvalidToken, ExpiredToken, …"""
        header = call.headers.get("authorization", "")
        if header.startswith("AWS4-HMAC-SHA256"):
            credential = header.partition("Credential=")[2].partition("/")[0]
            token = call.headers.get("x-amz-security-token")
            signed_at = call.headers.get("x-amz-date", "")
        elif "X-Amz-Signature" in call.query:
            credential = call.query.get("X-Amz-Credential", "").partition("/")[0]
            token = call.query.get("X-Amz-Security-Token")
            signed_at = call.query.get("X-Amz-Date", "")
            valid_for = call.query.get("X-Amz-Expires", "")
            if not valid_for.isdigit() or not 0 < int(valid_for) <= _LONGEST_PRESIGNED_SECONDS:
                raise S3Error("AuthorizationQueryParametersError")
            if now > _seconds(signed_at) + int(valid_for):
                raise S3Error("AccessDenied", "Request has expired")
        elif header or "Signature" in call.query:
            raise S3Error(
                "InvalidRequest",
                "The authorization mechanism you have provided is not supported. Please use "
                "AWS4-HMAC-SHA256.",
            )
        else:
            raise S3Error("AccessDenied", "Anonymous users cannot invoke this API.")
        if self.access_key is not None and credential != self.access_key:
            raise S3Error("InvalidAccessKeyId", AWSAccessKeyId=credential)
        if self.session_token is not None and token != self.session_token:
            raise S3Error("InvalidToken")
        if self.expired:
            raise S3Error("ExpiredToken")
        if self.enforce_time and abs(_seconds(signed_at) - now) > _SKEW_SECONDS:
            raise S3Error("RequestTimeTooSkewed", RequestTime=signed_at)


def _seconds(amz_date: str) -> float:
    try:
        return datetime.strptime(amz_date + "+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
    except ValueError:
        raise S3Error("AccessDenied", "AWS authentication requires a valid date.") from None


class Dispatcher:
    """Answers requests on the event loop; `lock` guards the state against the tests' threads."""

    def __init__(
        self,
        state: State,
        signatures: Signatures,
        interference: Interference,
        journal: Journal,
        control: Callable[[HttpRequest], Response],
    ) -> None:
        self.lock = threading.RLock()
        # Seconds that every answer takes, so that requests overlap as they do on a network.
        self.latency = 0.0
        self._state, self._signatures = state, signatures
        self._interference, self._journal = interference, journal
        self._control = control

    def abandoned(self, request: HttpRequest) -> None:
        """Count a request whose body never came whole."""
        call = calls.identify(request)
        self._journal.record(Record(call.operation, call.subject, 0, "", False, 0, 0))

    def serve(self, request: HttpRequest) -> Response | Coroutine[Any, Any, Response]:
        """The answer, or, if something interferes, a coroutine that comes to it."""
        if request.path == CONTROL_PATH:
            return asyncio.to_thread(self._control, request)
        call = calls.identify(request)
        plan = self._interference.plan(call)
        if self.latency or not plan.empty:
            return self._serve_with(plan, call)
        answer = self._execute(call)
        return self._finish(call, answer, effect=isinstance(answer, Response))

    def _execute(self, call: Call) -> Response | S3Error:
        try:
            with self.lock:
                self._signatures.check(call, self._state.clock.now())
                calls.check_names(call)
                handler = HANDLERS.get(call.operation)
                if handler is None:
                    raise S3Error("NotImplemented")
                access = conditions.ACCESS.get(call.operation)
                if access is not None:
                    self._state.policy.require(access, call.subject)
                if call.operation in _WITH_BODY:
                    calls.unwrap_body(call)
                return handler(self._state, call)
        except S3Error as error:
            return error

    def _finish(self, call: Call, answer: Response | S3Error, effect: bool) -> Response:
        code = ""
        if isinstance(answer, S3Error):
            code = answer.code
            answer = self._error(call, answer, answer.status)
        return self._sign(call, answer, code, effect)

    def _error(self, call: Call, error: S3Error, status: int) -> Response:
        body = error.xml(call.request.path, "0" * 16) if call.request.method != "HEAD" else b""
        return Response(status, [("Content-Type", "application/xml")], body)

    def _sign(self, call: Call, response: Response, code: str, effect: bool) -> Response:
        response.headers += [
            ("Date", http_date(self._state.clock.now())),
            ("Server", "AmazonS3"),
            ("x-amz-request-id", "0" * 16),
        ]
        status = 0 if response.reset else response.status
        received, sent = len(call.request.body), len(response.body)
        record = Record(call.operation, call.subject, status, code, effect, received, sent)
        self._journal.record(record)
        return response

    async def _serve_with(self, plan: Plan, call: Call) -> Response:
        await asyncio.sleep(self.latency)
        await self._pause(plan, call, When.BEFORE)
        rule = plan.rule
        if rule is not None and rule.fault is Fault.SLOW:
            await asyncio.sleep(rule.seconds)
        if rule is not None and (refused := self._instead(rule, call)) is not None:
            return refused
        answer = self._execute(call)
        effect = isinstance(answer, Response)
        await self._pause(plan, call, When.AFTER)
        if rule is not None and isinstance(answer, Response):
            if rule.fault is Fault.ERROR_AFTER:
                answer = S3Error(rule.code)
            elif rule.fault is Fault.RESET_AFTER:
                answer.reset = True
            elif rule.fault is Fault.ROTTEN_BODY:
                body = bytearray(answer.body[:])
                body[0] ^= rule.random.randrange(1, 256)
                answer.body = bytes(body)
            elif rule.fault in (Fault.SHORT_BODY, Fault.SLOW_BODY):
                answer.cut_at = len(answer.body) // 2
                if rule.fault is Fault.SLOW_BODY:
                    answer.resume_after = rule.seconds
        return self._finish(call, answer, effect)

    def _instead(self, rule: FaultRule, call: Call) -> Response | None:
        """What is answered without doing anything."""
        error = S3Error(rule.code)
        if rule.fault is Fault.ERROR:
            return self._finish(call, error, effect=False)
        if rule.fault is Fault.ERROR_IN_200:
            return self._sign(call, self._error(call, error, 200), error.code, effect=False)
        if rule.fault is Fault.RESET_BEFORE:
            return self._sign(call, Response(500, reset=True), "", effect=False)
        return None

    async def _pause(self, plan: Plan, call: Call, when: When) -> None:
        loop = asyncio.get_running_loop()
        for hook in plan.hooks:
            if hook.when is when:
                # On another thread, so that it may use this very server.
                await loop.run_in_executor(None, hook.callback, call)
        for gate in plan.gates:
            if gate.when is when:
                await gate.hold(call)
