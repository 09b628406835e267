"""A program's files while it is measured: which are rewritten, and what the user's code was."""

from __future__ import annotations

import types
from pathlib import Path

from rnnprof.instrument.program import Program

LOOP = "for x in d:\n    x.backward()\n    opt.step()\n"


def make(folder: Path, **files: str) -> Program:
    """A program of these files, with `main` as its script."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return Program(folder / "main.py", [folder])


def load(program: Program, path: Path) -> types.CodeType | None:
    """The code of a file."""
    return program.compile(str(path), path.read_bytes())


def test_only_files_with_a_part_of_the_step_are_rewritten(tmp_path: Path) -> None:
    program = make(
        tmp_path, main="import a, b, c\na.run()\n", a=f"def run():\n    {LOOP.replace('    ', ' ' * 8)}", b=""
    )
    (tmp_path / "c.py").write_text("x = 1\n")
    assert load(program, tmp_path / "a.py") is not None
    assert load(program, tmp_path / "main.py") is not None
    assert load(program, tmp_path / "b.py") is None
    assert load(program, tmp_path / "c.py") is None
    assert program.compile(str(tmp_path / "elsewhere.py"), b"x = 1") is None


def test_a_file_that_changed_since_is_left_as_it_is(tmp_path: Path) -> None:
    program = make(tmp_path, main=LOOP)
    path = tmp_path / "main.py"
    first = load(program, path)
    assert first is not None
    assert load(program, path) is first
    changed = program.compile(str(path), b"x = 1\n" + LOOP.encode())
    assert changed == compile("x = 1\n" + LOOP, str(path), "exec", dont_inherit=True)
    assert load(program, path) is first


def test_a_script_that_is_no_python(tmp_path: Path) -> None:
    program = make(tmp_path, main="x = = 1\n")
    assert program.plan is None
    assert load(program, tmp_path / "main.py") is None


def test_other_encodings_and_line_ends(tmp_path: Path) -> None:
    for data in (
        b"\xef\xbb\xbf" + LOOP.encode(),
        LOOP.replace("\n", "\r\n").encode(),
        b"# -*- coding: latin-1 -*-\n# \xe9\n" + LOOP.encode(),
        LOOP.replace("\n", "\r").encode(),
        ("# \x0c\n\x0c" + LOOP).encode(),
    ):
        (tmp_path / "main.py").write_bytes(data)
        program = Program(tmp_path / "main.py", [tmp_path])
        code = load(program, tmp_path / "main.py")
        assert code is not None, data
        assert code != compile(data, str(tmp_path / "main.py"), "exec", dont_inherit=True), data


def test_the_plain_code_of_each_function(tmp_path: Path) -> None:
    text = (
        "def f():\n    return 1\n    return lambda: 2\n\n"
        "def g(x):\n    if 0:\n        h = lambda: 3\n    k = lambda: 4\n"
        "    return [k for k in x], lambda: 5\n"
        f"{LOOP}    p, q = lambda: 6, lambda y: 7\n"
    )
    program = make(tmp_path, main=text)
    code = load(program, tmp_path / "main.py")
    assert code is not None
    for one, plain in program.pristine.items():
        assert (one.co_name, one.co_firstlineno) == (plain.co_name, plain.co_firstlineno)
        assert [value for value in one.co_consts if isinstance(value, int) and value] == [
            value for value in plain.co_consts if isinstance(value, int) and value
        ]
    assert len(program.pristine) >= 7
