"""The strict S3 as a process: prints its URL, runs until it is terminated.

python -m tests.strict_s3 --port 0 --bucket NAME
"""

from __future__ import annotations

import argparse
import signal

from tests.strict_s3.server import StrictS3


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m tests.strict_s3", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--bucket", default="strict-bucket", help="a bucket that exists")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--seed", type=int, help="the same ETags in every run")
    options = parser.parse_args()
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    with StrictS3(
        options.bucket, port=options.port, region=options.region, seed=options.seed
    ) as server:
        print(server.url, flush=True)
        signal.sigwait(ends)


if __name__ == "__main__":
    main()
