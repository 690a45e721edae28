"""What a training process needs, imported once by the server that all killed processes are forked from."""

from __future__ import annotations

import contextlib
import importlib

import test_distributed
import test_loop

from speechq.data.torchaudio_lite import transforms

transforms()
for name in ("torch._dynamo", "torch.utils.tensorboard"):  # what optimizers and the log import late
    with contextlib.suppress(ImportError):
        importlib.import_module(name)

__all__ = ["test_distributed", "test_loop"]
