"""Processes that share out work: they end with their parent, quietly at Ctrl-C, and errors come back."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from speechq.errors import DataError

T = TypeVar("T")


def _begin() -> None:
    """Die at Ctrl-C without a traceback, and when the parent is killed: work would be awaited for ever."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def run_all(
    function: Callable[..., T], jobs: Sequence[tuple[Any, ...]], workers: int
) -> Iterator[tuple[int, T]]:
    """``(k, function(*jobs[k]))`` as jobs are done, by at most ``workers`` processes (0: one a core)."""
    count = min(workers or os.cpu_count() or 1, len(jobs))
    if count <= 1:
        for k, job in enumerate(jobs):
            yield k, function(*job)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context, initializer=_begin) as pool:
        waiting: dict[Future[T], int] = {pool.submit(function, *job): k for k, job in enumerate(jobs)}
        try:
            while waiting:
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    yield waiting.pop(future), future.result()
        except BrokenProcessPool:
            raise DataError(
                "a process died while preparing data (out of memory?); try fewer workers"
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
