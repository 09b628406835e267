"""The log directory that TensorBoard is given: the run's folder of traces, or a passing one without it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rnnprof import runfile
from rnnprof.errors import RnnprofError
from rnnprof.runcheck import shown
from rnnprof.traces.files import Files


@contextlib.contextmanager
def logdir(file: Path, notices: list[str]) -> Iterator[Path]:
    """Find or make the folder that shows a run in TensorBoard.

    Args:
        file: a run file, or a folder.
        notices: gets a line for whatever could not be brought up to date.

    Yields:
        The folder itself, or the run's folder of traces; the copies of runs in it and their scalars
        are then those of the runs beside it. A run without traces has a folder of its own, which
        is removed afterwards.

    Raises:
        RnnprofError: the file is no run, or no folder can be made.
    """
    if file.is_dir():
        for run in _beside(file.absolute()):
            _refresh(run, file, notices)
        yield file
        return
    run = file.absolute()
    folder = Files(run, runfile.load(run).rank).folder
    if folder.is_dir():
        _refresh(run, folder, notices)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="rnnprof-") as passing:
        _refresh(run, Path(passing), notices)
        yield Path(passing)


def _beside(folder: Path) -> list[Path]:
    """The runs of all ranks that a folder of traces belongs to."""
    if folder.suffix != ".trace":
        return []
    ranks = folder.parent.glob(f"{_literal(folder.stem)}.rank*.json")
    return [run for run in (folder.with_suffix(".json"), *sorted(ranks)) if run.is_file()]


def _literal(name: str) -> str:
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in name)


def _refresh(run: Path, folder: Path, notices: list[str]) -> None:
    """Have the run's copy and its scalars in the folder, where they are missing or older than the run."""
    from rnnprof.traces import scalars

    try:
        copy = folder / run.name
        is_old = not copy.is_file() or copy.stat().st_mtime_ns < run.stat().st_mtime_ns
        recorded = runfile.load(run)
        if is_old:
            runfile.write_atomically(copy, run.read_text(encoding="utf-8"))
        if is_old or not any(folder.glob(f"events.out.tfevents.*.rank{recorded.rank}")):
            scalars.write(recorded, folder)
    except (RnnprofError, OSError) as error:
        notices.append(f"what is shown may be older than {shown(run.name)}: {error}")
