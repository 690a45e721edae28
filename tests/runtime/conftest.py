"""Language models for the tests of the decoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from decoder_reference import write_arpa


@pytest.fixture(scope="session")
def arpa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bigram that lacks the word aa, and words of more than two letters but aba."""
    path = tmp_path_factory.mktemp("lm") / "words.arpa"
    return write_arpa(path, ["a", "b", "ab", "ba", "aba"], np.random.default_rng(1))
