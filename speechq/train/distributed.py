"""Several processes under ``torchrun``: each takes a share of a batch's rows; gradients are summed.

The first process alone writes files. What all must agree on (to stop, to save, what is up to date) goes
through ``largest`` and ``first_decides``, never through a clock or a look at the disk of each process.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from speechq.errors import ConfigError

# The others wait while the first process prepares or scores; a process that died is noticed by torchrun.
_PATIENCE = timedelta(days=2)


def start() -> None:
    """Join the process group if ``torchrun`` started this process (gloo on the CPU, nccl on GPUs).

    ConfigError if there are GPUs, but too few for one each.
    """
    if "WORLD_SIZE" not in os.environ or dist.is_initialized():
        return
    backend = "gloo"
    if torch.cuda.is_available():
        backend = "nccl"
        own, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if own >= count:
            raise ConfigError(
                f"torchrun: process {own + 1} of this machine has no GPU, there are {count}; start as many "
                'processes as GPUs, or train on the CPU with CUDA_VISIBLE_DEVICES=""'
            )
        torch.cuda.set_device(own)
    dist.init_process_group(backend, timeout=_PATIENCE)


def stop() -> None:
    """Leave the process group."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


_alone = False


@contextmanager
def alone() -> Iterator[None]:
    """Work as if this process were the only one; for what the first does while the others wait."""
    global _alone
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


def _grouped() -> bool:
    return not _alone and dist.is_available() and dist.is_initialized()


def rank() -> int:
    """This process's number, 0 without torchrun."""
    return dist.get_rank() if _grouped() else 0


def world() -> int:
    """Number of processes that work together."""
    return dist.get_world_size() if _grouped() else 1


def is_first() -> bool:
    """Whether this process writes files and speaks."""
    return rank() == 0


def sum_in_place(tensors: Iterable[Tensor]) -> None:
    """Add each tensor over all processes; one message for all of them."""
    if world() == 1:
        return
    listed = list(tensors)
    flat = torch.cat([t.reshape(-1) for t in listed])
    dist.all_reduce(flat)
    start = 0
    for tensor in listed:
        tensor.copy_(flat[start : start + tensor.numel()].view_as(tensor))
        start += tensor.numel()


def largest(level: int) -> int:
    """The largest ``level`` of all processes; all must call this."""
    if world() == 1:
        return level
    shared = torch.tensor([level], device="cuda" if dist.get_backend() == "nccl" else "cpu")
    dist.all_reduce(shared, dist.ReduceOp.MAX)
    return int(shared.item())


def first_decides(flag: bool) -> bool:
    """The first process's ``flag``; all must call this."""
    return largest(int(flag and is_first())) > 0


def barrier() -> None:
    """Wait for all processes."""
    if world() > 1:
        dist.barrier()
