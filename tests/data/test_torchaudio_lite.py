from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torchaudio") is None, reason="needs torchaudio (extra train)"
)


def test_what_training_uses_runs():
    import torch

    from speechq.data import torchaudio_lite

    functional, transforms = torchaudio_lite.functional(), torchaudio_lite.transforms()
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(16000, generator=generator), torch.randn(16000, generator=generator)
    noisy = functional.add_noise(clean[None], noise[None], torch.tensor([10.0]))[0]
    ratio = 10 * torch.log10(clean.square().sum() / (noisy - clean).square().sum())
    assert float(ratio) == pytest.approx(10.0, abs=1e-3)

    fast, _ = functional.speed(clean[None], 16000, 1.25)
    assert fast.shape[-1] == 12800
    assert functional.resample(clean, 16000, 8000).shape == (8000,)

    spectrum = torch.ones(1, 80, 200)
    torch.manual_seed(1)
    masked = transforms.TimeMasking(40)(transforms.FrequencyMasking(20)(spectrum))
    frames, bands = (masked[0].sum(0) == 0).sum(), (masked[0].sum(1) == 0).sum()
    assert 0 < int(frames) <= 40
    assert 0 < int(bands) <= 20
    assert torchaudio_lite.datasets().LIBRISPEECH.__name__ == "LIBRISPEECH"


def test_import_is_silent_lazy_and_thread_safe():
    program = """
import sys, threading, warnings
from speechq.data import torchaudio_lite
assert "torch" not in sys.modules
found = []
threads = [threading.Thread(target=lambda: found.append(torchaudio_lite.functional())) for _ in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
assert len(found) == 8 and len(set(map(id, found))) == 1, found
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_failing_library_is_replaced_by_a_stand_in():
    """As beside a CPU-only torch: loading the extension raises OSError."""
    program = """
import torch
def fail(path):
    raise OSError(f"Could not load this library: {path}")
torch.ops.load_library = fail
from speechq.data import torchaudio_lite
functional = torchaudio_lite.functional()
import torchaudio
assert torchaudio.functional is functional
assert torchaudio._extension._IS_TORCHAUDIO_EXT_AVAILABLE is False
try:
    functional.forced_align(torch.zeros(1, 3, 4), torch.ones(1, 2, dtype=torch.int32))
except RuntimeError as error:
    assert "compiled extension" in str(error), error
else:
    raise AssertionError
filtered = functional.lfilter(torch.ones(1, 8), torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5]))
assert filtered.shape == (1, 8)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_accessors_return_one_module_in_all_threads():
    from speechq.data import torchaudio_lite

    found = []
    threads = [threading.Thread(target=lambda: found.append(torchaudio_lite.transforms())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(module) for module in found}) == 1
