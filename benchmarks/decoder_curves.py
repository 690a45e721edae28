"""Draws error rate against time of the decoders from what ``speechq bench decoder --json`` printed.

speechq bench decoder TEXT --ngram words.bin --beams 8,16,32,64,128,256,512 --peers --json > rows.json
python benchmarks/decoder_curves.py rows.json docs/figures/decoder-curves.svg
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from speechq.bench import plots
from speechq.bench.decoder.figures import curves
from speechq.bench.report import WIDE
from speechq.errors import SpeechqError
from speechq.files import write_text


def main() -> int:
    """Draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("rows", type=Path, nargs="+", help="one file or several, in one figure")
    parser.add_argument("figure", type=Path)
    args = parser.parse_args()
    try:
        with plots.style(text_as_paths=True):
            rows = [row for path in args.rows for row in json.loads(path.read_text())]
            figure = curves(rows, WIDE)
            write_text(args.figure, plots.to_svg(figure, args.figure.stem, standalone=True))
    except SpeechqError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
