"""The S3 of the demo: moto's server in this process, and the filling of the bucket."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import (
    NotConfigured,
    PreconditionFailed,
    Throttled,
    Unreachable,
    WherobotsError,
)
from .samples import Sample

if TYPE_CHECKING:
    from ..s3.client import S3

_WRITERS = 8


def require_extra() -> None:
    """Raise NotConfigured, with the command that mends it, unless all packages of the extra ``demo`` are there."""
    from importlib.util import find_spec

    missing = [
        name for name in ("jupyterlab", "moto", "flask", "pyarrow") if find_spec(name) is None
    ]
    if missing:
        raise NotConfigured(
            f"The demo needs packages that are not installed: {', '.join(missing)}.",
            hint="Install them with: pip install 'jupyter-wherobots[demo]'",
        )


@contextmanager
def embedded_s3() -> Iterator[str]:
    """An S3 server in this process, on a free port of 127.0.0.1; gives its URL. What it holds goes with the process."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(
        logging.ERROR
    )  # else one line on stderr for each request
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def s3_environment(
    environ: Mapping[str, str], endpoint: str, *, embedded: bool
) -> dict[str, str | None]:
    """The AWS variables to set (None: to remove) so that boto3 in this process and its children meets this endpoint alone.

    The embedded S3 takes any credentials, and the person's own have no business there. Another endpoint gets those in the
    environment; without any, the same dummies.
    """
    values: dict[str, str | None] = {}
    if embedded:
        values |= {name: None for name in environ if name.startswith("AWS_")}
    if embedded or not any(
        environ.get(name)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
    ):
        values |= {"AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo-secret"}
    values["AWS_ENDPOINT_URL_S3"] = endpoint
    values["AWS_EC2_METADATA_DISABLED"] = "true"
    if embedded:
        values["AWS_ENDPOINT_URL_STS"] = endpoint
    region = (None if embedded else environ.get("AWS_REGION")) or "us-east-1"
    values |= {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    # A proxy for the outside world would otherwise be asked for 127.0.0.1 too.
    local = [name for name in environ.get("NO_PROXY", "").split(",") if name]
    values["NO_PROXY"] = values["no_proxy"] = ",".join(
        dict.fromkeys([*local, "127.0.0.1", "localhost"])
    )
    return values


def fill(
    s3: S3, samples: Iterable[Sample], stopped: Callable[[], bool]
) -> tuple[WherobotsError, ...]:
    """Put the samples that are not there yet; what this S3 refuses (odd names, mostly) comes back as errors.

    Nothing that lies there already is overwritten.
    """
    from ..s3.listing import walk
    from ..s3.objects import absent, put

    present = {found.key for found in walk(s3, "")}

    def write(sample: Sample) -> tuple[Sample, WherobotsError | None]:
        if stopped():
            return sample, None
        try:
            put(
                s3,
                sample.key,
                sample.body,
                metadata={},
                condition=absent(),
                content_type=sample.content_type,
            )
        except PreconditionFailed:
            return sample, None
        except WherobotsError as error:
            return sample, error
        return sample, None

    missing = [sample for sample in samples if sample.key not in present]
    with ThreadPoolExecutor(_WRITERS, "demo-fill") as pool:
        written = list(pool.map(write, missing))
    # Once more one by one: some servers fail for a moment when many objects come at once.
    again = [sample for sample, error in written if isinstance(error, (Throttled, Unreachable))]
    written = [each for each in written if each[0] not in again] + [write(each) for each in again]
    return tuple(error for _, error in written if error is not None)
