"""``rnnprof report``: a recorded run as a table or a flowchart."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from rnnprof import runfile
from rnnprof.analysis.breakdown import breakdown
from rnnprof.analysis.result import Breakdown
from rnnprof.errors import UsageError
from rnnprof.model import Run
from rnnprof.renderers.table.model import ASCII, NARROWEST
from rnnprof.renderers.table.page import PARTS, PROBE

WIDTH = 80
"""Width of a report that does not go to a terminal."""

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
NOT_ASCII = "µ…–±█▏"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand.

    Args:
        parser: the subcommand's own parser.
    """
    parser.add_argument("file", metavar="FILE", type=Path, help="the run, as it was recorded")
    parser.add_argument(
        "--format", choices=(*TABLES, *FLOWCHARTS), help="default: text, or what -o FILE ends in"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="write to a file, not to the terminal"
    )
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
    parser.add_argument(
        "--width", type=int, metavar="N", help="columns of a text report; default: the terminal's"
    )
    parser.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="default: %(default)s"
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
    form = args.format or form_of(args.output, ENDINGS)
    if args.width is not None and args.width < NARROWEST:
        raise UsageError(f"--width {args.width} is too narrow: give {NARROWEST} or more")
    if args.output is None:
        need_stdout()
    recorded = runfile.load(args.file)
    if args.output is not None and _same_file(args.file, args.output):
        raise UsageError(f"-o {args.output} would overwrite the run itself: give another name")
    by = args.by or ("run" if form in FLOWCHARTS else "step")
    result = _divide(recorded, by, advised=(args.only or "") in ADVISED.get(form, ()))
    if result.run_ns == 0 and result.step is None:
        raise UsageError(f"{args.file}: the run holds no time yet")
    _check_part(args, form, result)
    if args.output is not None:
        runfile.write_atomically(
            args.output,
            _render(result, form, args.only or "", args.width or WIDTH, args.color == "always", False),
        )
        return 0
    width = args.width or width_of(sys.stdout)
    color = args.color == "always" or (args.color == "auto" and shows_color(sys.stdout))
    say(_render(result, form, args.only or "", width, color, not can_print(sys.stdout)))
    return 0


def need_stdout() -> None:
    """Raise UsageError if the program was started with stdout closed."""
    if sys.stdout is None:
        raise UsageError("stdout is closed: there is nowhere to print")


def say(words: str) -> None:
    """Write to stdout, whatever its encoding.

    Args:
        words: what to write, newlines included. What stdout cannot write becomes ASCII or ``?``.
    """
    encoding = sys.stdout.encoding or "utf-8"
    plain = words if can_print(sys.stdout, words) else words.translate(ASCII)
    sys.stdout.write(plain.encode(encoding, "replace").decode(encoding))


def width_of(stream: TextIO) -> int:
    """The columns of a report.

    Args:
        stream: where it goes.

    Returns:
        The terminal's width, or that of a report that goes elsewhere.
    """
    return max(shutil.get_terminal_size().columns, NARROWEST) if stream.isatty() else WIDTH


def shows_color(stream: TextIO) -> bool:
    """Whether to colour a report that nobody said it of (https://no-color.org).

    Args:
        stream: where it goes.

    Returns:
        True for a terminal, unless ``NO_COLOR`` or ``TERM=dumb`` is set.
    """
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def can_print(stream: TextIO, words: str = NOT_ASCII) -> bool:
    """Whether a stream has all characters of some words.

    Args:
        stream: where they go.
        words: by default the signs of a report that are not ASCII.

    Returns:
        False if its encoding lacks one.
    """
    try:
        words.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


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


def _render(result: Breakdown, form: str, only: str, width: int, color: bool, ascii_only: bool) -> str:
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
    return table.text(result, width, color, ascii_only, only)


def form_of(output: Path | None, endings: Mapping[str, str]) -> str:
    """The format that a file's name asks for.

    Args:
        output: the file, or None for stdout, which gets text.
        endings: the formats by their files' endings.

    Raises:
        UsageError: the name has no such ending.
    """
    if output is None:
        return "text"
    if output.suffix.lower() in endings:
        return endings[output.suffix.lower()]
    raise UsageError(f"-o {output}: give --format, or one of the endings {' '.join(endings)}")


def _same_file(run: Path, output: Path) -> bool:
    return output.exists() and output.samefile(run)
