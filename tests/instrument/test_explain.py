"""What ``--explain`` says, to the letter."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnprof.instrument.explain import explain
from tests.instrument.test_reading import read

FOLDER = Path(__file__).parent / "explained"


def said(folder: Path, text: str) -> str:
    """The explanation of a program, without spaces at the end of lines."""
    return explain(read(folder, text), folder)


def table(folder: Path, text: str) -> dict[int, tuple[str, str]]:
    """The stages and the reason of each line of a program of one file."""
    rows = {}
    for line in said(folder, text).splitlines():
        if line[:5].strip().isdigit():
            rows[int(line[:5])] = line[7:29].strip(), line[107:].strip()
    return rows


def test_a_script_to_the_letter(tmp_path: Path) -> None:
    text = (FOLDER / "script.txt").read_text(encoding="utf-8")
    assert said(tmp_path, text) == (FOLDER / "said.txt").read_text(encoding="utf-8")


def test_files_are_named_from_the_folder_and_those_without_a_part_are_left_out(tmp_path: Path) -> None:
    text = (
        "import a.b, c\na.b.train()\n--- a/__init__.py\nx = 1\n--- c.py\ny = 2\n"
        "--- a/b.py\nimport torch\n\n\ndef train():\n    for x in d:\n        x.backward()\n"
        "        opt.step()\n"
    )
    shown = said(tmp_path, text)
    assert [line for line in shown.splitlines() if line.endswith(".py")] == ["main.py", "a/b.py"]
    assert "step: the loop in line 5: the innermost loop that backpropagates in line 6" in shown
    outside = explain(read(tmp_path, text), tmp_path / "a")
    assert outside.splitlines()[0] == str(tmp_path / "main.py")


def test_no_loop(tmp_path: Path) -> None:
    text = "import torch\nfor x in d:\n    x.backward()\n    for y in x:\n        print(y)\nopt.step()\n"
    assert said(tmp_path, text) == (FOLDER / "no_loop.txt").read_text(encoding="utf-8")


def test_a_loop_in_a_coroutine_is_left_alone_unless_a_comment_says_otherwise(tmp_path: Path) -> None:
    text = "async def train():\n    for x in d:{}\n        x.backward()\n        opt.step()\n"
    shown = said(tmp_path, text.format(""))
    assert "left alone in coroutines, whose turns other tasks may interrupt: main.py:2." in shown.splitlines()
    assert "step: the loop in line 2: a comment says" in said(tmp_path, text.format("  # rnnprof: step"))


@pytest.mark.parametrize("words", ["stages=3", "stage=", "", "stag\x07e", "STEP"])
def test_a_comment_that_is_not_understood(words: str, tmp_path: Path) -> None:
    shown = said(tmp_path, f"x = 1  # rnnprof: {words}\n").splitlines()
    assert f"main.py:1: the comment says {words!r}, which is none of stage=NAME, step and ignore" in shown


def test_several_statements_in_a_line(tmp_path: Path) -> None:
    text = (
        "for x in d:\n"
        "    loss = model(x); loss.backward(); opt.step(); opt.step()\n"
        "    if x: print(loss.item())\n"
        "    else: save_checkpoint(x)\n"
        "    n = len(x); n = 3; n = len(x)\n"
        "    print(\n        f(x),\n    ); g(x)\n"
    )
    found = table(tmp_path, text)
    assert {line: stages for line, (stages, _) in found.items()} == {
        1: "get_batch",
        2: "forward, backward, upd",
        3: "log",
        4: "checkpoint",
        # Which of the two it goes on in is not known before it runs.
        5: ".",
        6: "log",
        7: "log",
        8: "log, g",
    }
    assert found[4][1] == "save_checkpoint: saves the model"


def test_what_is_shown_cannot_disturb_the_terminal(tmp_path: Path) -> None:
    text = "print('\x1b[31m')\nlog_\u0130t('\u202e')\n\tif 0: pass\n".replace("\tif 0: pass\n", "")
    shown = said(tmp_path, text)
    assert not {"\x1b", "\u202e"} & set(shown)


def test_where_a_branch_goes_on(tmp_path: Path) -> None:
    text = (
        "opt.step()\nwhile n:\n    zero_grad()\n    if n:\n        model(x).backward()\n        n = len(d)\n"
        "    else:\n        n = len(d)\n    opt.step()\n"
    )
    stages = {line: found[0] for line, found in table(tmp_path, text).items()}
    assert stages == {
        1: "update",
        2: ".",
        3: "zero_grad",
        4: ".",
        5: "forward, backward",
        6: "(backward)",
        8: "(zero_grad)",
        9: "update",
    }


def test_lines_end_where_they_end_for_python(tmp_path: Path) -> None:
    text = "# a\x0cb \u2028\nfor x in d:\n    x.backward()\n    opt.step()\n"
    assert {line: stage for line, (stage, _) in table(tmp_path, text).items()} == {
        2: "get_batch",
        3: "backward",
        4: "update",
    }
    assert "    4  update                     opt.step()" in said(tmp_path, text)
