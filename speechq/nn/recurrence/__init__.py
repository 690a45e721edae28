"""The time loops of the recurrent layers, in C++ on the CPU and in plain PyTorch elsewhere, with gradients.

All tensors are time-major [T, B, ...]. Batched, single and chunk-by-chunk calls give the same results.
"""

from __future__ import annotations

from speechq.nn.recurrence.lstm import lstm
from speechq.nn.recurrence.qrnn import qrnn
from speechq.nn.recurrence.sru import sru
from speechq.quant.fake_quantize import fake_quantize
from speechq.quant.signal import Grid, on_grid, quantized_gate, quantized_signal

__all__ = ["Grid", "fake_quantize", "lstm", "on_grid", "qrnn", "quantized_gate", "quantized_signal", "sru"]
