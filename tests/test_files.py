from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from speechq.files import replacing, replacing_folder, write_json, write_text


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    write_text(target, "one\n")
    with replacing(target) as temporary:
        temporary.write_text("two")
        assert target.read_text() == "one\n"
        assert temporary.parent == target.parent
    assert target.read_text() == "two"
    assert [p.name for p in target.parent.iterdir()] == ["a.txt"]


def test_an_error_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "one")
    with pytest.raises(RuntimeError, match="half way"), replacing(target) as temporary:
        temporary.write_text("tw")
        raise RuntimeError("half way")
    assert target.read_text() == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_files_have_the_usual_permissions(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    with replacing_folder(target) as temporary:
        (temporary / "old").touch()
        assert not target.exists()
    with replacing_folder(target) as temporary:
        (temporary / "new").touch()
        assert [p.name for p in target.iterdir()] == ["old"]
    assert [p.name for p in target.iterdir()] == ["new"]
    with pytest.raises(RuntimeError), replacing_folder(target) as temporary:
        (temporary / "half").touch()
        raise RuntimeError
    assert [p.name for p in target.iterdir()] == ["new"]
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_json_is_readable(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": "ä", "a": [1]})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"b": "ä", "a": [1]}
    assert text.startswith('{\n  "b": "ä"')
    assert text.endswith("}\n")
