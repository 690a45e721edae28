"""Which part of a network made the first value that is not a number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from speechq.nn.layer import State
from speechq.nn.stack import Network


@torch.no_grad()
def blame_loss(model: Network, x: Tensor, lengths: Tensor, state: Sequence[State], loss_name: str) -> str:
    """A sentence on why the loss of this batch is not a number."""
    if not x.isfinite().all():
        rows = (~x.isfinite()).any(0).any(-1).nonzero().flatten().tolist()
        return f"the features of {len(rows)} of {x.shape[1]} utterances of the batch are not finite"
    found: list[str] = []

    def look(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            value = output[0] if isinstance(output, tuple) else output
            if not value.isfinite().all():
                found.append(name)

        return hook

    named = [(f"layer l{k}", layer) for k, layer in enumerate(model.recurrent_layers())]
    handles = [layer.register_forward_hook(look(name)) for name, layer in [*named, ("layer out", model.out)]]
    try:
        model(x, lengths, state)
    finally:
        for handle in handles:
            handle.remove()
    source = found[0] if found else loss_name
    return f"the loss is not a number; the first bad values come from {source}"


def blame_gradient(model: nn.Module) -> str:
    """A sentence on which parameters' gradients are not finite."""
    bad = [name for name, p in model.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]
    if not bad:
        return "the gradient is too large for a number"
    return (
        f"the gradient of {bad[0]}" + (f" and {len(bad) - 1} more" if len(bad) > 1 else "") + " is not finite"
    )
