"""``rnnprof sweep report``: what a sweep has found, as a table, a plot or JSON."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rnnprof import runfile
from rnnprof.cli import output
from rnnprof.errors import RunFileError, UsageError

if TYPE_CHECKING:
    from rnnprof.analysis.sweep_metrics import Metric
    from rnnprof.analysis.sweep_times import Outcome
    from rnnprof.analysis.swept import SweepReport
    from rnnprof.sweepmodel import Plan, Trial

FORMATS = ("text", "markdown", "csv", "latex", "json", "svg")
ENDINGS = {
    ".txt": "text",
    ".md": "markdown",
    ".csv": "csv",
    ".tex": "latex",
    ".json": "json",
    ".svg": "svg",
}


def main(words: Sequence[str]) -> int:
    """Print or write the report of a sweep.

    Args:
        words: what follows ``rnnprof sweep report``.

    Returns:
        The exit code 0.

    Raises:
        RnnprofError: the folder is no sweep, or an option makes no sense.
    """
    parser = argparse.ArgumentParser(
        prog="rnnprof sweep report", description="What a sweep has found.", allow_abbrev=False
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="the sweep's, also of one that goes on")
    output.add_arguments(parser, FORMATS)
    parser.add_argument("--lines", metavar="FACTOR", help="the factor of the lines in the plot")
    parser.add_argument("--tokens-per-step", metavar="FORMULA", help="in place of that of the sweep")
    parser.add_argument("--steps-per-epoch", metavar="FORMULA", help="in place of that of the sweep")
    parser.add_argument("--metric", action="append", metavar="NAME=REGEX", help="in place of the sweep's")
    args = parser.parse_args(words)
    form = output.chosen(args, ENDINGS)
    if args.lines is not None and form != "svg":
        raise UsageError("--lines is for the plot: give --format svg")
    report = read(args.folder, args.tokens_per_step, args.steps_per_epoch, args.metric)
    output.put(args, lambda to: _render(report, form, to, args.lines))
    return 0


def show(folder: Path) -> None:
    """Print the report of a sweep that has just been run, where there is somewhere to print.

    Args:
        folder: the sweep's.

    Raises:
        RnnprofError: a file in it cannot be read.
    """
    if sys.stdout is not None:
        output.say(_render(read(folder), "text", output.medium(sys.stdout), None))


def read(
    folder: Path,
    tokens: str | None = None,
    steps_per_epoch: str | None = None,
    metrics: Sequence[str] | None = None,
) -> SweepReport:
    """Read a sweep's folder and sum it up.

    Args:
        folder: the sweep's.
        tokens: a formula in place of that of the plan, or None.
        steps_per_epoch: the same.
        metrics: what to look for in place of what the plan says, or None.

    Raises:
        RnnprofError: it is none, or an argument makes no sense.
    """
    from rnnprof.analysis.sweep_metrics import metrics as looked_for
    from rnnprof.analysis.sweeping import sweep_report
    from rnnprof.sweepfile import load_plan

    plan = load_plan(folder)
    plan = replace(
        plan,
        tokens=plan.tokens if tokens is None else tokens,
        steps_per_epoch=plan.steps_per_epoch if steps_per_epoch is None else steps_per_epoch,
        metrics=plan.metrics if metrics is None else tuple(metrics),
    )
    wanted = looked_for(plan.metrics)
    return sweep_report(plan, [_outcome(plan, trial, folder, wanted) for trial in plan.trials()])


def _outcome(plan: Plan, trial: Trial, folder: Path, wanted: Sequence[Metric]) -> Outcome:
    """What there is of one run; a run file that cannot be read is a failure like others."""
    from rnnprof.analysis.sweep_times import Outcome
    from rnnprof.sweepfile import load_ended
    from rnnprof.sweepmodel import DONE, FAILED

    ended = load_ended(trial, folder)
    if ended is None or ended.status != DONE:
        return Outcome(trial, ended)
    try:
        run = runfile.load(trial.file(folder, "run.json"))
    except RunFileError as error:
        return Outcome(trial, replace(ended, status=FAILED, words=str(error)))
    # A program that was ended early has trained no whole epoch.
    if run.ended != "finished":
        return Outcome(trial, ended, run)
    files = [trial.file(folder, ending) for ending in ("out.txt", "err.txt")]
    said = {}
    for metric in wanted:
        values = (metric.values(_lines(file)) for file in files)
        said[metric.name] = next((one for one in values if one), ())
    return Outcome(trial, ended, run, said)


def _lines(path: Path) -> Iterator[str]:
    if path.exists():
        with open(path, encoding="utf-8", errors="replace") as file:
            yield from file


def _render(report: SweepReport, form: str, to: output.Medium, lines: str | None) -> str:
    """The report in one format; each renderer is loaded only where it is needed."""
    if form == "svg":
        from rnnprof.analysis.plotted import plot
        from rnnprof.renderers.plot import svg

        return svg(plot(report, lines))
    if form == "json":
        from rnnprof.renderers import sweep_json

        return sweep_json.render(report)
    from rnnprof.renderers.table import sweep_tables

    if form == "csv":
        from rnnprof.renderers.table import as_csv

        return as_csv.lay_out(sweep_tables.raw(report))
    blocks = sweep_tables.blocks(report)
    if form == "latex":
        from rnnprof.renderers.table import as_latex

        return as_latex.lay_out(blocks)
    if form == "markdown":
        from rnnprof.renderers.table import as_markdown

        return as_markdown.lay_out(blocks)
    from rnnprof.renderers.table import as_text

    return as_text.lay_out(blocks, to.width, to.color, to.ascii_only)
