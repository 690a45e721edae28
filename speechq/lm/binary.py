"""KenLM's binary format."""

from __future__ import annotations

from pathlib import Path

from speechq import _native
from speechq.errors import ConfigError, ModelError
from speechq.files import replacing


def write_binary(arpa: Path, output: Path, bits: int = 8) -> None:
    """Turn an ARPA file into KenLM's trie, probabilities and back-offs quantized to ``bits`` (2 to 25) each.

    Every order gets a table of 2^bits values. Raises ``ModelError`` if ``arpa`` is missing or damaged.
    """
    if not 2 <= bits <= 25:
        raise ConfigError(f"{bits} bits: KenLM's values have 2 to 25 bits")
    if not arpa.is_file():
        raise ModelError(f"{arpa}: there is no such file; expected an ARPA file")
    with replacing(output) as temporary:
        try:
            _native.build_binary(str(arpa), str(temporary), bits)
        except RuntimeError as error:
            raise ModelError(f"{arpa}: not a complete ARPA file of order 2 to 6: {error}") from error
