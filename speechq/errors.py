"""The errors that a user can cause. Each names the file or key, what is wrong and what would be right."""

from __future__ import annotations


class SpeechqError(Exception):
    """Base of all errors that speechq raises on purpose; the command line prints it and exits with 2."""


class ConfigError(SpeechqError):
    """A recipe, an option or a scheme string is not valid."""


class DataError(SpeechqError):
    """A manifest, a transcript or an audio file is missing or damaged."""


class ModelError(SpeechqError):
    """A model file or checkpoint cannot be read or does not fit."""


class TrainingError(SpeechqError):
    """Training cannot go on, for example because a loss is not a number."""


class WriteError(SpeechqError):
    """A file cannot be written, for example because the disc is full."""
