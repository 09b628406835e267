"""Folders that a script adds to `sys.path`, told without running it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from rnnprof.instrument.reading.paths import added_paths

KNOWN = [
    "sys.path.append(os.path.join(os.path.dirname(__file__), '..', 'lib'))",
    "sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, 'lib'))",
    "sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'lib'))",
    "sys.path.append(str(pathlib.Path(__file__).parents[1].joinpath('lib')))",
    "sys.path.append(os.path.dirname(__file__) + '/../lib')",
]
UNKNOWN = [
    "sys.path.append(root)",
    "sys.path.append(os.environ['LIB'])",
    "sys.path.append(subprocess.check_output(['pwd']))",
    "sys.path.append(open('/etc/hostname').read())",
    "sys.path.append(os.path.join(os.path.dirname(__file__), 'nowhere'))",
    "sys.path.append(3)",
    "sys.path.append()",
    "sys.path.append(Path(__file__).parents[99])",
    "paths.append('lib')",
]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "lib").mkdir()
    (tmp_path / "scripts").mkdir()
    return tmp_path / "scripts" / "main.py"


@pytest.mark.parametrize("line", KNOWN)
def test_a_folder_beside_the_scripts_own(script: Path, line: str) -> None:
    assert added_paths(ast.parse(line), script) == [(script.parent.parent / "lib").resolve()]


@pytest.mark.parametrize("line", UNKNOWN)
def test_what_has_to_be_run_is_left_alone(script: Path, line: str) -> None:
    assert added_paths(ast.parse(line), script) == []


def test_relative_to_the_working_directory(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(script.parent)
    assert added_paths(ast.parse("sys.path.append('..')"), script) == [script.parent.parent.resolve()]
