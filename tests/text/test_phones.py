from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechq.errors import ConfigError, DataError
from speechq.text.phones import PHONES_39, PHONES_48, PHONES_61, fold, fold_label, phone_set

# The 39 classes with their members, written down apart from the table under test.
CLASSES = {
    "aa": "aa ao",
    "ah": "ah ax ax-h",
    "er": "er axr",
    "hh": "hh hv",
    "ih": "ih ix",
    "l": "l el",
    "m": "m em",
    "n": "n en nx",
    "ng": "ng eng",
    "sh": "sh zh",
    "sil": "bcl dcl gcl pcl tcl kcl epi pau h#",
    "uw": "uw ux",
}
ALONE = "ae aw ay b ch d dh dx eh ey f g iy jh k ow oy p r s t th uh v w y z"


def folded(labels: str, **options) -> str:
    return " ".join(fold(labels.split(), **options))


def test_sizes_of_the_three_sets():
    assert (len(PHONES_61), len(PHONES_48), len(PHONES_39)) == (61, 48, 39)
    assert phone_set(48) == PHONES_48
    with pytest.raises(ConfigError, match="61, 48 or 39"):
        phone_set(40)


def test_the_39_classes():
    expected = {member: name for name, members in CLASSES.items() for member in members.split()}
    expected.update({name: name for name in ALONE.split()})
    assert len(expected) == 60
    assert set(PHONES_61) == {*expected, "q"}
    assert {label: fold_label(label) for label in PHONES_61} == {**expected, "q": None}


def test_what_only_the_48_set_keeps_apart():
    assert folded("ao el en zh ax ix pcl bcl epi pau h#", to=48) == "ao el en zh ax ix cl vcl epi sil sil"


def test_silences_and_the_glottal_stop():
    labels = "h# q pcl p kcl pau q h#"
    assert folded(labels) == "sil sil p sil sil sil"
    assert folded(labels, collapse_silence=True) == "sil p sil"


@given(st.lists(st.sampled_from(PHONES_61)), st.booleans())
def test_folding_in_two_steps_is_folding_at_once(labels, collapse):
    at_once = fold(labels, 39, collapse_silence=collapse)
    assert fold(fold(labels, 48), 39, collapse_silence=collapse) == at_once
    assert fold(at_once, 39, collapse_silence=collapse) == at_once


def test_unknown_labels():
    with pytest.raises(DataError, match="'AA1'"):
        fold(["AA1"])
    with pytest.raises(ConfigError, match="48 or 39"):
        fold_label("aa", 61)


def test_labels_of_the_sample_are_all_known(shared):
    labels = {
        line.split()[2]
        for path in (shared / "data" / "timit_sample" / "timit").glob("*/*.phn")
        for line in path.read_text().splitlines()
    }
    assert labels <= set(PHONES_61)
    assert len(labels) > 55
