"""Writing back-off models as ARPA text."""

from __future__ import annotations

from pathlib import Path

from speechq.files import replacing
from speechq.lm.kneser_ney import Ngrams
from speechq.progress import progress

_LINES = 100_000


def write_arpa(model: Ngrams, path: Path) -> None:
    """Write ``model``, n-grams in the order of its tables: equal models give equal bytes."""
    total = sum(len(table.word) for table in model.tables)
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="\n") as out,
        progress(f"writing {path.name}", total, "n-grams") as bar,
    ):
        out.write("\\data\\\n")
        for length, table in enumerate(model.tables, 1):
            out.write(f"ngram {length}={len(table.word)}\n")
        contexts = [""]
        for length, table in enumerate(model.tables, 1):
            out.write(f"\n\\{length}-grams:\n")
            longer: list[str] = []
            for start in range(0, len(table.word), _LINES):
                part = slice(start, start + _LINES)
                pairs = zip(table.context[part].tolist(), table.word[part].tolist(), strict=True)
                names = [contexts[context] + model.words[word] for context, word in pairs]
                probs = table.prob[part].tolist()
                if table.backoff is None:
                    out.writelines(f"{p:.7g}\t{name}\n" for p, name in zip(probs, names, strict=True))
                else:
                    rows = zip(probs, names, table.backoff[part].tolist(), strict=True)
                    out.writelines(f"{p:.7g}\t{name}\t{backoff:.7g}\n" for p, name, backoff in rows)
                    longer += [f"{name} " for name in names]
                bar.advance(len(names))
            contexts = longer
        out.write("\n\\end\\\n")
