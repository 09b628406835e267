"""``rnnprof sweep``: every combination of a grid of arguments as a run of its own."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rnnprof.cli import program
from rnnprof.errors import UsageError
from rnnprof.schedule import DEFAULT_WARMUP

if TYPE_CHECKING:
    from rnnprof.sweepmodel import Plan

USAGE = """\
rnnprof sweep [options] SCRIPT [argument ...] --grid --OPTION=VALUE,VALUE ...
       rnnprof sweep [options] -m MODULE [argument ...] --grid --OPTION=VALUE,VALUE ...
       rnnprof sweep --resume FOLDER
       rnnprof sweep report FOLDER [options]"""

REPORT = "report"
SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}
FAILURES = 1
"""The exit code where runs have failed and are in the report as such."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand.

    Args:
        parser: the subcommand's own parser.
    """
    parser.usage = USAGE
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", help="where plan, runs and logs are kept (default: sweep)"
    )
    parser.add_argument(
        "--resume", metavar="FOLDER", type=Path, help="go on with a sweep that was interrupted"
    )
    parser.add_argument(
        "--steps",
        type=int,
        metavar="N",
        help="end each run after the warmup and N training steps; default: the script's own end",
    )
    parser.add_argument(
        "--warmup",
        type=int,
        default=DEFAULT_WARMUP,
        metavar="N",
        help="first steps to leave out (default: %(default)s)",
    )
    parser.add_argument(
        "--repeat",
        type=int,
        default=1,
        metavar="R",
        help="rounds: in each one every combination runs once, in random order (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="seed of the order (default: %(default)s)"
    )
    parser.add_argument(
        "--timeout", metavar="TIME", help="end a run that takes longer: seconds, or such as 90s, 10m, 2h"
    )
    parser.add_argument(
        "--clock", choices=("auto", "host", "sync", "event"), help="how stages are timed, as in rnnprof run"
    )
    parser.add_argument(
        "--rule", action="append", default=[], metavar="PATTERN=STAGE", help="as in rnnprof run"
    )
    parser.add_argument(
        "--no-probe",
        action="store_true",
        help="look at no step of each run with --probe: no memory in a step",
    )
    parser.add_argument(
        "--tokens-per-step",
        default="",
        metavar="FORMULA",
        help="tokens in a step where the script does not say it, such as '20*bptt'",
    )
    parser.add_argument(
        "--steps-per-epoch",
        default="",
        metavar="FORMULA",
        help="steps in an epoch, for projections: a number, or such as '104431/bptt'",
    )
    parser.add_argument(
        "--metric",
        action="append",
        default=[],
        metavar="NAME=REGEX",
        help="a number that the script prints after each epoch; NAME:max=REGEX where more is better",
    )
    parser.add_argument("--dry-run", action="store_true", help="run nothing: show the plan")
    program.add_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Make the runs that are not there yet, then print the report.

    Args:
        args: what :func:`add_arguments` declares.

    Returns:
        The exit code: 0; 1 where a run failed, which is kept as a result; 130 after Ctrl-C.

    Raises:
        RnnprofError: an option makes no sense, or a file cannot be read or written.
    """
    from rnnprof.cli import sweep_report

    if args.module is None and args.program[:1] == [REPORT]:
        return sweep_report.main(args.program[1:])
    from rnnprof.cli.sweep_progress import progress
    from rnnprof.sweep.working import alone, left, settle, work
    from rnnprof.sweepfile import load_ended, load_plan
    from rnnprof.sweepmodel import DONE

    if args.resume is not None:
        if _says_more(args):
            raise UsageError("--resume FOLDER goes on with what is planned there: give nothing else")
        folder, plan = args.resume, load_plan(args.resume)
    else:
        folder, plan = Path(args.output or "sweep"), _plan(args)
        if args.dry_run:
            return _show(plan, folder)
    with alone(folder):
        plan = settle(plan, folder)
        missing = len(left(plan, folder))
        total = sum(map(len, plan.order))
        if missing < total:
            _say(f"rnnprof: {total - missing} of {total} runs are there already")
        try:
            with progress(plan, folder) as watching:
                work(plan, folder, watching)
        except KeyboardInterrupt:
            _say(f"rnnprof: interrupted; `rnnprof sweep --resume {folder}` goes on with it")
            raise
    sweep_report.show(folder)
    ended = [load_ended(trial, folder) for trial in plan.trials()]
    return 0 if all(one is not None and one.status == DONE for one in ended) else FAILURES


def _says_more(args: argparse.Namespace) -> bool:
    """Whether something stands beside --resume, which would be passed over."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    nothing = vars(parser.parse_args([f"--resume={args.resume}"]))
    return any(getattr(args, key) != value for key, value in nothing.items())


def _plan(args: argparse.Namespace) -> Plan:
    """The plan that the options ask for; all that can be wrong with it is found before anything runs."""
    from rnnprof.analysis import formula
    from rnnprof.analysis.sweep_metrics import metrics
    from rnnprof.instrument.settings import own_rules
    from rnnprof.instrument.target import find_target
    from rnnprof.sweep import grid
    from rnnprof.sweep.working import make_plan

    for name, least in (("steps", 1), ("warmup", 0), ("repeat", 1)):
        number = getattr(args, name)
        if number is not None and number < least:
            raise UsageError(f"--{name} {number}: give {least} or more")
    words, varying = grid.split(program.given(args))
    if not words:
        raise UsageError("give a script to run, or -m MODULE, before --grid")
    target = ["-m", words[0]] if args.module is not None else [words[0]]
    script, module = (None, words[0]) if args.module is not None else (words[0], None)
    found = find_target(script, module, words[1:])
    own_rules(found.path.parent, args.rule)
    options = [] if args.clock is None else ["--clock", args.clock]
    options += [word for rule in args.rule for word in ("--rule", rule)]
    options.append("--no-probe" if args.no_probe else "--probe")
    metrics(args.metric)
    plan = make_plan(
        target,
        words[1:],
        grid.factors(varying, args.repeat),
        steps=args.steps,
        warmup=args.warmup,
        repeat=args.repeat,
        seed=args.seed,
        options=tuple(options),
        timeout_s=_seconds(args.timeout),
        tokens=args.tokens_per_step,
        steps_per_epoch=args.steps_per_epoch,
        metrics=tuple(args.metric),
    )
    for name, text in (("--tokens-per-step", plan.tokens), ("--steps-per-epoch", plan.steps_per_epoch)):
        if text:
            for combination in range(len(plan.combinations)):
                formula.value(text, formula.names(plan, combination), name)
    return plan


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|min|m|h)?", text)
    seconds = float(match[1]) * SECONDS[match[2] or ""] if match else 0.0
    if seconds <= 0:
        raise UsageError(f"--timeout {text}: give seconds, or such as 90s, 10m, 2h")
    return seconds


def _show(plan: Plan, folder: Path) -> int:
    """Print what would be run, in its order."""
    import shlex

    from rnnprof.cli.output import need_stdout, say
    from rnnprof.sweep.working import command
    from rnnprof.units import visible

    need_stdout()
    for trial in plan.trials():
        say(visible(shlex.join(command(plan, trial, folder)[2:])) + "\n")
    return 0


def _say(words: str) -> None:
    if sys.stderr is not None:
        print(words, file=sys.stderr, flush=True)
