"""The benchmark of the engine: what it prints, its bounds, its networks, its peers, its figures."""

from __future__ import annotations

import importlib.util
import json
import mmap
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packed_models import random_model

from speechq import _native
from speechq.bench import plots
from speechq.bench.engine import bounds, figures
from speechq.bench.engine.counters import CACHE_MISSES, CountersMissing, count_events
from speechq.bench.engine.loop import Contender, Measured, measure
from speechq.bench.engine.ours import our_contenders
from speechq.bench.engine.peers import peer_contenders
from speechq.bench.engine.rows import best_peer, render_table, to_row
from speechq.bench.engine.run import run
from speechq.bench.engine.series import Series, latency_rows, measure_series, read_series, write_series
from speechq.bench.engine.synthetic import (
    CELLS,
    CODED_BITS,
    FLOAT_BITS,
    Cell,
    Shape,
    synthetic_frames,
    synthetic_model,
)
from speechq.bench.engine.traffic import counted
from speechq.bench.report import write_report
from speechq.errors import ConfigError, DataError
from speechq.quant.reference import Reference
from speechq.runtime.checks import check_model, input_width
from speechq.runtime.model_file import write_model

QUICK: dict[str, Any] = {"rounds": 1, "slice_seconds": 0.001}
CONTRACT = {
    "engine": str,
    "cell": str,
    "layers": int,
    "hidden": int,
    "bits": int,
    "block": int,
    "threads": int,
    "us_per_frame": float,
    "weight_bytes": int,
    "read_gb_per_s": float,
    "roofline": float,
}
installed = {name: importlib.util.find_spec(name) is not None for name in ("onnxruntime", "onnx", "sru")}
needs_onnx = pytest.mark.skipif(
    not (installed["onnxruntime"] and installed["onnx"]), reason="needs the extra bench: onnxruntime, onnx"
)
needs_sru = pytest.mark.skipif(not installed["sru"], reason="needs the extra bench: sru")


