"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import hypothesis
import pytest

from speechq.runtime.decoder_settings import DecoderOptions, DecoderSettings, write_settings

# Tests are about the CPU, whose results repeat to the bit; test_gpu.py is about GPUs.
if not os.environ.get("SPEECHQ_TEST_GPU"):
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
# How long an example takes says more about the machine than about the program.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real recordings and oracle files beside the checkout; absent on a user's machine."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("needs the folder of recordings beside the checkout (../shared)")
    return folder


@pytest.fixture(scope="session")
def tones_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file that recognizes the tones of ``tiny_speech``."""
    from tiny_speech import train_and_pack

    return train_and_pack(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="session")
def tones_folder(tones_model: Path) -> Path:
    """A model folder: the same with an n-gram of ``tiny_speech``'s words, open to others."""
    from tiny_speech import write_ngram

    folder = tones_model.parent / "model"
    folder.mkdir()
    shutil.copy(tones_model, folder / "am.sqm")
    write_ngram(folder / "words.arpa")
    options = {"ngram_weight": 0.5, "beam": 16, "oov_penalty": -2.0}
    write_settings(folder / "decoder.json", DecoderSettings(options=DecoderOptions(**options)))
    return folder
