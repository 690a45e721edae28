"""The word error rate table: every model, corpus and seed with intervals and the difference to float.

Rows follow the contract of ``speechq bench wer``: rates are fractions, positive differences are losses. They
are those of hybrid arithmetic; ``wer_integer`` is the rate of the same model in integer arithmetic.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from speechq.bench import formatting
from speechq.bench.results import EvaluationResult, Utterance, read_results
from speechq.bench.statistics import (
    DRAWS,
    SEED,
    Interval,
    difference_intervals,
    percentile_interval,
    rate,
    resampled_sums,
)
from speechq.bench.words import calibration_error, recognized_words, time_errors
from speechq.errors import DataError
from speechq.quant.scheme import parse_scheme
from speechq.text.error_rates import (
    ErrorCounts,
    character_errors,
    matches,
    phone_errors,
    word_errors,
)

ALL = "all"
REFERENCES = ("float+", "float")  # the first that was evaluated is what differences refer to
WORDS_TITLE = "Confidence and times of words"
Row = dict[str, Any]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class _Group:
    """Results on the same utterances, sorted by id.

    ``columns`` int [results, utterances, 6]: substitutions, deletions, insertions, character errors, words
    that are not in the text of the language models, and how many of those are right;
    ``words`` and ``characters`` of the references, int [utterances]; ``integer``: errors int [utterances] of
    each result's network in integer arithmetic, None where it was not run.
    """

    results: tuple[EvaluationResult, ...]
    corpora: tuple[str, ...]
    columns: Counts
    words: Counts
    characters: Counts
    integer: tuple[Counts | None, ...]


def _score(result: EvaluationResult) -> tuple[Counts, Counts, Counts]:
    """Counts int [utterances, 6] as in ``_Group``, words and characters int [utterances]."""
    rows, words, characters = [], [], []
    unknown = frozenset(result.unknown_words)
    for item in sorted(result.utterances, key=lambda utterance: utterance.id):
        if result.unit == "phone":
            count = phone_errors(item.reference, item.hypothesis, result.fold)
            letters = ErrorCounts(0, 0, 0, 0)
        else:
            count = word_errors(item.reference, item.hypothesis)
            letters = character_errors(item.reference, item.hypothesis)
        wrong = letters.substitutions + letters.deletions + letters.insertions
        rare = _unknown_words(item, unknown) if unknown else (0, 0)
        rows.append((count.substitutions, count.deletions, count.insertions, wrong, *rare))
        words.append(count.reference)
        characters.append(letters.reference)
    return np.array(rows, np.int64), np.array(words, np.int64), np.array(characters, np.int64)


def _unknown_words(item: Utterance, unknown: frozenset[str]) -> tuple[int, int]:
    """How many words of the reference are ``unknown``, and how many of those were recognized."""
    spoken = item.reference.split()
    right = sum(spoken[there] in unknown for there, _ in matches(spoken, item.hypothesis.split()))
    return sum(word in unknown for word in spoken), right


def _test_set(result: EvaluationResult) -> tuple[Any, ...]:
    """Results with the same may be compared utterance by utterance; the texts come last."""
    texts = tuple(sorted((item.id, item.corpus, item.reference) for item in result.utterances))
    return result.split, result.mode, result.unit, result.fold, texts


def _integer_errors(results: Sequence[EvaluationResult]) -> dict[str, Counts]:
    """Errors int [utterances] of results in integer arithmetic, by the name of the one in hybrid."""
    hybrid = {result.name: result for result in results if result.arithmetic == "hybrid"}
    found = {}
    for result in results:
        if result.arithmetic == "integer":
            name = replace(result, arithmetic="hybrid").name
            if name not in hybrid or _test_set(hybrid[name]) != _test_set(result):
                raise DataError(
                    f"evaluate/{result.name}/result.json: evaluate/{name}/result.json is missing or of "
                    f"another test set; evaluate both again"
                )
            found[name] = _score(result)[0][:, :3].sum(axis=1)
    return found


def _groups(results: Sequence[EvaluationResult]) -> list[_Group]:
    """Results that may be compared utterance by utterance, together."""
    integer = _integer_errors(results)
    found: dict[tuple[Any, ...], list[EvaluationResult]] = defaultdict(list)
    for result in results:
        if result.arithmetic == "hybrid":
            found[_test_set(result)].append(result)
    groups = []
    for key, members in found.items():
        scored = [_score(result) for result in members]
        corpora = tuple(corpus for _, corpus, _ in key[-1])
        columns = np.stack([counts for counts, _, _ in scored])
        twins = tuple(integer.get(result.name) for result in members)
        groups.append(_Group(tuple(members), corpora, columns, scored[0][1], scored[0][2], twins))
    return groups


def _reference_members(group: _Group, members: Sequence[int]) -> list[int]:
    """What the difference of ``members`` refers to: results with the same seeds where those exist."""
    decoder = group.results[members[0]].decoder
    for method in REFERENCES:
        found = [i for i, r in enumerate(group.results) if r.method == method and r.decoder == decoder]
        if found:
            seeds = {group.results[i].seed for i in members}
            same = [i for i in found if group.results[i].seed in seeds]
            return same if {group.results[i].seed for i in same} == seeds else found
    return []


def _check_test_sets(groups: Sequence[_Group]) -> None:
    """A model whose float network was evaluated on other utterances cannot be compared: say so."""
    for group in groups:
        for index, result in enumerate(group.results):
            if _reference_members(group, [index]):
                continue
            for other in groups:
                for base in other.results:
                    alike = (base.split, base.mode, base.decoder) == (
                        result.split,
                        result.mode,
                        result.decoder,
                    )
                    if alike and base.method in REFERENCES:
                        raise DataError(
                            f"evaluate/{result.name}/result.json and evaluate/{base.name}/result.json: the "
                            f"utterances or their references differ; evaluate both again on the same test set"
                        )


def _bounds(prefix: str, interval: Interval | None) -> Row:
    """The keys ``<prefix>low`` and ``<prefix>high``."""
    if interval is None:
        return {f"{prefix}low": None, f"{prefix}high": None}
    return {f"{prefix}low": interval.low, f"{prefix}high": interval.high}


def _row(
    group: _Group, members: Sequence[int], corpus: str, keep: NDArray[np.bool_], sums: NDArray[np.float64]
) -> Row:
    """One row: ``members`` are one result, or several seeds of one.

    ``keep`` bool [utterances] selects the corpus; ``sums`` [draws, 1 + results]: words, then errors of each.
    """
    first = group.results[members[0]]
    utterances = int(keep.sum())
    words = int(group.words[keep].sum())
    if words == 0:
        raise DataError(
            f"evaluate/{first.name}/result.json: corpus {corpus!r} has no reference text to compare with"
        )

    def rates(chosen: Sequence[int]) -> tuple[float, NDArray[np.float64]]:
        # Sums over seeds, divided once: equal systems stay equal to the last bit.
        errors = float(group.columns[list(chosen)][:, keep, :3].sum())
        samples = sums[:, [1 + index for index in chosen]].sum(axis=1)
        return float(rate(errors, float(len(chosen) * words))), rate(samples, len(chosen) * sums[:, 0])

    value, samples = rates(members)
    own = percentile_interval(value, samples, utterances)
    base = _reference_members(group, members)
    absolute = relative = None
    if base:
        absolute, relative = difference_intervals((value, samples), rates(base), utterances)
    counts = group.columns[list(members)][:, keep].sum(axis=(0, 1))
    characters = len(members) * int(group.characters[keep].sum())
    integer = [group.integer[index] for index in members]
    integer_errors = [int(errors[keep].sum()) for errors in integer if errors is not None]
    alone = len(members) == 1
    words_found = recognized_words(
        item for index in members for item in group.results[index].utterances if corpus in (ALL, item.corpus)
    )
    times = time_errors(words_found)
    return {
        "model": first.model if alone else first.family,
        "scheme": first.scheme,
        "method": first.method,
        "corpus": corpus,
        "split": first.split,
        "seed": first.seed if alone else None,
        "decoder": first.decoder,
        "size_bytes": round(float(np.mean([group.results[i].size_bytes for i in members]))),
        "wer": value,
        "cer": float(counts[3]) / characters if characters else None,
        **_bounds("wer_", own),
        "substitutions": int(counts[0]),
        "deletions": int(counts[1]),
        "insertions": int(counts[2]),
        "words": len(members) * words,
        "delta_vs_float": absolute.value if absolute else None,
        **_bounds("delta_", absolute),
        "rtf": float(np.mean([group.results[i].rtf for i in members])),
        "wer_integer": sum(integer_errors) / (len(members) * words)
        if len(integer_errors) == len(members)
        else None,
        "total_bytes": round(
            float(np.mean([group.results[i].total_bytes or group.results[i].size_bytes for i in members]))
        ),
        "oov_words": int(counts[4]),
        "oov_recall": int(counts[5]) / int(counts[4]) if counts[4] else None,
        "calibration_error": calibration_error(words_found),
        "start_error": None if times is None else times[0],
        "end_error": None if times is None else times[1],
        "timed_words": len(words_found.errors),
        "mode": first.mode,
        "unit": first.unit,
        "fold": first.fold if first.unit == "phone" else None,
        "seeds": [group.results[i].seed for i in members],
        "utterances": utterances,
        "reference": group.results[base[0]].family if base else None,
        "reference_seeds": [group.results[i].seed for i in base],
        "relative_delta": relative.value if relative and np.isfinite(relative.value) else None,
        **_bounds("relative_delta_", relative),
    }


def _sort_key(row: Row) -> tuple[Any, ...]:
    """Per test set and corpus (all first): float, many bits to few, direct before retrained, seeds, mean."""
    bits = parse_scheme(row["scheme"]).weight_bits
    method = {"float": 0, "float+": 1, "direct": 2}.get(row["method"], 3)
    seed = (1, 0) if row["seed"] is None else (0, row["seed"])
    place = (row["split"], row["mode"] != "utterance", row["decoder"] != "greedy", row["decoder"])
    size = -(bits if bits is not None else 32)
    network = (size, row["scheme"], method, row["method"], formatting.family(row["model"]))
    return (*place, row["corpus"] != ALL, row["corpus"], *network, *seed)


def wer_table(work_dir: str | Path, pooled: bool = False, draws: int = DRAWS, seed: int = SEED) -> list[Row]:
    """All rows of a work folder; DataError if nothing was evaluated.

    With ``pooled``, models that were trained with several seeds get one more row per corpus: ``seed`` is
    None, counts are summed over seeds, the rate is the mean over seeds and its interval that of a bootstrap
    over utterances.
    """
    folder = Path(work_dir)
    results = read_results(folder)
    if not results:
        raise DataError(f"{folder}: no evaluate/*/result.json; run the recipe's stage evaluate first")
    groups = _groups(results)
    _check_test_sets(groups)
    rows = []
    for group in groups:
        corpora = np.array(group.corpora)
        families: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for index, result in enumerate(group.results):
            families[(result.family, result.scheme, result.method, result.decoder)].append(index)
        systems = [[index] for index in range(len(group.results))]
        if pooled:
            systems += [members for members in families.values() if len(members) > 1]
        errors = group.columns[:, :, :3].sum(axis=2)
        for corpus in [ALL, *sorted(set(group.corpora) - {ALL})]:
            keep = np.ones(len(corpora), bool) if corpus == ALL else corpora == corpus
            sums = resampled_sums(np.column_stack([group.words[keep], errors[:, keep].T]), draws, seed)
            rows += [_row(group, members, corpus, keep, sums) for members in systems]
    return sorted(rows, key=_sort_key)


def summary_rows(rows: Sequence[Row]) -> list[Row]:
    """One row per model of ``pooled`` rows: the mean over seeds where there are several, else the run."""
    means = {(r["model"], *_place(r)) for r in rows if r["seed"] is None}
    return [r for r in rows if r["seed"] is None or (formatting.family(r["model"]), *_place(r)) not in means]


def _place(row: Row) -> tuple[Any, ...]:
    return tuple(row[key] for key in ("scheme", "method", "corpus", "split", "decoder", "mode"))


def render_tables(rows: Sequence[Row]) -> list[Table]:
    """The tables for a terminal, rates in percent; a second one has what decoders say about their words."""
    rows = formatting.shown(rows)
    header, body = formatting.cells(rows)
    found = [_rendered(formatting.title(rows), header, body, formatting.NOTE)]
    for index, row in enumerate(rows):
        found[0].rows[index].style = "bold" if row["seed"] is None else ""
    header, body = formatting.word_cells(rows)
    return found + ([_rendered(WORDS_TITLE, header, body, formatting.WORDS_NOTE)] if body else [])


def _rendered(title: str, header: Sequence[str], body: Sequence[Sequence[str]], note: str) -> Table:
    table = Table(title=title, caption=note, title_justify="left", caption_justify="left")
    for name in header:
        text = name in formatting.TEXT_COLUMNS
        table.add_column(name, justify="left" if text else "right", no_wrap=True)
    for line in body:
        table.add_row(*map(Text, line))
    return table


def markdown_table(rows: Sequence[Row]) -> str:
    """The same tables in Markdown, for a recipe's README; ends with a line break."""
    rows = formatting.shown(rows)
    parts = [_titled(formatting.title(rows), *formatting.cells(rows), formatting.NOTE)]
    header, body = formatting.word_cells(rows)
    parts += [_titled(WORDS_TITLE, header, body, formatting.WORDS_NOTE)] if body else []
    return "\n".join(parts)


def _titled(title: str, header: list[str], body: list[list[str]], note: str) -> str:
    return f"{title}\n\n{formatting.markdown(header, body)}\n\n{note}\n"