@pytest.fixture(params=_native.available_isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every instruction set of this processor in turn, afterwards the one that was in use."""
    before = _native.isa()
    _native.set_isa(request.param)
    yield request.param
    _native.set_isa(before)


def made_up(engine: str, bits: int, block: int, us: float, shape: Shape | None = None) -> Measured:
    shape = shape or Shape("lstm", 4, 1024)
    size = shape.weights * bits // 8
    contender = Contender(engine, shape, bits, block, 1, size, shape.weights, lambda: None)
    return Measured(contender, us, gb_per_s=50.0, gmacs=100.0 if bits == FLOAT_BITS else 500.0)


# Networks


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 8, 32])
@pytest.mark.parametrize("hidden", [8, 37, 257])
def test_a_synthetic_model_is_valid(cell: Cell, bits: int, hidden: int) -> None:
    shape = Shape(cell, 2, hidden)
    model = synthetic_model(shape, bits)
    check_model(model)
    recurrent = model.layers[:-1]
    assert (
        sum(matrix.codes.size for layer in recurrent for matrix in layer.matrices.values()) == shape.weights
    )
    assert {matrix.bits for layer in model.layers for matrix in layer.matrices.values()} == {bits}
    assert input_width(model.layers[0]) == shape.inputs == model.features.dim
    assert shape.inputs <= hidden


@pytest.mark.parametrize("hidden", [8, 37, 257])
def test_one_bit_is_a_ternary_model_in_groups(hidden: int) -> None:
    model = synthetic_model(Shape("lstm", 2, hidden), CODED_BITS)
    check_model(model)
    for layer in model.layers:
        for matrix in layer.matrices.values():
            assert (matrix.bits, matrix.groups) == (2, (8, 2))
            codes = matrix.codes[:, : matrix.codes.shape[1] // 8 * 8]
            assert ((codes != 0).reshape(len(codes), -1, 8).sum(-1) == 2).all()


@pytest.mark.parametrize(
    ("hidden", "inputs"), [(256, 256), (512, 512), (1024, 1024), (2048, 2048), (4096, 2048)]
)
def test_inputs_are_as_many_as_units_where_features_can_be(hidden: int, inputs: int) -> None:
    assert Shape("sru", 4, hidden).inputs == inputs


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 32])
def test_signals_of_a_synthetic_model_use_their_grids(cell: Cell, bits: int) -> None:
    """Neither dead nor at the ends of the grid: gates and outputs move as those of trained networks."""
    shape = Shape(cell, 3, 96)
    reference = Reference(synthetic_model(shape, bits))
    for outputs in reference.trace([synthetic_frames(shape, 40)])[:-1]:
        values = outputs[0]
        assert 0.02 < values.std() < 2
        top = np.abs(values).max()
        assert (np.abs(values) > 0.999 * top).mean() < 0.05
        assert (values.std(axis=0) > 0).mean() > 0.95


# Bounds and shares


def test_roofline_by_hand() -> None:
    # 40 MB at 50 GB/s take 800 µs; per frame of 4 200 µs. 30e6 products at 100e9 per second take 300 µs.
    facts = {"weight_bytes": 40_000_000, "macs": 30_000_000, "gb_per_s": 50.0, "gmacs": 100.0}
    assert bounds.read_us(40_000_000, 1, 50.0) == pytest.approx(800)
    assert bounds.compute_us(30_000_000, 100.0) == pytest.approx(300)
    assert bounds.roofline(1000, block=1, **facts) == pytest.approx(0.8)
    assert bounds.roofline(1000, block=4, **facts) == pytest.approx(0.3)


@pytest.mark.parametrize("threads", [1, 2])
def test_bounds_are_sane(isa: str, threads: int) -> None:
    cached, beyond = bounds.bandwidth(1 << 14, threads, 0.01), bounds.bandwidth(1 << 26, threads, 0.05)
    assert 0.5 < beyond < 5000
    assert cached > 0.5 * beyond
    for kind in ("float", "int8"):
        assert 0.1 < bounds.peak(kind, threads) < 100_000  # type: ignore[arg-type]


def test_the_native_side_refuses_what_it_cannot_measure() -> None:
    with pytest.raises(ValueError, match="kind must be 'float' or 'int8'"):
        _native.peak_gmacs("double")
    with pytest.raises(ValueError, match="bytes must be at least 1"):
        _native.read_bandwidth(0, 1.0)
    with pytest.raises(ValueError, match="seconds must be positive"):
        _native.read_bandwidth(1024, 0.0)


# Rows


@pytest.mark.parametrize("cell", CELLS)
def test_rows_keep_the_contract(cell: Cell) -> None:
    rows = [to_row(one) for one in run(Shape(cell, 2, 16), (1, 2, 8, 32), (1, 4), **QUICK)]
    assert [(row["bits"], row["block"]) for row in rows] == [(b, t) for b in (1, 2, 8, 32) for t in (1, 4)]
    for row in rows:
        assert {name: type(value) for name, value in row.items()} == CONTRACT
        assert row["engine"] == "speechq" and row["threads"] == 1
        assert row["us_per_frame"] > 0 and row["weight_bytes"] > 0 and row["roofline"] > 0
        assert row["read_gb_per_s"] == pytest.approx(
            row["weight_bytes"] / (1e-6 * row["us_per_frame"] * row["block"]) / 1e9
        )
    assert json.loads(json.dumps(rows)) == rows
    assert 2 * rows[0]["weight_bytes"] == rows[2]["weight_bytes"]
    assert rows[2]["weight_bytes"] < rows[4]["weight_bytes"] < rows[6]["weight_bytes"]


def test_the_median_of_all_rounds_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "bandwidth", lambda size, threads, seconds: 50.0)
    monkeypatch.setattr(bounds, "peak", lambda kind, threads: 100.0)
    slices = iter([4e-3, 1e-3, 2e-3])
    monkeypatch.setattr("speechq.bench.engine.loop.seconds_per_step", lambda *_: next(slices))
    (one,) = measure([made_up("speechq", 8, 4, 0).contender], rounds=3)
    assert one.us_per_frame == pytest.approx(2e3 / 4)


def test_every_block_has_its_size_set_and_a_stream_of_its_own() -> None:
    first, second = our_contenders(Shape("sru", 1, 16), 4, (1, 4), threads=1)
    first.prepare()
    alone = [np.asarray(first.step()) for _ in range(3)]
    assert not np.array_equal(alone[0], alone[1])  # the state goes on
    second.prepare()
    assert len(np.asarray(second.step())[0]) == 4


@pytest.mark.parametrize(
    ("shape", "bits", "blocks", "message"),
    [
        (Shape("gru", 1, 8), (8,), (1,), "--cell gru"),  # type: ignore[arg-type]
        (Shape("sru", 0, 8), (8,), (1,), "--layers 0"),
        (Shape("sru", 1, 8), (9,), (1,), "--bits 9: expected 2 to 8, 1 for"),
        (Shape("sru", 1, 8), (8,), (65,), "--block 65"),
    ],
)
def test_settings_out_of_range_are_named(
    shape: Shape, bits: tuple[int, ...], blocks: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run(shape, bits, blocks)


def test_the_table_compares_with_the_best_peer_of_the_same_block() -> None:
    measured = [
        made_up("speechq", 4, 1, 100),
        made_up("speechq", 4, 16, 40),
        made_up("onnxruntime", 8, 1, 300),
        made_up("torch", 32, 1, 500),
        made_up("onnxruntime", 8, 16, 200),
    ]
    rows = [to_row(one) for one in measured]
    peer = best_peer(rows, 1)
    assert peer is not None and peer["us_per_frame"] == 300
    columns = {str(column.header): list(column.cells) for column in render_table(rows).columns}
    assert columns["x best peer"] == ["3.00", "5.00", "1.00 onnxruntime", "0.60", "1.00 onnxruntime"]
    assert "x best peer" not in {str(column.header) for column in render_table(rows[:2]).columns}


def test_the_command_prints_the_contract(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from speechq.cli.bench import engine as command

    monkeypatch.setattr("speechq.bench.engine.run.run", partial(run, **QUICK))

    settings: dict[str, Any] = {"cell": "sru", "layers": 1, "hidden": 8, "threads": 1, "peers": False}
    command(bits="2,32", block="1,2", as_json=True, **settings)
    shown = capsys.readouterr()
    assert [(row["bits"], row["block"]) for row in json.loads(shown.out)] == [
        (2, 1),
        (2, 2),
        (32, 1),
        (32, 2),
    ]
    assert "instruction set" in shown.err
    with pytest.raises(ConfigError, match="--bits 2;4: expected whole numbers"):
        command(bits="2;4", block="1", as_json=True, **settings)


# Peers


def step_twice(contender: Contender) -> None:
    contender.prepare()
    contender.step()
    contender.step()


@needs_onnx
def test_the_lstm_of_onnxruntime_and_torch() -> None:
    shape = Shape("lstm", 2, 16)
    peers = peer_contenders(shape, (1, 3), 1)
    found = {(peer.engine, peer.bits, peer.block) for peer in peers}
    assert found == {
        (name, bits, block) for name in ("onnxruntime", "torch") for bits in (8, 32) for block in (1, 3)
    }
    for peer in peers:
        step_twice(peer)
        assert peer.weight_bytes == shape.weights * peer.bits // 8


@needs_onnx
def test_onnx_lstm_is_the_lstm_that_torch_has() -> None:
    """The graph is a stack of LSTMs whose state is carried: the same outputs as nn.LSTM on its weights."""
    import onnxruntime
    import torch
    from onnx import numpy_helper

    from speechq.bench.engine import peers_onnx

    shape = Shape("lstm", 2, 16)
    graph = peers_onnx._lstm(shape)
    weights = {one.name: numpy_helper.to_array(one) for one in graph.graph.initializer}
    module = torch.nn.LSTM(shape.inputs, shape.hidden, num_layers=2, bias=False)
    rows = [slice(k * 16, (k + 1) * 16) for k in (0, 2, 3, 1)]  # from i, o, f, c to i, f, g, o
    with torch.no_grad():
        for k in range(2):
            for name, parameter in ((f"in{k}", f"weight_ih_l{k}"), (f"rec{k}", f"weight_hh_l{k}")):
                ordered = np.concatenate([weights[name][0][part] for part in rows])
                getattr(module, parameter).copy_(torch.from_numpy(ordered))
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = peers_onnx._first_feeds(shape, 3)
    frames = torch.from_numpy(feeds["x"])
    got = [peers_onnx._step(session, feeds) for _ in range(2)]
    with torch.no_grad():
        wanted = module(torch.cat([frames, frames]))[0].numpy()
    np.testing.assert_allclose(np.concatenate(got).reshape(6, 1, 16), wanted, atol=1e-5)


@needs_sru
def test_the_sru_package() -> None:
    shape = Shape("sru", 2, 16)
    peers = peer_contenders(shape, (1, 3), 1)
    assert [(peer.engine, peer.bits, peer.block) for peer in peers] == [("sru", 32, 1), ("sru", 32, 3)]
    for peer in peers:
        step_twice(peer)


def test_there_is_no_peer_for_a_qrnn() -> None:
    assert peer_contenders(Shape("qrnn", 1, 8), (1,), 1) == []


@pytest.mark.parametrize(("cell", "package"), [("lstm", "onnx"), ("sru", "sru")])
def test_a_missing_peer_is_named(cell: Cell, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    for module in ("peers_onnx", "peers_sru"):
        monkeypatch.delitem(sys.modules, f"speechq.bench.engine.{module}", raising=False)
    with pytest.raises(ConfigError, match=rf"the package {package}.*speechq\[train,bench\]"):
        peer_contenders(Shape(cell, 1, 8), (1,), 1)


# Memory traffic


def test_counted_traffic_by_hand() -> None:
    lstm = counted(Shape("lstm", 1, 16), 4, 4)
    one = 64 * 16 // 2  # half a byte per code
    assert lstm.memory == 2 * one / 4
    assert lstm.loaded == one / 4 + one
    sru = counted(Shape("sru", 2, 16), 32, 8)
    assert sru.loaded == sru.memory == 2 * 48 * 16 * 4 / 8


def test_one_frame_at_a_time_loads_every_weight() -> None:
    shape = Shape("lstm", 2, 16)
    (contender,) = our_contenders(shape, 6, (1,), threads=1)
    found = counted(shape, 6, 1)
    assert found.loaded == found.memory
    assert found.memory == contender.weight_bytes - 2 * 16 * 6 // 8  # without the output layer


def test_events_are_counted_or_the_reason_is_given() -> None:
    try:
        # Pages of its own: numpy might get some that a test before has given back to the heap.
        assert count_events("page-faults", lambda: mmap.mmap(-1, 1 << 20).write(bytes(1 << 20))) > 0
    except CountersMissing as error:
        assert str(error)
    with pytest.raises(CountersMissing, match=r"no-such-event|perf"):
        count_events("no-such-event", lambda: None)


def test_without_perf_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CountersMissing, match="perf is not installed"):
        count_events(CACHE_MISSES, lambda: None)


# Series, figures, report


@pytest.fixture(scope="module")
def series() -> Series:
    return measure_series(
        "A machine <here>.",
        layers=1,
        hidden=16,
        bits=(2, 32),
        blocks=(1, 4),
        widths=(8, 16),
        width_bits=(4,),
        **QUICK,
    )


def test_series_are_kept_in_the_work_folder(series: Series, tmp_path: Path) -> None:
    assert read_series(tmp_path) is None
    path = write_series(tmp_path, series)
    assert read_series(tmp_path) == series
    assert {row["cell"] for row in series.blocks} == {"sru", "lstm"}
    assert {row["hidden"] for row in series.widths} == {8, 16}
    assert min(row["threads"] for row in series.threads) == 1
    path.write_text('{"blocks": []}')
    with pytest.raises(DataError, match=r"engine\.json: not the series"):
        read_series(tmp_path)


def test_latency_is_what_the_first_frame_waits(series: Series) -> None:
    assert [row["added_ms"] for row in latency_rows(series.blocks)[:2]] == [0, pytest.approx(90)]


@pytest.mark.parametrize("name", ["traffic", "latency", "widths", "threads"])
@pytest.mark.parametrize("width", [7.2, 4.0])
def test_every_figure_is_drawn_the_same_twice(name: str, width: float, series: Series) -> None:
    rows = {"traffic": series.traffic, "latency": latency_rows(series.blocks)}
    rows |= {"widths": series.widths, "threads": series.threads}
    with plots.style():
        first, again = (plots.to_svg(getattr(figures, name)(rows[name], width), name) for _ in range(2))
    assert first == again
    assert "SRU, 1 layer<" in first and "LSTM, 1 layer<" in first


def test_the_report_shows_the_series_if_there_are_any(series: Series, tmp_path: Path) -> None:
    assert "Speed of the engine" not in write_report(tmp_path).read_text()
    write_series(tmp_path, series)
    text = write_report(tmp_path).read_text()
    assert "Speed of the engine" in text
    assert "A machine &lt;here&gt;." in text
    assert all(f"engine-{name}-" in text for name in ("traffic", "latency", "widths", "threads"))


# Targets


@pytest.fixture
def targets() -> Any:
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "engine_targets.py"
    specification = importlib.util.spec_from_file_location("engine_targets", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["engine_targets"] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    yield module
    del sys.modules["engine_targets"]


def lstm_measured(*, four: float) -> list[Measured]:
    times = {(8, 1): 900.0, (6, 1): 700.0, (5, 1): 950.0, (4, 1): four, (3, 1): 300.0, (2, 1): 200.0}
    times |= {(bits, 16): us / 3 for (bits, _), us in times.items()}
    found = [made_up("speechq", bits, block, us) for (bits, block), us in times.items()]
    return [*found, made_up("onnxruntime", 8, 1, 1200.0), made_up("onnxruntime", 8, 16, 400.0)]


def test_lstm_targets_on_made_up_times(targets: Any) -> None:
    lines = {line.what: line for line in targets.lstm_lines(lstm_measured(four=250))}
    assert lines["LSTM 4 bit, T=1, against ONNX Runtime int8"].reached == "4.80 x"
    assert lines["LSTM 4 bit, T=1, against ONNX Runtime int8"].met
    assert not lines["LSTM 5 bit, T=1, against 8 bit"].met
    assert lines["LSTM 6 bit, T=1, against 8 bit"].met
    # 33.6 MB at 50 GB/s: 671 µs of 900
    assert lines["LSTM 8 bit, T=1, of its bandwidth bound"].reached == "74.6%"
    slow = {line.what: line for line in targets.lstm_lines(lstm_measured(four=300))}
    assert not slow["LSTM 4 bit, T=1, against ONNX Runtime int8"].met


def test_the_wide_target_is_the_paper_or_a_share_of_the_bound(targets: Any) -> None:
    shape = Shape("sru", 4, 2048)
    times = {(32, 1): 4000.0, (32, 4): 1000.0, (32, 16): 600.0, (8, 1): 1000.0, (8, 4): 300.0, (8, 16): 100.0}
    lines = targets.wide_lines(
        [made_up("speechq", bits, block, us, shape) for (bits, block), us in times.items()]
    )
    # Float: reading takes 8 times as long as computing (4 bytes / 50 GB/s against 1 / 100 GMAC/s).
    assert [line.target for line in lines[:2]] == ["≥ 3.00 x", "≥ 6.00 x"]
    assert [line.reached for line in lines[:2]] == ["4.00 x", "6.67 x"]
    assert all(line.met for line in lines)


@needs_onnx
@needs_sru
def test_the_whole_table_of_targets(targets: Any, capsys: pytest.CaptureFixture[str]) -> None:
    lines, measured = targets.all_lines(layers=1, hidden=16, wide=24, **QUICK)
    table = targets.markdown(lines).splitlines()
    assert {line.count("|") for line in table} == {6}
    assert len(table) == 2 + 10 + 2 + 4 + 4
    assert len(targets.details(measured).splitlines()) == 2 + len(measured)


def test_elementwise_share(targets: Any) -> None:
    line = targets.elementwise_line(Shape("sru", 2, 64), 4)
    assert line.what == "elementwise share, SRU 4 bit, T=16"
    assert 0 < float(line.reached.rstrip("%")) < 100


def test_real_time_factors(targets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "_samples", lambda audio, rate: np.zeros(2 * rate, np.float32))
    write_model(tmp_path / "w4a8.sqm", random_model("sru", bits=4))
    without, whole = targets.real_time_lines(tmp_path / "w4a8.sqm", None, 1)
    assert 0 < float(without.reached) <= float(whole.reached)
