"""Puts the three variables where every kernel and terminal finds them: the server's own environment.

Measured on all ways a kernel can start (sessions, ``/api/kernels``, restart, terminals, nbconvert), the environment of the
server is the only one that reaches all of them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping


def apply(
    values: Mapping[str, str], environ: MutableMapping[str, str], log: logging.Logger
) -> None:
    """Set each variable that is unset or empty. Another value is the operator's: it stays, and is logged."""
    for name, value in values.items():
        present = environ.get(name)
        if not present:
            environ[name] = value
        elif present != value:
            log.warning(
                "%s is already %r and stays so (the configuration says %r)", name, present, value
            )


def allow_through_gateway(names: tuple[str, ...], allowed: str) -> str:
    """The value of ``GatewayClient.allowed_envs`` (comma-separated) with our names in it, each once."""
    present = [name.strip() for name in allowed.split(",") if name.strip()]
    return ",".join(dict.fromkeys([*present, *names]))
