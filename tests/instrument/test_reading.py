"""Which stage each line of a program is given, as a reader of it would say.

The programs stand in ``reading/*.txt``: behind ``# =`` a line says the stages that it must be
given, ``STEP`` and ``EVALUATE`` that it is a loop whose turns are steps; no other loop may be one.
``--- name`` begins another file of the program.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rnnprof.instrument.explain import _rows
from rnnprof.instrument.reading.plan import Plan
from rnnprof.instrument.reading.project import Project
from rnnprof.instrument.settings import own_rules
from tests.instrument.rewriting import programs

FOLDER = Path(__file__).parent / "reading"
LOOPS = {"STEP": "train", "EVALUATE": "evaluate"}


PROGRAMS: dict[str, str] = {}
for _path in sorted(FOLDER.glob("*.txt")):
    PROGRAMS |= programs(_path)


def write(folder: Path, text: str) -> None:
    """Write a program's files: ``main.py``, and those that begin with ``--- name``."""
    parts = re.split(r"^--- (.*)\n", "--- main.py\n" + text, flags=re.MULTILINE)[1:]
    for name, content in zip(parts[::2], parts[1::2], strict=True):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def read(folder: Path, text: str, *given: str) -> Plan:
    """The plan of a program, with rules as on the command line."""
    write(folder, text)
    project = Project([folder])
    assert project.add(folder / "main.py", "__main__") is not None
    return Plan(project, own_rules(folder, given))


def found_in(plan: Plan, folder: Path) -> dict[tuple[str, int], str]:
    """File and line to stages, of all lines that were given any."""
    return {
        (function.source.path.relative_to(folder).as_posix(), line): stages
        for function in plan.functions.values()
        for line, stages, _ in _rows(plan, function, 10**6)
    }


def loops(plan: Plan, folder: Path) -> dict[tuple[str, int], str]:
    """File and line to lane, of the loops whose turns are steps."""
    return {
        (step.function.source.path.relative_to(folder).as_posix(), step.node.lineno): step.lane
        for step in plan.steps.values()
    }


def expected(folder: Path) -> tuple[dict[tuple[str, int], str], dict[tuple[str, int], str]]:
    """The stages and the loops that the files themselves name."""
    stages, lanes = {}, {}
    for path in folder.rglob("*.py"):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            match = re.search(r"# = (?:(STEP|EVALUATE) )?(.*)$", line)
            if match is not None:
                place = path.relative_to(folder).as_posix(), number
                stages[place] = match[2].strip()
                if match[1]:
                    lanes[place] = LOOPS[match[1]]
    return stages, lanes


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_line_has_the_stage_that_a_reader_gives_it(name: str, tmp_path: Path) -> None:
    plan = read(tmp_path, PROGRAMS[name])
    stages, lanes = expected(tmp_path)
    found = found_in(plan, tmp_path)
    assert {place: found.get(place, ".") for place in stages} == stages
    assert loops(plan, tmp_path) == lanes


def test_rules_of_the_user_come_first(tmp_path: Path) -> None:
    text = PROGRAMS["a DataLoader, one stage a line"]
    (tmp_path / "pyproject.toml").write_text('[tool.rnnprof.stages]\n"*clip*" = "bound"\n"print" = "-"\n')
    plan = read(tmp_path, text, "criterion=distance", "<optimizer>.step = learn")
    found = found_in(plan, tmp_path)
    stages = [found["main.py", line] for line in range(10, 17)]
    # What `print` prints goes on, but `.item()` is a call of its own, and waits for the device.
    assert stages == ["zero_grad", "forward", "distance", "backward", "bound", "learn", "log"]


def test_a_loop_that_needs_a_rule(tmp_path: Path) -> None:
    text = "for x in data:\n    engine.learn(x)\n    engine.apply(x)\n"
    assert loops(read(tmp_path, text), tmp_path) == {}
    rules = "engine.learn=backward", "engine.apply=update"
    plan = read(tmp_path, text, *rules)
    assert loops(plan, tmp_path) == {("main.py", 1): "train"}
    assert found_in(plan, tmp_path) == {
        ("main.py", 1): "get_batch",
        ("main.py", 2): "backward",
        ("main.py", 3): "update",
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "for x in d:\n    loss.backward()\n    opt.step()\n",
            "backpropagates in line 2 and updates in line 3",
        ),
        (
            "def f():\n    loss.backward()\n    opt.step()\nfor x in d:\n    f()\n",
            "backpropagates in line 5 and updates in line 5",
        ),
        (
            "for x in d:  # rnnprof: step\n    loss.backward()\n    opt.step()\n",
            "a comment says that it is the step",
        ),
    ],
)
def test_why_a_loop_is_the_step(text: str, why: str, tmp_path: Path) -> None:
    (step,) = read(tmp_path, text).steps.values()
    assert step.why.removeprefix("the innermost loop that ") == why


def test_a_file_that_is_no_python_and_one_that_imports_itself(tmp_path: Path) -> None:
    write(tmp_path, "x = = 1\n")
    assert Project([tmp_path]).add(tmp_path / "main.py", "__main__") is None
    text = "import broken, main, one\nfor x in d:\n    loss.backward()\n    opt.step()\n"
    plan = read(tmp_path, f"{text}--- broken.py\nx = = 1\n--- one.py\nimport two\n--- two.py\nimport one\n")
    assert sorted(path.name for path in plan.project.sources) == ["main.py", "one.py", "two.py"]
    assert loops(plan, tmp_path) == {("main.py", 2): "train"}
