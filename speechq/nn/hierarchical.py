"""Hierarchical character language models with a character clock and a word clock (1609.03777, paper 9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from speechq.config import LanguageModelConfig
from speechq.nn.layer import State, valid_frames
from speechq.nn.stack import Network
from speechq.runtime.graph import Hierarchy, Layer, Signal

_CHAR_IN, _WORD_1, _WORD_2, _CHAR_OUT = range(4)

# Numbers of words come in multiples of this: oneDNN keeps a kernel for every new size of a product.
_MULTIPLE = 64


class HierarchicalModel(Network):
    """HLSTM-A or HLSTM-B: symbols ``[T, B]`` to logits of the next symbol ``[T, B, symbols]``.

    Four LSTM layers. l0 (characters) reads the symbol; l1 and l2 (words) step only where the symbol that is
    read is one of ``clock`` (a word's end) and hold their state elsewhere; l1 reads what l0 gave at the step
    before, the embedding of the finished word. At the same steps l0 and l3 forget their state before they
    read. l3 (characters) reads l2 beside the symbol (A) or beside l0 (B). So the words' layers are the only
    way from one word to the next.
    """

    config: LanguageModelConfig

    def __init__(self, config: LanguageModelConfig, symbols: int, clock: Sequence[int]) -> None:
        hidden = config.hidden
        beside = symbols if config.hierarchy == "a" else hidden
        super().__init__(config, [symbols, hidden, hidden, beside + hidden], symbols)
        self.inputs = symbols
        ticks = torch.zeros(symbols, dtype=torch.bool)
        ticks[list(clock)] = True
        self.register_buffer("clock", ticks, persistent=False)
        self.clock: Tensor

    def forward(
        self, x: Tensor, lengths: Tensor, state: Sequence[State] | None = None, final: bool = True
    ) -> tuple[Tensor, list[State]]:
        """``(logits, new state)`` of symbols ``x`` int64 [T, B]; state: h and c of the four layers."""
        state = self.initial_state(x.shape[1]) if state is None else state
        tick = self.clock[x] & valid_frames(lengths, len(x))[..., 0]
        symbols = functional.one_hot(x, self.inputs).to(self.out.bias.dtype)
        embedded, char_in = self._run_words(_CHAR_IN, symbols, lengths, tick, state[_CHAR_IN])
        before = torch.cat([state[_CHAR_IN][0][None], embedded[:-1]])
        context, words = self._run_clocked(self.dropped(before), tick, state)
        beside = symbols if self.config.hierarchy == "a" else self.dropped(embedded)
        joined = torch.cat([beside, self.dropped(context)], -1)
        h, char_out = self._run_words(_CHAR_OUT, joined, lengths, tick, state[_CHAR_OUT])
        return self.out(self.dropped(h)), [char_in, *words, char_out]

    def _run_words(
        self, k: int, x: Tensor, lengths: Tensor, tick: Tensor, state: State
    ) -> tuple[Tensor, State]:
        """Layer ``k`` over ``x`` [T, B, D], its state zero before every tick.

        Every piece between two ticks is run as a row of its own, all at once.
        """
        frames, rows, width = x.shape
        if frames == 0 or int(lengths.max()) == 0:
            return x.new_zeros(frames, rows, self.config.hidden), state
        valid = valid_frames(lengths, frames)[..., 0].t()
        first = tick.t().clone()
        first[:, 0] = True
        first &= valid
        number = first.flatten().cumsum(0) - 1  # of the piece, row by row
        starts = first.flatten().nonzero().flatten()
        place = torch.arange(rows * frames, device=x.device) - starts[number.clamp(min=0)]
        used = valid.flatten().nonzero().flatten()
        number, place = number[used], place[used]
        pieces = -(-len(starts) // _MULTIPLE) * _MULTIPLE
        sizes = torch.bincount(number, minlength=pieces)

        x = x.transpose(0, 1).reshape(rows * frames, width)[used]
        padded = x.new_zeros(int(sizes.max()), pieces, width).index_put((place, number), x)
        # A piece that begins a row without a tick goes on with the row's state.
        row, step = starts // frames, starts % frames
        goes_on = (step == 0) & ~tick[0, row]
        begin = tuple(
            functional.pad(torch.where(goes_on[:, None], part[row], 0.0), (0, 0, 0, pieces - len(row)))
            for part in state
        )
        h, after = self.run_layer(k, padded, begin, sizes.to(lengths))
        output = h.new_zeros(rows * frames, h.shape[2]).index_put((used,), h[place, number])
        last = first.sum(1).cumsum(0) - 1
        ran = (lengths > 0)[:, None]
        state = tuple(
            torch.where(ran, new[last.clamp(min=0)], old) for new, old in zip(after, state, strict=True)
        )
        return output.view(rows, frames, -1).transpose(0, 1), state

    def _run_clocked(
        self, x: Tensor, tick: Tensor, state: Sequence[State]
    ) -> tuple[Tensor, tuple[State, State]]:
        """l1 and l2 at the ticks of ``x`` [T, B, hidden]; what l2 holds at every frame, and the states."""
        counts = tick.sum(0)
        most = int(counts.max())
        held = state[_WORD_2][0]
        if most == 0:
            return held.expand(len(x), -1, -1), (state[_WORD_1], state[_WORD_2])
        order = torch.argsort((~tick).to(torch.int8), dim=0, stable=True)[:most]
        words = x.gather(0, order[..., None].expand(-1, -1, x.shape[2]))
        h, first = self.run_layer(_WORD_1, words, state[_WORD_1], counts)
        h, second = self.run_layer(_WORD_2, self.dropped(h), state[_WORD_2], counts)
        so_far = tick.cumsum(0)[..., None].expand(-1, -1, h.shape[2])
        # The first entry is what was held before the chunk; behind it lies what each tick gave.
        context = torch.cat([held[None], h]).gather(0, so_far)
        return context, (first, second)

    def joined(self) -> Hierarchy:
        """How the packed layers are joined."""
        assert self.config.hierarchy != "none"
        return Hierarchy(self.config.hierarchy, tuple(self.clock.nonzero().flatten().tolist()))

    def export(self) -> tuple[tuple[Layer, ...], Signal | None]:
        """Packed layers; l3's input matrix in two, as what it reads stands on two grids."""
        layers, grid = super().export()
        top = layers[_CHAR_OUT]
        joined = top.matrices["in"]
        beside = joined.codes.shape[1] - self.config.hidden
        parts = {
            "in": replace(joined, codes=np.ascontiguousarray(joined.codes[:, :beside])),
            "context": replace(joined, codes=np.ascontiguousarray(joined.codes[:, beside:])),
        }
        top = replace(top, matrices=top.matrices | parts)
        return (*layers[:_CHAR_OUT], top, *layers[_CHAR_OUT + 1 :]), grid
