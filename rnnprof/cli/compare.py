"""``rnnprof compare``: is a program faster or slower than it was, and where."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from rnnprof import runfile
from rnnprof.analysis.compare import compare
from rnnprof.analysis.compared import SLOWER, Comparison
from rnnprof.cli import output
from rnnprof.cli.report import ENDINGS, FLOWCHARTS, TABLES
from rnnprof.errors import UsageError
from rnnprof.units import signed, visible

FAILED = 1
"""The exit code of ``--fail-if-slower`` for a step that is slower by that much."""

EPILOG = """\
exit codes: 0, or 1 where --fail-if-slower finds the step slower by that much, or 2 after an error.

  rnnprof compare main.json branch.json
  rnnprof compare main-1.json main-2.json main-3.json --to branch-1.json branch-2.json branch-3.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand.

    Args:
        parser: the subcommand's own parser.
    """
    parser.epilog, parser.formatter_class = EPILOG, argparse.RawDescriptionHelpFormatter
    parser.usage = (
        "rnnprof compare [options] BEFORE AFTER\n       rnnprof compare [options] BEFORE... --to AFTER..."
    )
    parser.add_argument(
        "files", metavar="FILE", nargs="+", type=Path, help="BEFORE and AFTER; with --to, BEFORE"
    )
    parser.add_argument(
        "--to",
        metavar="AFTER",
        nargs="+",
        type=Path,
        help="the runs after the change, where a side has several",
    )
    parser.add_argument("--lane", default="", help="compare the steps of this lane; default: train")
    parser.add_argument(
        "--fail-if-slower",
        metavar="PERCENT",
        help="exit with 1 if the step is shown to be slower, and by so much or more, such as 3%%",
    )
    parser.add_argument("--force", action="store_true", help="compare what is no like for like, too")
    output.add_arguments(parser, (*TABLES, *FLOWCHARTS))


def run(args: argparse.Namespace) -> int:
    """Compare, and print or write what was found.

    Args:
        args: what :func:`add_arguments` declares.

    Returns:
        The exit code: 0, or 1 where the step is slower by more than was allowed.

    Raises:
        RnnprofError: a run cannot be read, the runs cannot be compared, the comparison cannot be written,
            or the options make no sense.
    """
    before, after = _sides(args)
    allowed = None if args.fail_if_slower is None else _share(args.fail_if_slower)
    form = output.chosen(args, ENDINGS)
    output.keep(args, *before, *after)
    _once(before, after)
    found = compare(before, after, args.force, args.lane)
    output.put(args, lambda to: _render(after[0], found, form, to))
    return 0 if allowed is None else _judge(found, allowed)


def _sides(args: argparse.Namespace) -> tuple[list[Path], list[Path]]:
    if args.to:
        return args.files, args.to
    if len(args.files) != 2:
        raise UsageError(
            f"{len(args.files)} file{'s' * (len(args.files) != 1)} without --to: give BEFORE AFTER, or "
            "BEFORE... --to AFTER..."
        )
    return args.files[:1], args.files[1:]


def _once(before: list[Path], after: list[Path]) -> None:
    """A run that counted twice would make the sides look surer than they are."""
    seen: set[Path] = set()
    for file in (*before, *after):
        if file.resolve() in seen:
            raise UsageError(f"{visible(str(file))} is given twice: a run counts once")
        seen.add(file.resolve())


def _share(text: str) -> float:
    """A percentage as a fraction: ``3%``, ``3 %`` and ``3`` are the same."""
    match = re.fullmatch(r"\s*(\d{1,6}(?:\.\d{1,6})?)\s*%?\s*", text)
    if match is None:
        raise UsageError(f"--fail-if-slower {text}: give a percentage such as 3%")
    return float(match.group(1)) / 100


def _judge(found: Comparison, allowed: float) -> int:
    """The exit code, and on stderr why."""
    step, limit = found.step, signed(allowed)
    if step.verdict == SLOWER and (step.ratio or 0.0) >= allowed:
        print(f"rnnprof: the step is slower by {step.percent}, and {limit} is the limit", file=sys.stderr)
        return FAILED
    if step.verdict != SLOWER and (step.smallest is None or step.smallest > max(allowed, 0.001)):
        shown = "nothing" if step.smallest is None else f"only differences of {signed(step.smallest)} or more"
        print(
            f"rnnprof: warning: too little data to judge by {limit}: {shown} would have been shown",
            file=sys.stderr,
        )
    return 0


def _render(after: Path, found: Comparison, form: str, to: output.Medium) -> str:
    """The comparison in one format; each renderer is loaded only where it is needed."""
    if form in FLOWCHARTS:
        return _draw(after, found, form)
    if form == "json":
        from rnnprof.renderers import compare_json

        return compare_json.render(found)
    from rnnprof.renderers.table import compare_tables

    if form == "markdown":
        from rnnprof.renderers.table import as_markdown

        return as_markdown.lay_out(compare_tables.blocks(found))
    if form == "csv":
        from rnnprof.renderers.table import as_csv

        return as_csv.lay_out(compare_tables.raw(found))
    from rnnprof.renderers.table import as_text

    return as_text.lay_out(compare_tables.blocks(found), to.width, to.color, to.ascii_only)


def _draw(after: Path, found: Comparison, form: str) -> str:
    """The graph of the first run after the change, coloured by what changed."""
    from rnnprof.analysis.breakdown import breakdown
    from rnnprof.renderers import flowchart

    return flowchart.render_difference(breakdown(runfile.load(after)), found, form)
