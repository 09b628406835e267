"""What to open, and in which viewer: a run, its folder of traces, one trace, or cProfile's statistics."""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from rnnprof import runfile
from rnnprof.errors import UsageError
from rnnprof.runcheck import shown
from rnnprof.runlayout import FORMAT
from rnnprof.traces.files import TENSORBOARD, TRACE, Files
from rnnprof.viewers import perfetto

VIEWERS = ("tensorboard", "perfetto", "speedscope", "snakeviz")
TIMELINES = ("perfetto", "speedscope")

CONTENTS = {
    "stages": "the stage-only trace of the whole run",
    "steps": "torch.profiler's trace of the first traced steps",
    "functions": "cProfile's statistics of the whole run",
    "loop": "those from the first step on",
}
FUNCTIONS = ("functions", "loop")

NO_TRACES = "has no traces: record them with `rnnprof run --trace ...`"
NO_FUNCTIONS = "has no functions: record them with `rnnprof run --cprofile ...`"

HEAD = 64 << 10
"""Bytes from the beginning of a file within which it must say what it is."""


@dataclass(frozen=True)
class Choice:
    """What is opened.

    Args:
        viewer: one of `VIEWERS`.
        file: the trace or the statistics; for TensorBoard the run file, or a folder.
        notices: what the user should know, a line each.
    """

    viewer: str
    file: Path
    notices: tuple[str, ...] = ()


def choose(file: Path, viewer: str | None = None, content: str | None = None) -> Choice:
    """Decide what is opened in what.

    Args:
        file: what the user gave.
        viewer: one of `VIEWERS`, if the user gave one.
        content: one of `CONTENTS`, if the user gave one.

    Returns:
        What to open. The viewer is not started, and may not be installed if the user asked for it.

    Raises:
        UsageError: the file is nothing that the viewer shows, or the run lacks what was asked for.
        RunFileError: the file is no run.
    """
    kind = _kind(file)
    if kind in ("run", "folder"):
        return _of_run(file, kind, viewer, content)
    if content is not None:
        raise UsageError(f"--what {content} is for a run: {shown(file)} is one file, which is shown whole")
    if kind == "statistics":
        if viewer not in (None, "snakeviz"):
            raise UsageError(f"{shown(file)} holds functions, which snakeviz shows: give --in snakeviz")
        return Choice("snakeviz", file)
    if viewer not in (None, *TIMELINES):
        raise UsageError(f"{shown(file)} is one trace: give --in perfetto or speedscope, or the run itself")
    return Choice(viewer or _timeline(), file)


def _of_run(file: Path, kind: str, viewer: str | None, content: str | None) -> Choice:
    if viewer is None and content is not None:
        viewer = "snakeviz" if content in FUNCTIONS else _timeline()
    if viewer is None:
        viewer = "tensorboard" if find_spec("tensorboard") else _timeline()
    if viewer == "tensorboard":
        if content is not None:
            raise UsageError(f"--what {content} is for the other viewers: TensorBoard shows all at once")
        return Choice(viewer, file)
    if viewer == "snakeviz":
        if content not in (None, *FUNCTIONS):
            raise UsageError(f"snakeviz shows functions: give --what functions or loop, not {content}")
        return Choice(viewer, _statistics(file, kind, content or "functions"))
    if content in FUNCTIONS:
        raise UsageError(f"{viewer} shows traces: give --what stages or steps, not {content}")
    return _trace(file, kind, viewer, content)


def _trace(file: Path, kind: str, viewer: str, content: str | None) -> Choice:
    stages, steps = _traces_in(file) if kind == "folder" else _traces_of(file)
    if not stages and not steps:
        raise UsageError(f"{shown(file)} {NO_TRACES}")
    if content is None:
        content = "stages" if stages else "steps"
    found = stages if content == "stages" else steps
    if not found:
        raise UsageError(f"{shown(file)} has no trace of {content}: leave --what out for what there is")
    others = len(found) - 1
    more = f"{found[0].name} is shown, the first of {len(found)}: the others open by their own names"
    return Choice(viewer, found[0], (more,) if others else ())


def _traces_of(run: Path) -> tuple[list[Path], list[Path]]:
    """The stage-only trace and those of torch.profiler, of a run; those that are there."""
    recorded = runfile.load(run)
    files = Files(run, recorded.rank)
    # The names come from the run file, which may be anybody's: the folder does not.
    steps = [files.folder / Path(trace.file).name for trace in recorded.traces]
    there = [trace for trace in steps if trace.is_file()]
    if steps and not there:
        raise UsageError(f"{shown(steps[0])} is not there: keep it beside {shown(run.name)}")
    return [files.stages] if files.stages.is_file() else [], there


def _traces_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """The same of a folder, in which several ranks may have left theirs."""
    names = [file for file in folder.glob(f"*{TRACE}") if not file.name.endswith(TENSORBOARD)]
    steps = [file for file in names if file.name.startswith("steps-")]
    stages = [file for file in names if file.name.startswith("stages")]
    return sorted(stages, key=_numbers), sorted(steps, key=_numbers)


def _statistics(file: Path, kind: str, content: str) -> Path:
    of_folder = kind == "folder"
    if not of_folder and runfile.load(file).functions is None:
        raise UsageError(f"{shown(file)} {NO_FUNCTIONS}")
    files = Files(file.absolute().with_suffix(".json") if of_folder else file)
    found = files.loop_functions if content == "loop" else files.functions
    if not found.is_file():
        beside = f"keep it beside {shown(file.name)}"
        raise UsageError(
            f"{shown(file)} {NO_FUNCTIONS}" if of_folder else f"{shown(found)} is not there: {beside}"
        )
    return found


def _timeline() -> str:
    return "perfetto" if perfetto.is_installed() else "speedscope"


def _numbers(file: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", file.name)]


def _kind(file: Path) -> str:
    """What a file is: ``run``, ``folder``, ``statistics`` or ``trace``."""
    if file.is_dir():
        return "folder"
    if file.suffix == ".prof":
        return "statistics"
    try:
        with gzip.open(file) if file.suffix == ".gz" else open(file, "rb") as opened:
            head = opened.read(HEAD)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        # ValueError: a path that no file can have, such as one with a NUL in it.
        why = getattr(error, "strerror", None) or (
            error if isinstance(error, ValueError) else "it is no gzip file"
        )
        raise UsageError(f"cannot read {shown(file)}: {why}") from None
    if file.suffix == ".gz" or (b'"traceEvents"' in head and f'"{FORMAT}"'.encode() not in head):
        if head.lstrip()[:1] not in (b"{", b"["):
            raise UsageError(f"{shown(file)} is no trace: it does not begin as JSON does")
        return "trace"
    return "trace" if head.lstrip()[:1] == b"[" else "run"
