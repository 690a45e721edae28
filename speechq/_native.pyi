"""The C++ side. Arrays are contiguous CPU arrays of float32 or float64 (lengths: int64).

A grid is ``(step, qmax, learned)``. Shapes are given with the operators in ``speechq.nn.recurrence``;
outputs are allocated by the caller and filled in place.
"""

from collections.abc import Sequence
from typing import Any

_Array = Any  # a torch tensor without autograd, or a NumPy array
_Grid = tuple[float, int, bool] | None

def endpoint_rules() -> list[tuple[float, float, bool, bool]]: ...

class Endpointer:
    def __init__(
        self,
        rules: Sequence[tuple[float, float, bool, bool]],
        units: int,
        separator: int,
        frame_seconds: float,
    ) -> None: ...
    def ends(self, log_probs: _Array) -> list[int]: ...

def fake_quantize(x: _Array, steps: _Array, qmax: int, out: _Array, threads: int) -> None: ...
def fake_quantize_backward(
    x: _Array, steps: _Array, qmax: int, grad: _Array, grad_x: _Array, grad_steps: _Array, threads: int
) -> None: ...
def norm_statistics(x: _Array, lengths: _Array, mean: _Array, variance: _Array, threads: int) -> None: ...
def norm_apply(
    x: _Array, lengths: _Array, mean: _Array, factor: _Array, shift: _Array, out: _Array, threads: int
) -> None: ...
def norm_gradient_sums(
    x: _Array, lengths: _Array, mean: _Array, grad: _Array, total: _Array, along: _Array, threads: int
) -> None: ...
def norm_gradient(
    x: _Array,
    lengths: _Array,
    mean: _Array,
    factor: _Array,
    level: _Array,
    slope: _Array,
    grad: _Array,
    grad_x: _Array,
    threads: int,
) -> None: ...
def sru_forward(
    u: _Array,
    x_skip: _Array,
    v: _Array,
    bias: _Array,
    c0: _Array,
    lengths: _Array,
    tanh: bool,
    scale_x: float,
    cell: _Grid,
    gate_qmax: int,
    h: _Array,
    c: _Array,
    c_last: _Array,
    threads: int,
) -> None: ...
def sru_backward(
    u: _Array,
    x_skip: _Array,
    v: _Array,
    bias: _Array,
    c0: _Array,
    lengths: _Array,
    tanh: bool,
    scale_x: float,
    cell: _Grid,
    gate_qmax: int,
    c: _Array,
    grad_h: _Array,
    grad_c_last: _Array,
    grad_u: _Array,
    grad_x_skip: _Array,
    grad_v: _Array,
    grad_bias: _Array,
    grad_c0: _Array,
    grad_cell_step: _Array,
    threads: int,
) -> None: ...
def qrnn_forward(
    u: _Array,
    bias: _Array,
    c0: _Array,
    x_skip: _Array | None,
    keep_mask: _Array | None,
    lengths: _Array,
    tanh_in: bool,
    tanh_out: bool,
    cell: _Grid,
    gate_qmax: int,
    h: _Array,
    c: _Array,
    c_last: _Array,
    threads: int,
) -> None: ...
def qrnn_backward(
    u: _Array,
    bias: _Array,
    c0: _Array,
    x_skip: _Array | None,
    keep_mask: _Array | None,
    lengths: _Array,
    tanh_in: bool,
    tanh_out: bool,
    cell: _Grid,
    gate_qmax: int,
    c: _Array,
    grad_h: _Array,
    grad_c_last: _Array,
    grad_u: _Array,
    grad_bias: _Array,
    grad_c0: _Array,
    grad_x_skip: _Array | None,
    grad_cell_step: _Array,
    threads: int,
) -> None: ...
def lstm_forward(
    u: _Array,
    w_rec: _Array,
    peepholes: _Array,
    c0: _Array,
    h0: _Array,
    projection: _Array | None,
    shortcut: _Array | None,
    lengths: _Array,
    gate_qmax: int,
    cell: _Grid,
    hidden: _Grid,
    gates: _Array,
    c: _Array,
    r: _Array | None,
    sum: _Array | None,
    h: _Array,
    h_last: _Array,
    c_last: _Array,
    threads: int,
) -> None: ...
def lstm_backward(
    u: _Array,
    w_rec: _Array,
    peepholes: _Array,
    c0: _Array,
    h0: _Array,
    projection: _Array | None,
    shortcut: _Array | None,
    lengths: _Array,
    gate_qmax: int,
    cell: _Grid,
    hidden: _Grid,
    gates: _Array,
    c: _Array,
    r: _Array | None,
    sum: _Array | None,
    grad_h: _Array,
    grad_h_last: _Array,
    grad_c_last: _Array,
    grad_u: _Array,
    grad_peepholes: _Array,
    grad_c0: _Array,
    grad_h0: _Array,
    grad_shortcut: _Array | None,
    grad_steps: _Array,
    threads: int,
) -> None: ...

