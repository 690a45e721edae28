"""How each number of the report was computed, in sentences that fit what was evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from speechq.bench import formatting
from speechq.bench.results import Comparison
from speechq.bench.statistics import DRAWS, SEED


def methods(rows: Sequence[dict[str, Any]], comparisons: Sequence[Comparison] = ()) -> list[str]:
    """One sentence or two for each kind of number that the rows hold.

    ``comparisons`` are those of the packed models with the networks in training, on dev.
    """
    metric = formatting.metric(rows)
    unit, units = ("phone", "phones") if metric == "PER" else ("word", "words")
    fold = next((row["fold"] for row in rows if row["fold"]), None)
    references = sorted({row["reference"] for row in rows if row["reference"]})
    folded = f", folded to {fold} classes," if fold else ""
    items = [
        f"{metric} is the number of substitutions, deletions and insertions of a smallest edit distance over "
        f"{units}{folded} summed over the utterances and divided by the number of reference {units}. One "
        f"point is one such error per hundred reference {units}.",
    ]
    if metric == "WER":
        items.append("CER is the same over characters, a space between words being one.")
    items += [
        "Every rate is computed from the recognized texts kept in evaluate/*/result.json, which the "
        "packed model files produced in the engine; none comes from the simulation used in training."
        + _simulation(comparisons, metric),
        f"Intervals are 95 % percentile intervals of {DRAWS} bootstrap samples of utterances (generator "
        f"seed {SEED}; Bisani and Ney, ICASSP 2004). They cover the choice of test utterances. Utterances "
        "of one speaker are treated as independent, and how much one training differs from the next "
        "shows only in the rows of single seeds.",
    ]
    if references:
        items.append(
            f"The change is against {' and '.join(references)} with the same decoder, on the same "
            "resampled utterances (paired), with the same seed where that was trained. The relative "
            f"change divides it by the {metric} of float."
        )
    else:
        items.append("No float network was evaluated, so no change is given.")
    if any(row["seed"] is None for row in rows):
        items.append(
            "A mean over seeds averages rates on the same utterances; its counts are sums over seeds."
        )
    if any(row["wer_integer"] is not None for row in rows):
        items.append(
            f"{metric} % integer is the rate of the same model file on the same utterances with integers "
            "everywhere below the log-softmax, for networks whose gates and cells are on a grid; everything "
            "else is of hybrid arithmetic, which rounds where the scheme says."
        )
    if any(row["oov_recall"] is not None for row in rows):
        items.append(
            "OOV recall is the share that is right of those reference words that the text of the language "
            "models does not have."
        )
    if any(row["calibration_error"] is not None for row in rows):
        items.append(
            "The weights of the decoders, the calibration of their confidence and the constant correction of "
            "word times were found on the dev set (decoder.json of each model folder below tune/)."
        )
    if any(row["mode"] == "stream" for row in rows):
        items.append("A test set read as one endless stream is a single utterance and has no interval.")
    items += [
        "Size is that of the packed model file. RTF is seconds of processor time per second of audio on "
        "the machine named below: network and decoder, without the features, on one thread, one utterance "
        "after the other, 16 frames per weight read.",
        "The opening sentences take, by rule, the retrained network with weights nearest to 4 bits, the "
        f"same scheme without retraining, and the fewest bits evaluated, all at the {unit} level over all "
        "corpora.",
    ]
    return items


def _simulation(comparisons: Sequence[Comparison], metric: str) -> str:
    """How far the two are apart at most, as a sentence behind another; empty without comparisons."""
    if not comparisons:
        return ""
    worst = max(comparisons, key=lambda item: abs(item.difference))
    points = formatting.number(100 * abs(worst.difference), 2)
    rates = (formatting.percent(rate, 2) for rate in (worst.packed, worst.simulated))
    return (
        f" On the dev set the two differ by at most {points} points of {metric} "
        "({}: {} % packed, {} % in training).".format(worst.model, *rates)
    )
