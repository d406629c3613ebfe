"""Every error this package raises on purpose, and the one table from S3's codes to them.

::

    WherobotsError
    ├── NotConfigured         503  bucket, organization or user is missing or wrong
    ├── InvalidPath           400  not a path of the managed storage
    ├── InvalidRequest        400  a parameter or body that cannot be meant
    ├── NotPermitted          403  our own layout says no, before S3 is asked
    ├── ConfirmationRequired  409  allowed, but only when the caller says that it is meant
    ├── AlreadyExists         409  the name is taken
    ├── Cancelled             409  stopped by the person who started it
    ├── AlreadyRunning        409  another engine holds this home
    └── StorageError               what S3 or the way to it answered
        ├── NotFound            404
        ├── BucketNotFound      404
        ├── AccessDenied        403
        ├── CredentialsExpired  403
        ├── NoCredentials       503
        ├── Conflicted          409  two writers at one moment: try again
        ├── PreconditionFailed  412  the object is not the version we expected
        ├── TooLarge            413
        ├── RangeNotSatisfiable 416  the object ends before the range begins
        ├── Throttled           429
        ├── Unreachable         503  no network, timeouts, S3's own 5xx
        └── StorageFailed       502  anything else that S3 says

This module imports neither botocore nor obstore: it is loaded with the server, which reports every
extension that takes over 0.1 s to import. What their exceptions mean is found out in `s3.failures`.
"""

from __future__ import annotations

__all__ = [
    "AccessDenied",
    "AlreadyExists",
    "AlreadyRunning",
    "BucketNotFound",
    "Cancelled",
    "Conflicted",
    "ConfirmationRequired",
    "CredentialsExpired",
    "InvalidPath",
    "InvalidRequest",
    "NoCredentials",
    "NotConfigured",
    "NotFound",
    "NotPermitted",
    "PreconditionFailed",
    "RangeNotSatisfiable",
    "StorageError",
    "StorageFailed",
    "Throttled",
    "TooLarge",
    "Unreachable",
    "WherobotsError",
    "CODE_OF_STATUS",
    "from_code",
]


