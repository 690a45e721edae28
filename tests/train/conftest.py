"""Processes for tests that kill them or that train together."""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import os
import sys
from typing import Any

import pytest


@pytest.fixture(scope="session")
def context() -> Any:
    """Processes that start within milliseconds, for they are forked from one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["preloaded"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))  # the server finds modules by it
        multiprocessing.forkserver.ensure_running()
    return context
