"""Where the traces of a run lie: beside its run file, under its name."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

TENSORBOARD = ".pt.trace.json.gz"
"""How the names of files end that torch-tb-profiler reads."""
TRACE = ".trace.json.gz"
"""How the names of all traces end."""


class Files:
    """The names of a run's traces.

    Args:
        run: the run file; in a distributed job with the rank in its name, as ``run.rank3.json``.
        rank: index of this process in a distributed job; by default as in that name, or 0.
    """

    def __init__(self, run: Path, rank: int | None = None) -> None:
        self.run = run
        named = re.search(r"\.rank(\d+)$", run.stem, re.ASCII)
        if rank is None:
            rank = int(named[1]) if named else 0
        self.rank = rank
        self._mark = f".rank{rank}" if run.stem.endswith(f".rank{rank}") else ""
        stem = run.stem.removesuffix(self._mark) if self._mark else run.stem
        # One folder for all ranks, since viewers compare them.
        self.folder = run.with_name(f"{stem}.trace")
        self.functions = run.with_name(f"{run.stem}.prof")
        self.loop_functions = run.with_name(f"{run.stem}.loop.prof")

    @property
    def stages(self) -> Path:
        """The stage-only trace."""
        return self.folder / f"stages{self._mark}{TRACE}"

    @property
    def copy(self) -> Path:
        """The copy of the run, for viewers that are shown the folder alone."""
        return self.folder / self.run.name

    def steps(self, first: int, last: int) -> Path:
        """The raw trace of a window of steps.

        Args:
            first: number of its first step.
            last: number of its last step.
        """
        return self.folder / f"steps-{first}-{last}{self._mark}{TRACE}"

    def tensorboard(self, milliseconds: int) -> Path:
        """The copy of a trace that is fit for torch-tb-profiler, which takes the name apart.

        Args:
            milliseconds: when the window began, by the clock on the wall: orders the windows.
        """
        return self.folder / f"rank{self.rank}.{milliseconds}{TENSORBOARD}"

    def relative(self, file: Path) -> str:
        """A file's name as the run keeps it: relative to the run file's folder."""
        return file.relative_to(self.run.parent).as_posix()

    def clear(self, functions: bool = True) -> None:
        """Remove what an earlier run of the same name left; nothing else is touched.

        Args:
            functions: whether cProfile's statistics are among it: under these names a user may have
                some from elsewhere, so only a run that writes its own removes them.
        """
        mine = re.compile(
            rf"(stages|steps-\d+-\d+){re.escape(self._mark)}{re.escape(TRACE)}"
            # What a killed job was writing.
            rf"|\.\d+\.steps-\d+-\d+{re.escape(self._mark)}\.trace\.json"
            rf"|rank{self.rank}\.\d+{re.escape(TENSORBOARD)}"
            rf"|events\.out\.tfevents\..*\.rank{self.rank}"
        )
        old = [self.copy, *([self.functions, self.loop_functions] if functions else [])]
        if self.folder.is_dir():
            old += [file for file in self.folder.iterdir() if mine.fullmatch(file.name)]
        for file in old:
            with contextlib.suppress(OSError):
                file.unlink()
