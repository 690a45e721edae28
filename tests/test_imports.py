from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from packed_models import random_model
from tiny_speech import environment, write_split

import speechq
from speechq.runtime.model_file import write_model

ROOT = Path(speechq.__file__).parent
# From the lowest to the highest: a room imports from its own and from those before it.
ROOMS = ("base", "text", "data", "runtime", "quant", "nn", "lm", "train", "bench", "serve", "recipes", "cli")
BASE = {"config", "methods", "section", "study", "files", "errors", "progress", "_native", "__version__", ""}
TORCH_FREE = ("text", "data", "runtime", "lm", "cli")
NEEDS_TORCH = {"speechq.data.augment", "speechq.data.batches"}


def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    first = [*module.split("."), ""][1]
    return "base" if first in BASE else "cli" if first == "__main__" else first


def imported(path: Path) -> set[str]:
    """Every module of speechq that a file imports anywhere, also within functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            module = node.module or ""
            found |= {f"{module}.{alias.name}" for alias in node.names} if module == "speechq" else {module}
    return {name for name in found if name.split(".")[0] == "speechq"}


def test_every_room_is_known() -> None:
    assert {room_of(name_of(path)) for path in modules()} == set(ROOMS)


# The package itself hands out names of higher rooms, but imports none of them unless asked.
@pytest.mark.parametrize("path", [path for path in modules() if name_of(path) != "speechq"], ids=name_of)
def test_a_room_imports_only_from_rooms_below_it(path: Path) -> None:
    height = ROOMS.index(room_of(name_of(path)))
    for name in imported(path):
        assert ROOMS.index(room_of(name)) <= height, f"{name_of(path)} imports {name}"


def run(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_runs_a_model_does_without_torch() -> None:
    names = ["speechq"]
    for path in modules():
        name = name_of(path)
        if room_of(name) in TORCH_FREE and name not in NEEDS_TORCH and path.stem != "__main__":
            names.append(name)
    names += [f"speechq.quant.{name}" for name in ("scheme", "rounding", "reference")]
    names += [f"speechq.{room}" for room in ROOMS if room not in ("base", "nn", "train")]
    code = "import importlib, sys\nfor name in sys.argv[1:]:\n importlib.import_module(name)\n"
    code += " assert not {'torch', 'torchaudio', 'matplotlib'} & set(sys.modules), name"
    run(code, *names)


def test_info_does_without_torch(tmp_path: Path) -> None:
    model = tmp_path / "model.sqm"
    write_model(model, random_model("sru"))
    code = "import sys\nfrom speechq.cli.main import app\n"
    code += "sys.argv = ['speechq', 'info', sys.argv[1]]\n"
    code += "try:\n app()\nexcept SystemExit as end:\n assert end.code == 0\n"
    code += "assert 'torch' not in sys.modules"
    assert "sru" in run(code, str(model))


def test_transcribe_does_without_torch(tmp_path: Path, tones_folder: Path) -> None:
    write_split(tmp_path, "test", 1)
    code = "import sys\nfrom speechq.cli.main import app\n"
    code += "sys.argv = ['speechq', 'transcribe', *sys.argv[1:]]\n"
    code += "try:\n app()\nexcept SystemExit as end:\n assert end.code == 0\n"
    code += "assert 'torch' not in sys.modules"
    assert run(code, str(tones_folder), str(tmp_path / "audio" / "test-0.wav")).strip()


def test_importing_speechq_is_quick() -> None:
    code = "import sys, speechq\nprint(len({'numpy', 'rich', 'yaml', 'typer'} & set(sys.modules)))"
    assert run(code).strip() == "0"
