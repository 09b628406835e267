"""``rnnprof report``: a recorded run as a table or a flowchart."""

from __future__ import annotations

import argparse
from pathlib import Path

from rnnprof import runfile
from rnnprof.analysis.breakdown import breakdown
from rnnprof.analysis.result import Breakdown
from rnnprof.cli import output
from rnnprof.errors import UsageError
from rnnprof.model import Run
from rnnprof.renderers.table.page import PARTS, PROBE

TABLES = ("text", "markdown", "csv", "json")
PARTED = ("text", "markdown", "csv")
"""The formats that can show one part alone."""
ADVISED = {"text": ("", "advice"), "markdown": ("", "advice"), "csv": ("advice",), "json": ("",)}
"""The formats, and in them the parts, that hold advice."""
FLOWCHARTS = ("dot", "svg", "tikz", "mermaid")
ENDINGS = {
    ".txt": "text",
    ".md": "markdown",
    ".csv": "csv",
    ".json": "json",
    ".dot": "dot",
    ".gv": "dot",
    ".svg": "svg",
    ".tex": "tikz",
    ".mmd": "mermaid",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand.

    Args:
        parser: the subcommand's own parser.
    """
    parser.add_argument("file", metavar="FILE", type=Path, help="the run, as it was recorded")
    output.add_arguments(parser, (*TABLES, *FLOWCHARTS))
    parser.add_argument(
        "--by", choices=("step", "run"), help="what 100 %% is; default: step for tables, run for flowcharts"
    )
    parser.add_argument(
        "--only", choices=PARTS, help="only this part; default: all that the run has, in CSV the stages"
    )
    parser.add_argument(
        "--clocks",
        dest="only",
        action="store_const",
        const="clocks",
        help="what each clock says, side by side; the same as --only clocks",
    )
    parser.add_argument(
        "--advice",
        dest="only",
        action="store_const",
        const="advice",
        help="what to change, and which checks could not be made; the same as --only advice",
    )


def run(args: argparse.Namespace) -> int:
    """Print or write the report.

    Args:
        args: what :func:`add_arguments` declares.

    Returns:
        The exit code 0.

    Raises:
        RnnprofError: the run cannot be read or holds no time, the report cannot be written, or the
            options make no sense.
    """
    form = output.chosen(args, ENDINGS)
    recorded = runfile.load(args.file)
    output.keep(args, args.file)
    by = args.by or ("run" if form in FLOWCHARTS else "step")
    result = _divide(recorded, by, advised=(args.only or "") in ADVISED.get(form, ()))
    if result.run_ns == 0 and result.step is None:
        raise UsageError(f"{args.file}: the run holds no time yet")
    _check_part(args, form, result)
    output.put(args, lambda to: _render(result, form, args.only or "", to))
    return 0


def _divide(recorded: Run, by: str, advised: bool) -> Breakdown:
    """The breakdown, with advice where that is shown; its checks are loaded only then."""
    if not advised:
        return breakdown(recorded, by)
    from rnnprof.analysis.advice.advise import examined

    return examined(recorded, by)


def _check_part(args: argparse.Namespace, form: str, result: Breakdown) -> None:
    """Raise UsageError where the part that was asked for cannot be shown."""
    if args.only and form not in PARTED:
        raise UsageError(f"--only is for {', '.join(PARTED)}: leave it out with --format {form}")
    if args.only == "functions" and result.functions is None:
        raise UsageError(f"{args.file}: the run has no functions: record it with --cprofile")
    if args.only == "operators" and not result.traces:
        raise UsageError(f"{args.file}: the run has no operators: record it with --trace")
    if args.only == "clocks" and result.clocks is None:
        raise UsageError(
            f"{args.file}: no accelerator was timed, so that there is one clock alone: the host's, "
            "which is right on a CPU"
        )
    if args.only in PROBE and result.probe is None:
        raise UsageError(
            f"{args.file}: the run has no {args.only}: no step was looked at closely (that takes a step of "
            "the warmup, in the thread that opened the profile, and no --no-probe)"
        )
    if args.only == "work" and result.probe is not None and not result.probe.work.step.operators:
        raise UsageError(f"{args.file}: the run has no operations: record it with --probe")
    if args.only == "advice" and result.advice is not None and not result.advice.checked:
        raise UsageError(
            f"{args.file}: no check of the advice could be made: it takes measured training steps, or one "
            "that was looked at closely (no --no-probe)"
        )


def _render(result: Breakdown, form: str, only: str, to: output.Medium) -> str:
    """The report in one format; each renderer is loaded only where it is needed."""
    if form == "json":
        from rnnprof.renderers import json_report

        return json_report.render(result)
    if form in FLOWCHARTS:
        from rnnprof.renderers import flowchart

        return flowchart.render(result, form)
    from rnnprof.renderers import table

    if form == "markdown":
        return table.markdown(result, only)
    if form == "csv":
        return table.csv(result, only)
    return table.text(result, to.width, to.color, to.ascii_only, only)
