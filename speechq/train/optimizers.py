"""Optimizers: AdamW, and the AdaDelta variant with Nesterov momentum of the papers (papers.md 0.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from speechq.config import LoopConfig


class AdaDeltaNesterov(torch.optim.Optimizer):
    """AdaDelta with the rate in place of its epsilon, and Nesterov momentum, as Fractal computes them.

    ``ms_g = r ms_g + (1-r) g^2``; ``d = -sqrt(ms_d + lr^2) clip(g / sqrt(ms_g), -10, 10)``; ``ms_d`` likewise
    from ``d``; velocity ``v = mom v + d``. The parameters that the network sees, and that gradients are taken
    at, are the look-ahead ones ``w + mom v`` (Bengio's form).
    """

    def __init__(self, params: Iterable[Any], lr: float, momentum: float = 0.9, decay: float = 0.99) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update of all parameters that have a gradient."""
        for group in self.param_groups:
            rate, momentum, decay = group["lr"], group["momentum"], group["decay"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["ms_g"] = torch.ones_like(parameter)
                    state["ms_d"] = torch.zeros_like(parameter)
                    state["velocity"] = torch.zeros_like(parameter)
                gradient = parameter.grad
                state["ms_g"].mul_(decay).addcmul_(gradient, gradient, value=1 - decay)
                ratio = (gradient / (state["ms_g"].sqrt() + 1e-20)).clamp_(-10, 10)
                change = -(state["ms_d"] + rate * rate).sqrt() * ratio
                state["ms_d"].mul_(decay).addcmul_(change, change, value=1 - decay)
                parameter.sub_(momentum * state["velocity"])
                state["velocity"].mul_(momentum).add_(change)
                parameter.add_((1 + momentum) * state["velocity"])

    def forget_momentum(self) -> None:
        """Clear velocity and the mean square of the changes, as after going back to a pivot."""
        for state in self.state.values():
            state["velocity"].zero_()
            state["ms_d"].zero_()


def forget_changes(optimizer: torch.optim.Optimizer) -> None:
    """Forget where the optimizer was going, after the parameters were set to an earlier state."""
    if isinstance(optimizer, AdaDeltaNesterov):
        optimizer.forget_momentum()
    else:
        optimizer.state.clear()


def make_optimizer(config: LoopConfig, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of the recipe. Weight decay acts on matrices only, not on biases, vectors and steps."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    matrices = [p for name, p in named if p.ndim > 1 and "weight_" in name and "quantizers" not in name]
    chosen = {id(p) for p in matrices}
    others = [p for _, p in named if id(p) not in chosen]
    if config.optimizer == "adadelta_nesterov":
        return AdaDeltaNesterov(
            [{"params": matrices + others}], config.learning_rate, config.momentum, config.decay
        )
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    fused = all(p.device.type == "cpu" for _, p in named)  # one pass over memory; on a GPU torch knows best
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98), fused=fused or None)


def optimizer_tensors(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """The optimizer's state as named tensors ``<parameter>/<key>``, for a checkpoint."""
    names = {id(p): name for name, p in model.named_parameters()}
    found = {}
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            found[f"{names[id(parameter)]}/{key}"] = (
                value if isinstance(value, Tensor) else torch.tensor(float(value))
            )
    return found


def restore_optimizer(optimizer: torch.optim.Optimizer, model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Put back what ``optimizer_tensors`` gave."""
    parameters = dict(model.named_parameters())
    for name, value in tensors.items():
        parameter, _, key = name.rpartition("/")
        target = parameters[parameter]
        # A count of steps stays on the CPU, where torch's optimizers keep it.
        optimizer.state[target][key] = value.to(
            target.device if value.shape == target.shape else "cpu"
        ).clone()
