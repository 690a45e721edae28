"""ONNX Runtime's LSTM, float32 and with 8-bit weights (DynamicQuantizeLSTM)."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from speechq.bench.engine.loop import Contender
from speechq.bench.engine.peers import ONNX
from speechq.bench.engine.synthetic import FLOAT_BITS, Shape, synthetic_frames
from speechq.errors import ConfigError

Feeds = dict[str, NDArray[np.float32]]

_OPSET, _IR = 17, 8  # of 2022: what every present version reads
_LARGEST = 2**31 - 2**20  # bytes of one protobuf message


def onnx_contenders(shape: Shape, blocks: Sequence[int], threads: int) -> list[Contender]:
    """A float and an int8 contender per block size; the state goes from step to step."""
    if 4 * shape.weights > _LARGEST:
        size = 4 * shape.weights / 1e9
        raise ConfigError(f"an ONNX file holds at most 2 GB, but this network has {size:.1f} GB in float32")
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path, quantized = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(_lstm(shape), path)
        _quantize(path, quantized)
        for file, bits in ((path, FLOAT_BITS), (quantized, 8)):
            session = _session(file, threads)
            for block in blocks:
                feeds = _first_feeds(shape, block)
                found.append(
                    Contender(
                        engine=ONNX,
                        shape=shape,
                        bits=bits,
                        block=block,
                        threads=threads,
                        weight_bytes=shape.weights * bits // 8,
                        macs=shape.weights,
                        step=partial(_step, session, feeds),
                    )
                )
    return found


def _lstm(shape: Shape) -> onnx.ModelProto:
    """LSTM nodes on top of each other: ``x [T, 1, D]``, states ``h<k>``, ``c<k>`` in; ``y``, states out."""
    rng = np.random.default_rng(0)
    state = [1, 1, shape.hidden]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["T", 1, shape.inputs])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["T", 1, shape.hidden])]
    weights = [numpy_helper.from_array(np.array([1], np.int64), "direction")]
    nodes, signal = [], "x"
    for k, matrices in enumerate(shape.matrices):
        for name, (rows, columns) in matrices.items():
            values = rng.standard_normal((1, rows, columns), np.float32) / np.float32(np.sqrt(columns))
            weights.append(numpy_helper.from_array(values, f"{name}{k}"))
        bias = np.zeros((1, 8 * shape.hidden), np.float32)
        weights.append(numpy_helper.from_array(bias, f"bias{k}"))
        names = [signal, f"in{k}", f"rec{k}", f"bias{k}", "", f"h{k}", f"c{k}"]
        results = [f"directions{k}", f"h{k}_after", f"c{k}_after"]
        nodes.append(helper.make_node("LSTM", names, results, hidden_size=shape.hidden))
        signal = "y" if k == shape.layers - 1 else f"y{k}"
        nodes.append(helper.make_node("Squeeze", [results[0], "direction"], [signal]))
        for name in (f"h{k}", f"c{k}"):
            inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, state))
            outputs.append(helper.make_tensor_value_info(f"{name}_after", TensorProto.FLOAT, state))
    graph = helper.make_graph(nodes, "lstm", inputs, outputs, weights)
    opset = [helper.make_opsetid("", _OPSET)]
    return helper.make_model(graph, opset_imports=opset, ir_version=_IR)


def _quantize(path: Path, quantized: Path) -> None:
    logging.disable(logging.WARNING)  # it asks for a preparation that changes nothing here
    try:
        quantize_dynamic(path, quantized, weight_type=QuantType.QInt8)
    finally:
        logging.disable(logging.NOTSET)
    kinds = {node.op_type for node in onnx.load(quantized).graph.node}
    if "DynamicQuantizeLSTM" not in kinds or "LSTM" in kinds:
        raise ConfigError(f"onnxruntime {onnxruntime.__version__} left the LSTM unquantized: {sorted(kinds)}")


def _session(path: Path, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _first_feeds(shape: Shape, block: int) -> Feeds:
    feeds = {"x": synthetic_frames(shape, block)[:, None]}
    for k in range(shape.layers):
        feeds |= {f"{name}{k}": np.zeros((1, 1, shape.hidden), np.float32) for name in "hc"}
    return feeds


def _step(session: Any, feeds: Feeds) -> NDArray[np.float32]:
    y, *states = session.run(None, feeds)
    feeds.update(zip((name for name in feeds if name != "x"), states, strict=True))
    return np.asarray(y, np.float32)
