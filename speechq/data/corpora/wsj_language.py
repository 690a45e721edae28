"""The text for language models on the discs of the Wall Street Journal corpus (about 37 million words)."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from collections.abc import Container, Iterator
from pathlib import Path

from speechq.data.corpora.discs import entries
from speechq.errors import DataError
from speechq.text.wsj_text import split_sentences, tokens_to_text

# Text without verbalized punctuation, a folder per year.
DISC, FOLDER = "13_32_1", "wsj1/doc/lng_modl/lm_train/np_data"
YEARS = ("87", "88", "89")


def language_text(folder: Path, abbreviations: Container[str], alphabet: str) -> Iterator[str]:
    """The sentences of ``folder`` (``FOLDER`` of disc ``DISC``), normalized.

    ``abbreviations`` are the words whose period ends no sentence (``MR.``). Sentences with digits or with
    letters outside ``alphabet`` are left out, with a warning that counts them. DataError for a year that is
    missing and for a file that cannot be read.
    """
    known, left_out = set(alphabet), 0
    for year in YEARS:
        below = entries(entries(folder).get(year, folder / year))
        files = [path for name, path in below.items() if name.endswith(".z")]
        if not files:
            raise DataError(f"{folder / year}: no text of that year; files *.z are expected")
        for path in files:
            for tokens in split_sentences(_unpacked(path).splitlines(), abbreviations):
                sentence = tokens_to_text(tokens, alphabet)
                if known.issuperset(sentence):
                    yield from [sentence] if sentence else []
                else:
                    left_out += 1
    if left_out:
        warnings.warn(f"{folder}: {left_out} sentences with other characters are left out", stacklevel=2)


def _unpacked(path: Path) -> str:
    """A file of the program compress, by the external program gzip, which reads them."""
    program = shutil.which("gzip")
    if program is None:
        raise DataError(f"{path}: is packed by compress; put the program gzip on the PATH to read it")
    done = subprocess.run([program, "-dc", str(path)], capture_output=True, check=False)
    if done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip() or f"exit status {done.returncode}"
        raise DataError(f"{path}: gzip cannot unpack it ({reason})")
    return done.stdout.decode("latin-1")
