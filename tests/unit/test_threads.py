"""The executor: answers, errors, a bound, and threads that never hold up the end of the process."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from jupyter_wherobots.threads import DaemonExecutor


def test_results_and_errors_come_back() -> None:
    executor = DaemonExecutor(2, "test")
    assert executor.submit(lambda a, b: a + b, 1, b=2).result(5) == 3
    with pytest.raises(ZeroDivisionError):
        executor.submit(lambda: 1 / 0).result(5)
    executor.shutdown()


def test_at_most_limit_calls_run_at_once_and_that_many_do() -> None:
    executor = DaemonExecutor(3, "test")
    together = threading.Barrier(4)
    waiting = [executor.submit(together.wait, 10) for _ in range(3)]
    extra = executor.submit(lambda: "later")
    assert not extra.done()
    together.wait(10)
    assert extra.result(5) == "later"
    for future in waiting:
        future.result(5)
    executor.shutdown()


def test_an_idle_thread_is_used_again() -> None:
    executor = DaemonExecutor(8, "test")
    for _ in range(20):
        executor.submit(lambda: None).result(5)
    assert sum(thread.name.startswith("test-") for thread in threading.enumerate()) <= 2
    executor.shutdown()


def test_shutdown_refuses_new_calls_and_cancels_waiting_ones() -> None:
    executor = DaemonExecutor(1, "test")
    started, release = threading.Event(), threading.Event()

    def wait() -> bool:
        started.set()
        return release.wait(10)

    running = executor.submit(wait)
    assert started.wait(5)
    queued = executor.submit(lambda: None)
    executor.shutdown(cancel_futures=True)
    assert queued.cancelled()
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(lambda: None)
    release.set()
    assert running.result(5)


def test_a_blocked_thread_does_not_keep_the_process_alive() -> None:
    program = (
        "import threading; from jupyter_wherobots.threads import DaemonExecutor\n"
        "started = threading.Event()\n"
        "e = DaemonExecutor(1, 'x'); e.submit(lambda: (started.set(), threading.Event().wait()))\n"
        "started.wait(); e.shutdown(); print('end')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stdout == "end\n"
