"""``jupyter wherobots demo``: everything at once, on an S3 server in the process."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from urllib.parse import urlsplit

from .common import Commands, ExitCode, Parser, add_command


def add_to(commands: Commands[Parser]) -> None:
    """Add the command."""
    command = add_command(
        commands,
        "demo",
        run,
        summary="try it all: JupyterLab on an S3 server in the process",
        description="""
Start an S3 server in this process, fill it with sample data in the 2024 layout, and open JupyterLab on it, in a
temporary home directory that is synchronised. Needs the extra: pip install 'jupyter-wherobots[demo]'.

Ctrl-C or SIGTERM stops JupyterLab, which saves home once more; then home and bucket are compared byte by byte
(SHA-256), the result is printed, and the S3 server ends (with --keep-s3: at the next signal, or at Enter).
The same happens when JupyterLab is stopped by itself. Exit code 3 if something of home is not in the bucket.
""",
        examples="""
  jupyter wherobots demo
  jupyter wherobots demo --no-browser --port 8899 --token secret
  jupyter wherobots demo --home ~/demo --endpoint-url http://127.0.0.1:9000
""",
        json_help=(
            "print one JSON line when ready {url, token, pid, lab_pid, endpoint, bucket, organization, user, home, …}, "
            "and one at the end that says what of home is in the bucket"
        ),
    )
    command.add_argument("--no-browser", action="store_true", help="do not open a browser")
    command.add_argument(
        "--port", type=_port, help="port of JupyterLab (default: 8888 or the next that is free)"
    )
    command.add_argument(
        "--token", type=_token, help="token to log in with (default: a random one)"
    )
    command.add_argument(
        "--home", type=Path, help="home directory to use and keep (default: a temporary one)"
    )
    command.add_argument(
        "--endpoint-url",
        type=_url,
        metavar="URL",
        help="use this running S3 instead of the embedded one, with the AWS credentials of the environment; what is "
        "missing of the bucket and the sample data is created",
    )
    command.add_argument("--bucket", metavar="NAME", help="bucket to use (default: wherobots-demo)")
    command.add_argument(
        "--keep-s3",
        action="store_true",
        help="after JupyterLab has ended, keep the S3 server (and the temporary home) until a second signal, or Enter",
    )


def run(arguments: argparse.Namespace) -> ExitCode:
    """Run the demo until it is stopped."""
    from ..demo.bucket import require_extra

    require_extra()
    from ..demo import narrator
    from ..demo import run as demo

    options = demo.Options(
        browser=not arguments.no_browser,
        port=arguments.port,
        token=arguments.token,
        home=None if arguments.home is None else arguments.home.expanduser().absolute(),
        endpoint_url=arguments.endpoint_url,
        bucket=arguments.bucket,
        keep_s3=arguments.keep_s3,
    )
    ended = demo.run(options, narrator.Json() if arguments.json else narrator.Text())
    if ended is None or (ended.evidence is not None and ended.evidence.complete):
        return ExitCode.OK
    return ExitCode.NOT_DURABLE


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: 1 to 65535")
    return int(text)


def _token(text: str) -> str:
    # It travels in an HTTP header and in a URL.
    if not re.fullmatch(r"[A-Za-z0-9._~-]{1,256}", text):
        raise argparse.ArgumentTypeError("a token is made of letters, digits and . _ ~ -")
    return text


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise argparse.ArgumentTypeError(f"{text!r} is not an http:// or https:// URL")
    return text.rstrip("/")
