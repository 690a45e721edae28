"""Our engine as a contender."""

from __future__ import annotations

from collections.abc import Sequence

from speechq.bench.engine.loop import Contender
from speechq.bench.engine.synthetic import Shape, synthetic_frames, synthetic_model
from speechq.runtime.graph import Matrix

NAME = "speechq"


def our_contenders(shape: Shape, bits: int, blocks: Sequence[int], threads: int) -> list[Contender]:
    """A contender per block size; they share one network, and each has a stream of its own."""
    from speechq.runtime.engine import Engine

    model = synthetic_model(shape, bits)
    macs = sum(_macs(matrix) for layer in model.layers for matrix in layer.matrices.values())
    engine = Engine(model, threads=threads)

    def contender(block: int) -> Contender:
        frames, state = [synthetic_frames(shape, block)], [engine.initial_state()]

        def prepare() -> None:
            engine.block = block

        return Contender(
            engine=NAME,
            shape=shape,
            bits=bits,
            block=block,
            threads=threads,
            weight_bytes=engine.weight_bytes,
            macs=macs,
            step=lambda: engine.run(frames, state),
            prepare=prepare,
        )

    return [contender(block) for block in blocks]


def _macs(matrix: Matrix) -> int:
    """Multiply-adds per frame; of a group there are as many as it may have non-zeros."""
    count = int(matrix.codes.size)
    if matrix.groups is None:
        return count
    group, kept = matrix.groups
    return count * kept // group
