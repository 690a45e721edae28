"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

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