class StreamState:
    """What a stream keeps between blocks."""

    def copy(self) -> StreamState:
        """A state of its own that goes on from the same place."""

class Network:
    """A packed model, ready to run; ModelError for one that cannot be read or that the mode cannot run."""

    takes_symbols: bool
    inputs: int
    outputs: int
    weight_bytes: int
    memory_bytes: int

    def __init__(self, data: bytes, name: str, mode: str) -> None: ...
    @staticmethod
    def load(path: str, mode: str) -> Network: ...
    def start(self) -> StreamState: ...
    def run(
        self, states: list[StreamState], features: list[_Array], block: int, threads: int, finish: bool
    ) -> list[_Array]: ...
    def run_symbols(
        self, states: list[StreamState], symbols: list[_Array], block: int, threads: int, finish: bool
    ) -> list[_Array]: ...
    def products_seconds(self, state: StreamState, features: _Array, block: int) -> float: ...

def isa() -> str: ...
def available_isas() -> list[str]: ...
def set_isa(name: str) -> None: ...
def read_bandwidth(bytes: int, seconds: float) -> float:
    """GB/s of reading a buffer of ``bytes`` over and over on one thread; ValueError for a wrong argument."""

def peak_gmacs(kind: str) -> float:
    """1e9 multiply-adds per second in registers on one thread. ``kind``: float (two instructions) or int8."""

def lacking_instruction_sets() -> list[str]:
    """What would speed the engine up and this processor does not have."""

class Ngram:
    """A word n-gram: an ARPA file or a KenLM binary file with its vocabulary. Scores are log10.

    ``RuntimeError`` with KenLM's reason if the file cannot be read. Words are scored after ``<s>`` with
    ``bos``, otherwise without any context; ``eos`` adds ``</s>``. The interpreter lock is released meanwhile.
    """

    def __init__(self, path: str) -> None: ...
    @property
    def order(self) -> int: ...
    def __len__(self) -> int: ...
    def __contains__(self, word: str) -> bool: ...
    def score(self, words: Sequence[str], bos: bool = True, eos: bool = True) -> float: ...
    def word_scores(
        self, words: Sequence[str], bos: bool = True, eos: bool = True
    ) -> list[tuple[float, bool]]:
        """Every word's score, and whether the model does not know it."""
    def score_text(self, text: bytes) -> tuple[int, int, int, int, float, float]:
        """Sentences, words, unknown words, characters, log10 of all, log10 of the unknown words.

        One sentence a line; ``<s>`` and ``</s>`` are added to the score, not to the words.
        """

def build_binary(arpa: str, output: str, bits: int) -> None:
    """Write KenLM's quantized trie; ``RuntimeError`` with KenLM's reason."""

class DecoderNgram:
    def __init__(self, path: str) -> None: ...
    @property
    def words(self) -> list[str]: ...

class CharLm: ...

class PythonCharLm(CharLm):
    def __init__(self, model: Any, row_size: int) -> None: ...

class NetworkLm(CharLm):
    def __init__(self, network: Network) -> None: ...

class Decoder: ...

def make_decoder(
    kind: str,
    symbols: list[str],
    lexicon: list[tuple[str, str]] | None,
    ngram: DecoderNgram | None,
    char_lm: CharLm | None,
    hotwords: list[tuple[str, float]],
    beam: int,
    beam_threshold: float,
    depth: int,
    symbol_threshold: float,
    ngram_weight: float,
    char_lm_weight: float,
    known_char_lm_weight: float,
    word_bonus: float,
    char_bonus: float,
    oov_penalty: float,
) -> Decoder: ...

class DecoderStream:
    def __init__(self, decoder: Decoder) -> None: ...
    def accept(self, log_probs: _Array) -> None: ...
    def best(self, count: int) -> list[Any]: ...
    def finish(self, count: int) -> list[Any]: ...
    def reset(self) -> None: ...
    @property
    def stable_text(self) -> str: ...
    @property
    def partial(self) -> str: ...
    @property
    def frames(self) -> int: ...
    @property
    def prefixes(self) -> int: ...
    @property
    def scored(self) -> int: ...
    @property
    def nodes(self) -> int: ...
    @property
    def bytes(self) -> int: ...
