"""Delete files and folders: a thousand keys in a request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from itertools import islice
from typing import TYPE_CHECKING

from ..errors import WherobotsError
from ..layout import Layout
from ..s3.listing import Object
from ..s3.objects import delete_many
from .items import Item, count, objects
from .jobs import Job, JobKind, Plan
from .parallel import ahead
from .permissions import check_change

if TYPE_CHECKING:
    from ..s3.client import S3

_BATCH = 1000
_REQUESTS = 4
"""DeleteObjects at once, of a thousand keys each."""


def plan_delete(
    s3: S3, layout: Layout, items: Sequence[Item], executor: Executor, *, confirm: bool = False
) -> Plan:
    """The job that deletes some files and folders, for good.

    Raises NotPermitted, ConfirmationRequired, InvalidPath; nothing is deleted if one of the items may not be.
    """
    for item in items:
        check_change(layout, item.path, confirm)
    title = f"Delete {items[0].name}" if len(items) == 1 else f"Delete {len(items)} items"

    def work(job: Job) -> None:
        count(s3, layout, items, job)

        def send(batch: list[tuple[Object, str | None]]) -> None:
            if job.stop.is_set():
                return
            job.at(layout.path(batch[0][0].key))
            failures = delete_many(s3, [(each.key, etag) for each, etag in batch], stop=job.stop)
            failed = {failure.key for failure in failures}
            for failure in failures:
                job.fail(failure.error)
            gone = [each for each, _ in batch if each.key not in failed]
            job.done(len(gone), sum(each.size for each in gone))

        for _ in ahead(executor, send, _batches(_targets(s3, layout, items, job)), _REQUESTS):
            job.check()
        job.check()

    return Plan(JobKind.DELETE, title, work)


def _targets(
    s3: S3, layout: Layout, items: Sequence[Item], job: Job
) -> Iterator[tuple[Object, str | None]]:
    """All objects, each with the ETag that it must have; an item that fails does not stop the others."""
    for item in items:
        try:
            for each in objects(s3, layout, item, job):
                if not item.is_folder:
                    job.expect(0, each.size)
                yield each, item.etag
        except WherobotsError as error:
            job.check()
            job.fail(error)


def _batches(
    targets: Iterator[tuple[Object, str | None]],
) -> Iterator[list[tuple[Object, str | None]]]:
    while batch := list(islice(targets, _BATCH)):
        yield batch
