"""The user's own rules: from the command line, and from the nearest ``pyproject.toml``."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnprof.errors import UsageError
from rnnprof.instrument.rules import TRANSPARENT, match
from rnnprof.instrument.settings import own_rules


def rows(folder: Path, *given: str) -> list[tuple[str, str, str]]:
    """Pattern, stage and reason of each rule."""
    return [(*one.patterns, one.stage, one.why) for one in own_rules(folder, given)]


def test_rules_of_the_command_line(tmp_path: Path) -> None:
    assert rows(tmp_path) == []
    line = "a rule on the command line"
    assert rows(tmp_path, "My_Clip*=clip", " a.b = the stage ", "x=y=z", "log*=-") == [
        ("my_clip*", "clip", line),
        ("a.b", "the stage", line),
        ("x=y", "z", line),
        ("log*", TRANSPARENT, line),
    ]


@pytest.mark.parametrize("text", ["", "clip", "=clip", "  =clip", "clip=", "clip= "])
def test_a_rule_that_is_none(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        own_rules(tmp_path, [text])
    assert str(caught.value) == f"--rule {text!r}: write PATTERN=STAGE, such as --rule 'my_clip*=clip'"


def test_a_name_that_no_table_could_show(tmp_path: Path) -> None:
    assert own_rules(tmp_path, ["a=" + "x" * 80])
    with pytest.raises(UsageError, match=r"^--rule .*: the stage's name is longer than 80 characters$"):
        own_rules(tmp_path, ["a=" + "x" * 81])


def test_the_nearest_file_counts_and_the_command_line_comes_first(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.rnnprof.stages]\n"far" = "far"\n')
    folder = tmp_path / "one" / "two"
    folder.mkdir(parents=True)
    assert rows(folder) == [("far", "far", "a rule in pyproject.toml")]
    (tmp_path / "one" / "pyproject.toml").write_text(
        '[project]\nname = "x"\n[tool.rnnprof.stages]\n"*Near*" = "near"\nplain = "-"\n'
    )
    assert rows(folder, "near=mine") == [
        ("near", "mine", "a rule on the command line"),
        ("*near*", "near", "a rule in pyproject.toml"),
        ("plain", TRANSPARENT, "a rule in pyproject.toml"),
    ]
    first = match(own_rules(folder, ["near=mine"]), ["a.near", "near"])
    assert first is not None
    assert first.stage == "mine"
    (folder / "pyproject.toml").write_text("[project]\n")
    assert rows(folder) == []


FILES = {
    "not toml": "[tool.rnnprof.stages\n",
    "no table": "tool.rnnprof = 3\n",
    "stages is no table": "[tool.rnnprof]\nstages = ['a']\n",
    "another key": "[tool.rnnprof]\nstage = 'a'\n",
    "a number": "[tool.rnnprof.stages]\na = 3\n",
    "an empty name": "[tool.rnnprof.stages]\na = ' '\n",
    "tool is no table": "tool = 3\n",
}
WORDS = {
    "not toml": "cannot be read: ",
    "no table": "[tool.rnnprof.stages] is a table of patterns and stages",
    "stages is no table": "[tool.rnnprof.stages] is a table of patterns and stages",
    "another key": "[tool.rnnprof] knows `stages` alone, not 'stage'",
    "a number": "a stage is a name, such as 'clip'; '-' goes on in the stage before",
    "an empty name": "a stage is a name, such as 'clip'; '-' goes on in the stage before",
    "tool is no table": "[tool.rnnprof.stages] is a table of patterns and stages",
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_makes_no_sense(name: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(FILES[name])
    with pytest.raises(UsageError) as caught:
        own_rules(tmp_path)
    said = str(caught.value)
    assert said.startswith(str(tmp_path / "pyproject.toml"))
    assert WORDS[name] in said


def test_a_file_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"[tool.rnnprof.stages]\n'a' = '\xff'\n")
    with pytest.raises(UsageError, match="cannot be read"):
        own_rules(tmp_path)
