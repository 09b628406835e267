"""The package as a whole: its public names, what importing it costs, its layers, its tools."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import rnnprof
from tests.run_builder import word_language_model

ROOT = Path(__file__).parent.parent
LEFT = (
    *("cli", "renderers", "analysis", "runfile.py", "runlayout.py", "runcheck.py", "model.py", "units.py"),
    *("sweep", "sweepfile.py", "sweepmodel.py"),
)
RIGHT = (
    *("recorder", "profiler.py", "active.py", "marks.py", "clocks.py", "devices.py", "environment.py"),
    "instrument",
)


def test_public_names() -> None:
    assert rnnprof.__all__ == [
        "NestingError",
        "RnnprofError",
        "RunFileError",
        "TraceError",
        "Tracing",
        "UsageError",
        "__version__",
        "advise",
        "attach",
        "breakdown",
        "compare",
        "instrument",
        "lane",
        "load",
        "profile",
        "save",
        "stage",
        "step",
        "steps",
    ]
    for name in rnnprof.__all__:
        assert getattr(rnnprof, name) is not None
        assert name in dir(rnnprof)
    with pytest.raises(AttributeError, match="module 'rnnprof' has no attribute 'nothing'"):
        _ = rnnprof.nothing


def loaded_after(code: str) -> set[str]:
    """Names of the modules that a fresh interpreter has loaded after some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('\\n'.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return set(done.stdout.split())


def test_importing_it_loads_almost_nothing() -> None:
    before = loaded_after("")
    assert loaded_after("import rnnprof") - before <= {"rnnprof", "__future__"}


@pytest.mark.parametrize("form", ["text", "markdown", "csv", "json", "svg", "dot", "tikz", "mermaid"])
def test_reporting_never_loads_torch(tmp_path: Path, form: str) -> None:
    path = tmp_path / "run.json"
    rnnprof.save(word_language_model(), path)
    code = (
        "import sys, contextlib, io\n"
        "from rnnprof.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    assert main(['report', {str(path)!r}, '--format', {form!r}]) == 0"
    )
    loaded = loaded_after(code)
    assert "torch" not in loaded
    assert not {name for name in loaded if name.startswith("rnnprof.recorder")}
    assert ("rich" in loaded) == (form == "text")


def test_recording_loads_neither_torch_nor_rich() -> None:
    loaded = loaded_after(
        "import rnnprof\nwith rnnprof.profile(None) as prof, prof.step(), prof.stage('a'): pass"
    )
    assert not {"torch", "rich", "rnnprof.analysis"} & loaded


def sources(parts: tuple[str, ...]) -> list[Path]:
    found = [
        path
        for part in parts
        for path in (ROOT / "rnnprof").rglob("*.py")
        if path.relative_to(ROOT / "rnnprof").parts[0] == part
    ]
    assert found
    return found


@pytest.mark.parametrize(("parts", "banned"), [(LEFT, "torch"), (RIGHT, "rich")])
def test_the_two_columns(parts: tuple[str, ...], banned: str) -> None:
    for path in sources(parts):
        for line in path.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if words[:1] == ["import"] or words[:1] == ["from"]:
                top = words[1].split(".")[0]
                # The demo trains: it says so, and imports torch only when it runs.
                assert top != banned or path.name == "demo.py", f"{path}: {line.strip()}"


def tool(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_layers_only_point_down() -> None:
    pytest.importorskip("importlinter")
    tool(str(Path(sys.executable).with_name("lint-imports")), "--no-cache")


def test_ruff() -> None:
    pytest.importorskip("ruff")
    tool(sys.executable, "-m", "ruff", "check", "--no-cache", ".")
    tool(sys.executable, "-m", "ruff", "format", "--no-cache", "--check", ".")


def test_mypy() -> None:
    pytest.importorskip("mypy")
    tool(sys.executable, "-m", "mypy")


def test_files_fit_one_idea() -> None:
    for path in (ROOT / "rnnprof").rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 260, path
