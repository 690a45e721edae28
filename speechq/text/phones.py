"""TIMIT's 61 phone labels and their folding to 48 and 39 classes (Lee & Hon 1989; Kaldi's 60-48-39 map).

Published phone error rates fold reference and hypothesis to 39 classes before the edit distance.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from speechq.errors import ConfigError, DataError

SILENCE = "sil"

_UNCHANGED = """
aa ae ah aw ay b ch d dh dx eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw v w y z
"""

# label of 61: (class of 48, class of 39); the glottal stop q is deleted.
_FOLDED: dict[str, tuple[str, str] | None] = {
    "ao": ("ao", "aa"),
    "ax": ("ax", "ah"),
    "ax-h": ("ax", "ah"),
    "axr": ("er", "er"),
    "hv": ("hh", "hh"),
    "ix": ("ix", "ih"),
    "ux": ("uw", "uw"),
    "el": ("el", "l"),
    "em": ("m", "m"),
    "en": ("en", "n"),
    "nx": ("n", "n"),
    "eng": ("ng", "ng"),
    "zh": ("zh", "sh"),
    "bcl": ("vcl", SILENCE),
    "dcl": ("vcl", SILENCE),
    "gcl": ("vcl", SILENCE),
    "pcl": ("cl", SILENCE),
    "tcl": ("cl", SILENCE),
    "kcl": ("cl", SILENCE),
    "epi": ("epi", SILENCE),
    "pau": (SILENCE, SILENCE),
    "h#": (SILENCE, SILENCE),
    "q": None,
}

_TABLE: dict[str, tuple[str, str] | None] = {
    **{label: (label, label) for label in _UNCHANGED.split()},
    **_FOLDED,
}

PHONES_61: tuple[str, ...] = tuple(sorted(_TABLE))
PHONES_48: tuple[str, ...] = tuple(sorted({row[0] for row in _TABLE.values() if row}))
PHONES_39: tuple[str, ...] = tuple(sorted({row[1] for row in _TABLE.values() if row}))

# What fold() accepts: labels of any of the three sets. cl, vcl and sil exist only in the smaller ones.
_ACCEPTED: dict[str, tuple[str, str] | None] = {
    **_TABLE,
    "cl": ("cl", SILENCE),
    "vcl": ("vcl", SILENCE),
    SILENCE: (SILENCE, SILENCE),
}


def phone_set(size: int) -> tuple[str, ...]:
    """The sorted labels of the set of ``size`` 61, 48 or 39."""
    sets = {61: PHONES_61, 48: PHONES_48, 39: PHONES_39}
    if size not in sets:
        raise ConfigError(f"phones: {size!r} is not a TIMIT phone set; choose 61, 48 or 39")
    return sets[size]


def fold_label(label: str, to: Literal[48, 39] = 39) -> str | None:
    """The class of one label, or None where folding deletes it (``q``)."""
    if to not in (48, 39):
        raise ConfigError(f"phones can be folded to 48 or 39 classes, not to {to!r}")
    try:
        row = _ACCEPTED[label]
    except KeyError:
        raise DataError(f"{label!r} is not a TIMIT phone; known are {' '.join(PHONES_61)}") from None
    return None if row is None else row[0 if to == 48 else 1]


def fold(labels: Iterable[str], to: Literal[48, 39] = 39, *, collapse_silence: bool = False) -> list[str]:
    """Fold labels of the 61 or 48 set to 48 or 39 classes; ``q`` is deleted.

    Several ``sil`` in a row (a closure before a pause, for example) stay as they are by default, the scoring
    of Graves-type CTC papers; ``collapse_silence=True`` makes them one. Folding a folded sequence changes
    nothing. Raises DataError for a label outside the TIMIT sets.
    """
    folded: list[str] = []
    for label in labels:
        name = fold_label(label, to)
        if name is None or (collapse_silence and name == SILENCE and folded[-1:] == [SILENCE]):
            continue
        folded.append(name)
    return folded
