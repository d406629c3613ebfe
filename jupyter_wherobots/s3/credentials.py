"""Where the AWS credentials come from, and how obstore gets them from the botocore session.

Knows no bucket and sends no request to S3; botocore itself may ask STS, SSO, a container or the
instance for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ..errors import NoCredentials

_METHODS = {
    "explicit": "session",
    "shared-credentials-file": "profile",
    "config-file": "profile",
}


@dataclass(frozen=True)
class CredentialSource:
    """How the credentials were found, without any secret.

    ``method`` is ``env``, ``profile`` or botocore's own name (``assume-role``,
    ``assume-role-with-web-identity``, ``container-role``, ``iam-role``, ``sso``,
    ``custom-process``, …). ``expires_at`` is None for credentials that do not say when they end.
    ``refreshable``: botocore gets new ones by itself before that.
    """

    method: str
    expires_at: datetime | None
    refreshable: bool


class Credentials:
    """The credentials of one botocore session: for obstore as its provider, for people as a
    `CredentialSource`.

    obstore asks again about five minutes before ``expires_at``, and botocore renews ten to fifteen
    minutes before it, so an answer is good whenever obstore asks for it. obstore's own
    Boto3CredentialProvider says "in 30 minutes" whatever is true.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        self.failure: Exception | None = None
        """What went wrong when obstore asked last: all that reaches its own exception is text."""

    def __call__(self) -> dict[str, Any]:
        """The answer to obstore, as its ``S3Credential``. Raises what botocore raises; kept in
        ``failure`` too.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            frozen, expires_at, _ = self._current()
        except (BotoCoreError, ClientError, NoCredentials) as exc:
            self.failure = exc
            raise
        self.failure = None
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": expires_at,
        }

    def source(self) -> CredentialSource:
        """Where the credentials come from. Raises NoCredentials, and what botocore raises when it
        has to fetch them.
        """
        _, expires_at, found = self._current()
        return CredentialSource(
            _METHODS.get(found.method, found.method), expires_at, hasattr(found, "refresh_needed")
        )

    def _current(self) -> tuple[Any, datetime | None, Any]:
        found = self._session.get_credentials()
        if found is None:
            raise NoCredentials(
                "There are no AWS credentials: nothing was found in any of the standard places."
            )
        # botocore has no public name for the expiry. Where a renewal falls between these lines, the
        # earlier of the two is kept: at worst obstore asks once more than it has to.
        before = getattr(found, "_expiry_time", None)
        frozen = found.get_frozen_credentials()
        after = getattr(found, "_expiry_time", None)
        expires_at = min(before, after) if before and after else after
        # obstore takes no other time zone than this very object.
        return frozen, expires_at and expires_at.astimezone(timezone.utc), found
