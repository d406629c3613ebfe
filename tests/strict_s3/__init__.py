"""A small S3 in memory for tests, with exactly S3's rules where other test servers are lax.

    with StrictS3(bucket="b") as s3:
        s3.fail("PutObject", code="SlowDown", times=2)
        ...                                   # a client of s3.url
        assert s3.count("PutObject") == 3

Objects and listings keep S3's limits and order, conditional requests its statuses, ETags are
opaque. Quirks of other stores, missing permissions, faults, gates and hooks are switched on by
the test. Everything a request did is counted.
"""

from tests.strict_s3.calls import Call, Operation
from tests.strict_s3.conditions import CEPH_RGW, RCLONE, Access, Quirk
from tests.strict_s3.control import Remote
from tests.strict_s3.faults import Fault, Gate, When
from tests.strict_s3.journal import Record
from tests.strict_s3.server import StrictS3
from tests.strict_s3.state import Limits
from tests.strict_s3.store import Upload, Version

__all__ = [
    "CEPH_RGW",
    "RCLONE",
    "Access",
    "Call",
    "Fault",
    "Gate",
    "Limits",
    "Operation",
    "Quirk",
    "Record",
    "Remote",
    "StrictS3",
    "Upload",
    "Version",
    "When",
]
