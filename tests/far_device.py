"""A stand-in for a GPU: a device whose memory is not the processor's.

Tensors on torch's ``meta`` device keep their values here, hidden from everything else, so that what reads
them without copying them back, or mixes them with tensors on the CPU, fails as it would on a GPU. Speed,
kernels and precision of a real one are not shown by it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

DEVICE = torch.device("meta")
# Copies between memories, and losses that take their lengths from the CPU's.
_MIXED = ("aten._to_copy.", "aten.copy_.", "aten._ctc_loss.", "aten._ctc_loss_backward.")


class FarTensor(Tensor):
    """A tensor on ``DEVICE``; ``values`` is where they really are."""

    values: Tensor

    @staticmethod
    def __new__(cls, values: Tensor) -> FarTensor:
        made: FarTensor = Tensor._make_wrapper_subclass(
            cls,
            values.size(),
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=DEVICE,
        )
        made.values = values
        return made

    def __repr__(self, **_: Any) -> str:
        return f"FarTensor({self.values})"

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # Torch makes an index of a list past all modes.
        if function in (Tensor.__getitem__, Tensor.__setitem__):
            where = args[1] if isinstance(args[1], tuple) else (args[1],)
            where = tuple(FarTensor(torch.tensor(w)) if isinstance(w, list) else w for w in where)
            args = (args[0], where, *args[2:])
        with torch._C.DisableTorchFunctionSubclass():
            return function(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(cls, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(operator, args, kwargs or {})


class FarDevice(TorchDispatchMode):
    """While it is on, ``DEVICE`` computes."""

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(operator, args, kwargs or {})


def _run(operator: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    name = str(operator)
    tensors: list[Tensor] = []
    tree_map(lambda a: tensors.append(a) if isinstance(a, Tensor) else None, (args, kwargs))
    far = any(isinstance(tensor, FarTensor) for tensor in tensors)
    near = any(not isinstance(tensor, FarTensor) and tensor.dim() > 0 for tensor in tensors)
    if far and near and not name.startswith(_MIXED):
        raise RuntimeError(f"{name}: expected all tensors on the same device")
    if (target := kwargs.get("device")) is not None:
        far = torch.device(target) == DEVICE
        kwargs = kwargs | {"device": torch.device("cpu")}
    done = operator(*tree_map(_values, args), **tree_map(_values, kwargs))
    if name.split(".")[1].endswith("_"):  # in place
        return args[0]
    return tree_map(lambda a: FarTensor(a) if far and isinstance(a, Tensor) else a, done)


def _values(item: Any) -> Any:
    return item.values if isinstance(item, FarTensor) else item
