"""Language networks: from the symbols so far to the next one."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

from speechq.config import LanguageModelConfig
from speechq.errors import ConfigError
from speechq.nn.hierarchical import HierarchicalModel
from speechq.nn.layer import State
from speechq.nn.stack import Network
from speechq.text.units import Units


class LanguageModel(Network):
    """Symbols ``[T, B]`` to logits of the next symbol ``[T, B, symbols]``, with explicit state.

    A symbol enters as a one-hot frame, so the first layer's input matrix has one column per symbol.
    """

    def __init__(self, config: LanguageModelConfig, symbols: int) -> None:
        super().__init__(config, [symbols] + [config.hidden] * (config.layers - 1), symbols)
        self.inputs = symbols

    def forward(
        self, x: Tensor, lengths: Tensor, state: Sequence[State] | None = None, final: bool = True
    ) -> tuple[Tensor, list[State]]:
        """``(logits, new state)`` of symbols ``x`` int64 [T, B]."""
        frames = functional.one_hot(x, self.inputs).to(self.out.bias.dtype)
        h, after = self.run_layers(frames, lengths, state, final)
        return self.out(h), after


def make_language_model(config: LanguageModelConfig, units: Units) -> LanguageModel | HierarchicalModel:
    """A fresh network over ``units``, symbol 0 being the end of a sentence.

    The word clock of a hierarchical one ticks at the space and at the end of a sentence (paper 9: at white
    space); ConfigError without a space among the units.
    """
    if config.hierarchy == "none":
        return LanguageModel(config, len(units))
    if " " not in units.symbols:
        raise ConfigError(
            f"model.hierarchy: {config.hierarchy} needs a space in data.alphabet: words are told apart by it"
        )
    return HierarchicalModel(config, len(units), (0, units.symbols.index(" ")))