class WherobotsError(Exception):
    """Base of all errors of this package.

    ``message`` says what happened and where, ``hint`` what to do next, ``path`` which path of the
    managed storage (or of home) it is about. ``status`` is the HTTP status that the REST API
    answers with.
    """

    status = 500
    default_hint = ""

    def __init__(self, message: str, *, hint: str | None = None, path: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint
        self.path = path

    @property
    def code(self) -> str:
        """The stable name of this kind of error, as the REST API and ``--json`` print it."""
        return type(self).__name__

    def to_json(self) -> dict[str, str | None]:
        """The one JSON shape of an error: ``{code, message, path, hint}``."""
        return {"code": self.code, "message": self.message, "path": self.path, "hint": self.hint}


class NotConfigured(WherobotsError):
    """Bucket, organization or user is missing or wrong; nothing was sent to S3."""

    status = 503
    default_hint = (
        "Ask whoever runs this server to set WHEROBOTS_BUCKET, WHEROBOTS_ORGANIZATION and "
        "WHEROBOTS_USER; `jupyter wherobots doctor` shows what is missing."
    )


class InvalidPath(WherobotsError):
    """The text is not a path of the managed storage."""

    status = 400
    default_hint = "Paths look like /data/customer-XXXX/folder/file.csv; folders end with a slash."


class InvalidRequest(WherobotsError):
    """A parameter or a body that cannot be meant."""

    status = 400


class NotPermitted(WherobotsError):
    """The layout does not allow this; S3 was not asked."""

    status = 403


class ConfirmationRequired(WherobotsError):
    """Allowed, but only when the caller says that it is meant."""

    status = 409
    default_hint = "Send the request again with confirm=true if this is meant."


class AlreadyExists(WherobotsError):
    """The name is taken, and the caller did not ask to replace what is there."""

    status = 409
    default_hint = "Choose replace or keep-both, or another name."


class Cancelled(WherobotsError):
    """Stopped by the person who started it."""

    status = 409


class AlreadyRunning(WherobotsError):
    """Another engine of this machine already synchronises this home to this place."""

    status = 409


class StorageError(WherobotsError):
    """What S3, or the way to it, answered."""

    status = 502


class NotFound(StorageError):
    """There is no object, folder or upload of that name."""

    status = 404
    default_hint = "It may have been moved or deleted; refresh the folder."


class BucketNotFound(StorageError):
    """The configured bucket does not exist where S3 was asked."""

    status = 404
    default_hint = (
        "Check WHEROBOTS_BUCKET, and that AWS_REGION and AWS_ENDPOINT_URL_S3 point to its store."
    )


class AccessDenied(StorageError):
    """S3 refused: the role may not do this."""

    status = 403
    default_hint = "The role of this notebook lacks the permission; ask your administrator."


class CredentialsExpired(StorageError):
    """The credentials were good once, or the clock is too far off to sign with them."""

    status = 403
    default_hint = "Renew the credentials (for a profile: sign in again), then try again."


class NoCredentials(StorageError):
    """No AWS credentials are to be found, or S3 does not know them."""

    status = 503
    default_hint = (
        "Give the server credentials in one of the standard AWS ways (environment, profile, role); "
        "`jupyter wherobots doctor` shows where it looked."
    )


class Conflicted(StorageError):
    """Two writers met at one moment (S3's 409); trying again is right."""

    status = 409
    default_hint = "Try again."


class PreconditionFailed(StorageError):
    """The object is not the version that was expected: somebody else changed it."""

    status = 412
    default_hint = "Somebody changed it meanwhile; refresh, look, and decide again."


class TooLarge(StorageError):
    """Larger than S3 or this server takes in one piece."""

    status = 413


class RangeNotSatisfiable(StorageError):
    """The object ends before the range that was asked for begins."""

    status = 416


class Throttled(StorageError):
    """S3 asks to slow down."""

    status = 429
    default_hint = "S3 asks to slow down; try again in a moment."


class Unreachable(StorageError):
    """No answer: no network, a timeout, or S3 itself fails (5xx)."""

    status = 503
    default_hint = "Check the network and AWS_ENDPOINT_URL_S3; the request can be repeated safely."


class StorageFailed(StorageError):
    """An answer of S3 that has no better name here."""

    status = 502


# One row a code. AWS, Ceph, moto and rclone share S3's codes; STS's are here because botocore may
# have to ask it first. The last block holds the codes of what never became an answer of S3
# (`s3.failures` finds them).
_BY_CODE: dict[str, type[WherobotsError]] = {
    "NoSuchKey": NotFound,
    "NoSuchUpload": NotFound,
    "NoSuchVersion": NotFound,
    "NotFound": NotFound,
    "NoSuchBucket": BucketNotFound,
    "InvalidBucketName": BucketNotFound,
    "PermanentRedirect": BucketNotFound,
    "AuthorizationHeaderMalformed": BucketNotFound,
    "IllegalLocationConstraintException": BucketNotFound,
    "AccessDenied": AccessDenied,
    "AccessDeniedException": AccessDenied,
    "AllAccessDisabled": AccessDenied,
    "AccountProblem": AccessDenied,
    "Forbidden": AccessDenied,
    "ExpiredToken": CredentialsExpired,
    "ExpiredTokenException": CredentialsExpired,
    "RequestExpired": CredentialsExpired,
    "RequestTimeTooSkewed": CredentialsExpired,
    "TokenRefreshRequired": CredentialsExpired,
    "InvalidAccessKeyId": NoCredentials,
    "InvalidClientTokenId": NoCredentials,
    "InvalidToken": NoCredentials,
    "SignatureDoesNotMatch": NoCredentials,
    "Unauthorized": NoCredentials,
    "UnrecognizedClientException": NoCredentials,
    "Conflict": Conflicted,
    "ConditionalRequestConflict": Conflicted,
    "OperationAborted": Conflicted,
    "PreconditionFailed": PreconditionFailed,
    "EntityTooLarge": TooLarge,
    "KeyTooLongError": TooLarge,
    "MetadataTooLarge": TooLarge,
    "InvalidRange": RangeNotSatisfiable,
    # Of HTTP status 403, and nothing that a role could allow.
    "InvalidObjectState": StorageFailed,
    "QuotaExceeded": StorageFailed,
    "SlowDown": Throttled,
    "Throttling": Throttled,
    "ThrottlingException": Throttled,
    "RequestLimitExceeded": Throttled,
    "TooManyRequests": Throttled,
    "TooManyRequestsException": Throttled,
    "InternalError": Unreachable,
    "RequestTimeout": Unreachable,
    "ServiceUnavailable": Unreachable,
    "NotImplemented": StorageFailed,
    "NoNetwork": Unreachable,
    "Timeout": Unreachable,
    "ConnectionLost": Unreachable,
    "UntrustedCertificate": Unreachable,
    "NoTls": Unreachable,
    "NoCredentials": NoCredentials,
    "SignInExpired": CredentialsExpired,
    "BadConfiguration": NotConfigured,
    "BadParameter": InvalidRequest,
}

# Answers that have a status and no code: those to HEAD, and those of what stands between us and S3.
CODE_OF_STATUS = {
    301: "PermanentRedirect",
    302: "PermanentRedirect",
    307: "PermanentRedirect",
    401: "Unauthorized",
    403: "Forbidden",
    408: "RequestTimeout",
    409: "Conflict",
    412: "PreconditionFailed",
    413: "EntityTooLarge",
    416: "InvalidRange",
    429: "TooManyRequests",
    500: "InternalError",
    501: "NotImplemented",
    503: "ServiceUnavailable",
}

_WORDS: dict[type[WherobotsError], str] = {
    NotFound: "{what} does not exist",
    BucketNotFound: "The bucket of {what} does not exist, or lies in another region",
    CredentialsExpired: "The AWS credentials have expired (or the clock is wrong), so {verb} {what} failed",
    NoCredentials: "There are no usable AWS credentials, so {verb} {what} failed",
    Conflicted: "Somebody else was changing {what} at the same moment",
    PreconditionFailed: "{what} is not the version that was expected",
    TooLarge: "S3 refused {what} as too large",
    RangeNotSatisfiable: "{what} ends before the range that was asked for begins",
    Throttled: "S3 asked to slow down while {verb} {what}",
    Unreachable: "S3 did not answer while {verb} {what}",
    StorageFailed: "S3 failed while {verb} {what}",
    NotConfigured: "The AWS configuration cannot be used",
    InvalidRequest: "{verb} {what} was asked for in a way that S3 cannot take",
}
_VERBS = {
    "read": "reading",
    "list": "listing",
    "write": "writing",
    "delete": "deleting",
    "copy": "copying",
}
_DENIED = {
    "read": "Your role may not read {what}",
    "list": "Your role may not list {what}",
    "write": "Your role may list but not write {what}",
    "delete": "Your role may not delete {what}",
    "copy": "Your role may not copy {what}",
}
# Where S3's or botocore's own words say more than ours. Denials are not among them: S3 names the
# role's ARN there.
_DETAILED = (
    StorageFailed,
    Unreachable,
    NoCredentials,
    CredentialsExpired,
    NotConfigured,
    InvalidRequest,
)
_HINTS = {
    "UntrustedCertificate": "Check AWS_CA_BUNDLE: the endpoint's certificate is not signed by anybody it names.",
    "NoTls": "Check AWS_ENDPOINT_URL_S3: what listens there does not speak TLS (http:// instead of https://, another port?).",
    "NotS3": "Check AWS_ENDPOINT_URL_S3: what answers there is not an S3 store.",
    "BadConfiguration": "Check AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL_S3 and the AWS configuration files.",
    "InvalidObjectState": "It is archived; restore it with the AWS CLI first.",
}


def from_code(
    code: str, *, status: int = 0, detail: str = "", path: str | None = None, action: str = "read"
) -> WherobotsError:
    """The error of ours for a code of S3.

    A code that the table does not know is judged by the HTTP ``status``. ``action`` is what was
    attempted: ``read``, ``list``, ``write``, ``delete`` or ``copy``. ``detail`` is added where S3's
    words say more than ours.
    """
    cls = _BY_CODE.get(code) or _BY_CODE.get(CODE_OF_STATUS.get(status, ""))
    if cls is None:
        cls = Unreachable if status >= 500 else StorageFailed
    what = path or "the storage"
    words = (
        _DENIED.get(action, "Your role may not do this with {what}")
        if cls is AccessDenied
        else _WORDS[cls]
    )
    message = words.format(what=what, verb=_VERBS.get(action, action))
    if not message.startswith(path or " "):
        message = message[0].upper() + message[1:]
    reason = f"{code}: {detail}" if detail and cls in _DETAILED else code
    return cls(f"{message} ({reason}).", path=path, hint=_HINTS.get(code))
