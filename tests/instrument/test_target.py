"""What is asked to be run is found without being run, and which files are the user's own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import CodeType

import pytest

import rnnprof
from rnnprof.errors import UsageError
from rnnprof.instrument.importer import Rewriter
from rnnprof.instrument.script import find_target
from tests.instrument.script_runs import ROOT

OWN = {
    "beside.py": True,
    "package/inner.py": True,
    "venv/lib/beside.py": False,
    "venv/lib/site-packages/numpy/core.py": False,
    "lib/site-packages/numpy/core.py": False,
    "lib/dist-packages/numpy/core.py": False,
    "../elsewhere.py": False,
    "../project-two/one.py": False,
}


@pytest.mark.parametrize("name", OWN)
def test_which_files_are_the_users_own(name: str, tmp_path: Path) -> None:
    root = tmp_path / "project"
    (root / "venv").mkdir(parents=True)
    (root / "venv" / "pyvenv.cfg").write_text("")
    rewriter = Rewriter(_unused, str(root / "main.py"), [str(root)], [])
    assert rewriter.owns(str(root / name)) == OWN[name]


def test_a_script_among_installed_files_owns_what_is_beside_it(tmp_path: Path) -> None:
    root = tmp_path / "lib" / "site-packages" / "tool"
    rewriter = Rewriter(_unused, str(root / "main.py"), [str(root)], [])
    assert rewriter.owns(str(root / "deep" / "other.py"))
    assert not rewriter.owns(str(root.parent / "other" / "one.py"))


def test_python_and_rnnprof_are_never_the_users_own() -> None:
    rewriter = Rewriter(_unused, "/main.py", ["/"], [])
    assert not rewriter.owns(os.path.realpath(subprocess.__file__))
    assert not rewriter.owns(str(rnnprof.__file__))
    example = ROOT / "rnnprof" / "examples" / "main.py"
    inside = Rewriter(_unused, str(example), [str(example.parent)], [])
    assert inside.owns(str(example))
    assert inside.owns(str(example.with_name("data.py")))


def _unused(name: str, source: bytes) -> CodeType | None:
    raise AssertionError(name)


REFUSED: list[tuple[str | None, str | None, str]] = [
    (None, None, "give a script or -m MODULE to run, and not both"),
    ("main.py", "main", "give a script or -m MODULE to run, and not both"),
    ("nowhere.py", None, "nowhere.py: there is no such file"),
    ("empty", None, "empty is a folder without a __main__.py: give a script"),
    ("app.pyz", None, "app.pyz is a zip file: unpack it and give the script in it"),
    (None, "nowhere", "-m nowhere: there is no such module of Python source"),
    (None, "main.inner", "-m main.inner: there is no such module of Python source"),
    (None, "package.nowhere", "-m package.nowhere: there is no such module of Python source"),
    (None, "package", "-m package is a package without a __main__.py: name a module in it"),
    (None, "empty", "-m empty is a package without a __main__.py: name a module in it"),
    (None, "sys", "-m sys: there is no such module of Python source"),
    (None, ".main", "-m .main: there is no such module of Python source"),
    (None, "", "-m : there is no such module of Python source"),
]


@pytest.mark.parametrize(("script", "module", "words"), REFUSED)
def test_what_cannot_be_run(
    script: str | None, module: str | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("raise SystemExit('it was imported')")
    (tmp_path / "main.py").write_text("")
    (tmp_path / "app.pyz").write_bytes(b"PK\x03\x04and more")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as raised:
        find_target(script, module, [])
    assert str(raised.value) == words


def test_the_target_says_what_is_to_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "package").mkdir()
    for name in ("main.py", "package/__init__.py", "package/__main__.py"):
        (tmp_path / name).write_text("")
    monkeypatch.chdir(tmp_path)
    script = find_target("main.py", None, ["a", "-b"])
    assert (script.path, script.module, script.argv) == (tmp_path / "main.py", None, ("a", "-b"))
    module = find_target(None, "package", [])
    assert (module.path, module.module) == (tmp_path / "package" / "__main__.py", "package")
