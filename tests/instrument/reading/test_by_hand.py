"""Programs that mark their steps themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnprof.instrument.reading.by_hand import marked_by_hand
from rnnprof.instrument.reading.project import Project


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("import rnnprof\nwith rnnprof.step():\n    pass\n", "main.py:2"),
        ("import rnnprof as r\nfor x in r.steps(range(3)):\n    pass\n", "main.py:2"),
        ("from rnnprof import step as one\n@one()\ndef train():\n    pass\n", "main.py:2"),
        (
            "import rnnprof\nwith rnnprof.lane('evaluate'):\n    with rnnprof.step(5):\n        pass\n",
            "main.py:3",
        ),
        ("import rnnprof\ndef f():\n    with rnnprof.lane('evaluate'):\n        pass\n", "main.py:3"),
        ("import rnnprof\nwith rnnprof.stage('forward'):\n    pass\n", None),
        ("import rnnprof\noptimizer.step()\nscheduler.step()\n", None),
        ("def step():\n    pass\nstep()\n", None),
        ("from other import step\nstep()\n", None),
    ],
)
def test_the_first_step_that_is_marked(tmp_path: Path, text: str, place: str | None) -> None:
    script = tmp_path / "main.py"
    script.write_text(text)
    project = Project([tmp_path])
    assert project.add(script, "__main__") is not None
    assert marked_by_hand(project) == place


def test_rnnprof_beside_the_script_is_no_source_of_the_user(tmp_path: Path) -> None:
    script, package = tmp_path / "main.py", tmp_path / "rnnprof" / "__init__.py"
    package.parent.mkdir()
    package.write_text("with step():\n    pass\n")
    script.write_text("import rnnprof\nimport rnnprof.testing\n")
    project = Project([tmp_path])
    project.add(script, "__main__")
    assert list(project.sources) == [script]
