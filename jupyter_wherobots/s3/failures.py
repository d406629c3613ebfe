"""What the exceptions of botocore and obstore mean: the code that S3 gave, or one of ours where it
gave none.

Both libraries are recognised by the names and attributes of their exceptions, so that neither is
imported here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import CODE_OF_STATUS, WherobotsError, from_code

# botocore's exceptions that carry no answer, the most special ones first where one is the base of
# another.
_CODE_OF_NAME = {
    "EndpointConnectionError": "NoNetwork",
    "ProxyConnectionError": "NoNetwork",
    "ConnectTimeoutError": "Timeout",
    "ReadTimeoutError": "Timeout",
    "SSLError": "UntrustedCertificate",
    "HTTPClientError": "ConnectionLost",
    "ConnectionError": "ConnectionLost",
    "IncompleteReadError": "ConnectionLost",
    "ResponseStreamingError": "ConnectionLost",
    "NoCredentialsError": "NoCredentials",
    "UnauthenticatedError": "NoCredentials",
    "PartialCredentialsError": "NoCredentials",
    "CredentialRetrievalError": "NoCredentials",
    "UnauthorizedSSOTokenError": "SignInExpired",
    "SSOTokenLoadError": "SignInExpired",
    "TokenRetrievalError": "SignInExpired",
    "LoginRefreshRequired": "SignInExpired",
    "ProfileNotFound": "BadConfiguration",
    "ConfigParseError": "BadConfiguration",
    "ConfigNotFound": "BadConfiguration",
    "InvalidConfigError": "BadConfiguration",
    "InvalidRegionError": "BadConfiguration",
    "NoRegionError": "BadConfiguration",
    "ParamValidationError": "BadParameter",
    "ResponseParserError": "NotS3",
    "GenericError": "NotS3",
    "FileNotFoundError": "BadConfiguration",
    "OSError": "BadConfiguration",
}

_CREDENTIAL_OPERATIONS = frozenset(
    (
        "AssumeRole",
        "AssumeRoleWithSAML",
        "AssumeRoleWithWebIdentity",
        "CreateToken",
        "GetRoleCredentials",
    )
)


@dataclass(frozen=True)
class _Answer:
    """What an HTTP answer says about a failure.

    ``code`` is empty where it does not say; ``may_be_bare``: S3 itself may have left it out. It
    does so for HEAD, and its XML cannot be read where it repeats a key with characters that XML has
    not.
    """

    code: str
    status: int
    message: str
    may_be_bare: bool


# obstore has the answer only as text. In its "Debug source" every name and body is escaped into one
# line, so no key can look like the lines that these patterns are about.
_OBSTORE_ANSWER = re.compile(r'\n +status: (\d{3}),\n +body: (?:None|Some\(\n +"(.*)",\n)')
_OBSTORE_HEAD = re.compile(r"\n +method: HEAD,\n")
_OBSTORE_KIND = re.compile(r"HttpError \{\n +kind: (\w+),\n")
_OBSTORE_CERTIFICATE = re.compile(r"\n +error: InvalidCertificate\(\n")
_OBSTORE_REASON = re.compile(r'\n +(?:message|error): "([^"\\]+)",\n')
_OBSTORE_WORDS = {
    " - Received redirect without LOCATION": "PermanentRedirect",
    "Generic S3 error: Received non-partial response when range requested": "NotPartial",
    " contained non UTF-8 characters": "OddHeader",
}
_XML_CODE = re.compile(r"<Code>([\w.]+)</Code>")
_XML_MESSAGE = re.compile(r"<Message>([^<]*)</Message>")


def s3_code(exc: BaseException) -> str:
    """S3's own code for a failure (``NoSuchKey``, ``SlowDown``), or one of ours where S3 has not
    answered.

    Ours are ``NoNetwork``, ``Timeout``, ``ConnectionLost``, ``UntrustedCertificate``, ``NoTls``,
    ``NoCredentials``, ``SignInExpired``, ``BadConfiguration``, ``BadParameter``, ``NotPartial``,
    ``OddHeader`` and ``NotS3``; ``HTTP404`` and the like for an answer that S3 would not give; the
    name of the exception for anything else.
    """
    answer = _answer(exc)
    if answer is not None:
        if answer.code:
            return answer.code
        if answer.status == 404 and answer.may_be_bare:
            return "NotFound"
        return CODE_OF_STATUS.get(answer.status, f"HTTP{answer.status}")
    for words, code in _OBSTORE_WORDS.items():
        if words in str(exc):
            return code
    if kind := _OBSTORE_KIND.search(str(exc)):
        if _OBSTORE_CERTIFICATE.search(str(exc)):
            return "UntrustedCertificate"
        return {"Connect": "NoNetwork", "Timeout": "Timeout"}.get(kind.group(1), "ConnectionLost")
    for cls in type(exc).__mro__:
        if cls.__name__ in _CODE_OF_NAME:
            code = _CODE_OF_NAME[cls.__name__]
            # The other end speaks HTTP, say, or another version of TLS: no certificate was seen.
            other = code == "UntrustedCertificate" and "CERTIFICATE" not in str(exc)
            return "NoTls" if other else code
    return type(exc).__name__


def _answer(exc: BaseException) -> _Answer | None:
    response = getattr(exc, "response", None)
    if isinstance(response, dict):
        error = response.get("Error", {})
        code = str(error.get("Code", ""))
        # botocore puts the status in place of a code that is not there.
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode") or (
            int(code) if code.isdigit() else 0
        )
        bare = str(getattr(exc, "operation_name", "")).startswith("Head") or bool(
            response.get("ResponseMetadata", {}).get("RequestId")
        )
        return _Answer("" if code.isdigit() else code, status, str(error.get("Message", "")), bare)
    text = str(exc)
    if found := _OBSTORE_ANSWER.search(text):
        body = found.group(2) or ""
        code_found, message = _XML_CODE.search(body), _XML_MESSAGE.search(body)
        return _Answer(
            code_found.group(1) if code_found else "",
            int(found.group(1)),
            message.group(1) if message else "",
            _OBSTORE_HEAD.search(text) is not None,
        )
    return None


def was_retried(exc: BaseException) -> bool:
    """Whether botocore had tried the request before."""
    response = getattr(exc, "response", None) or {}
    return bool(response.get("ResponseMetadata", {}).get("RetryAttempts"))


def from_s3(exc: BaseException, *, path: str | None = None, action: str = "read") -> WherobotsError:
    """The error of ours that says what a botocore or obstore exception means.

    ``action`` is what was attempted: ``read``, ``list``, ``write``, ``delete`` or ``copy``. An
    error that already is ours comes back as it is. The original belongs into ``raise … from exc``.
    """
    if isinstance(exc, WherobotsError):
        return exc
    code = s3_code(exc)
    answer = _answer(exc)
    if getattr(exc, "operation_name", "") in _CREDENTIAL_OPERATIONS and code.startswith(
        "AccessDenied"
    ):
        code = "NoCredentials"
    # A 404 without S3's words is not S3's: a proxy or a portal knows nothing about absence.
    status = answer.status if answer and answer.status != 404 else 0
    return from_code(code, status=status, detail=_detail(exc, answer), path=path, action=action)


def _detail(exc: BaseException, answer: _Answer | None) -> str:
    if answer is not None:
        text = answer.message
    else:
        text, _, debug = str(exc).partition("\n\nDebug source:")
        if debug:
            reason = _OBSTORE_REASON.search(debug)
            text = reason.group(1) if reason else "" if _OBSTORE_KIND.search(debug) else text
    return " ".join(text.split()).rstrip(".")
