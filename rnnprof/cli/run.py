"""``rnnprof run``: a script that nobody edited, with its training step found and timed."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rnnprof.cli import program
from rnnprof.errors import UsageError
from rnnprof.schedule import DEFAULT_CONTROL_EVERY, DEFAULT_WARMUP

if TYPE_CHECKING:
    from rnnprof.instrument.measure import Outcome
    from rnnprof.instrument.rules import Rule
    from rnnprof.instrument.target import Target
    from rnnprof.model import Run
    from rnnprof.traces.options import Tracing

DEEPEST = 8
"""Levels of a model's children that can be asked for."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand.

    Args:
        parser: the subcommand's own parser.
    """
    parser.usage = (
        "rnnprof run [options] SCRIPT [argument ...]\n       rnnprof run [options] -m MODULE [argument ...]"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="run.json",
        help="where the run is saved (default: %(default)s)",
    )
    parser.add_argument(
        "--explain",
        action="store_true",
        help="run nothing: show the source with the stage of each line, and why",
    )
    parser.add_argument(
        "--rule",
        action="append",
        default=[],
        metavar="PATTERN=STAGE",
        help="calls that match PATTERN are STAGE, such as 'my_clip*=clip'; may be given more than once",
    )
    parser.add_argument(
        "--depth",
        type=int,
        default=1,
        metavar="N",
        help="depth to which forward and backward open into the model's children (default: %(default)s)",
    )
    parser.add_argument(
        "--clock", default="auto", choices=("auto", "host", "sync", "event"), help="how stages are timed"
    )
    parser.add_argument(
        "--warmup", type=int, default=DEFAULT_WARMUP, metavar="N", help="first steps to leave out"
    )
    parser.add_argument(
        "--control-every",
        type=int,
        default=DEFAULT_CONTROL_EVERY,
        metavar="N",
        help="one step in N is timed only at its ends; 0 for none",
    )
    parser.add_argument(
        "--cprofile",
        action="store_true",
        help="count Python's functions with cProfile, which slows the whole run",
    )
    parser.add_argument(
        "--trace",
        action="store_true",
        help="watch a few steps with torch.profiler: three after the warmup, or those of --trace-steps",
    )
    parser.add_argument(
        "--trace-steps",
        metavar="N",
        help="watch N steps after the warmup, or steps by number: 100-102 (the first one is 0); 0 for "
        "the stages alone",
    )
    for name, what in (
        ("record-shapes", "the shapes of operators' inputs"),
        ("with-stack", "Python's calls and torch's modules, which is slow"),
        ("profile-memory", "allocations"),
    ):
        parser.add_argument(f"--{name}", action="store_true", help=f"trace {what} as well")
    parser.add_argument(
        "--probe",
        action="store_true",
        help="look at one step with torch's profiler as well: operations and memory of each stage",
    )
    parser.add_argument(
        "--no-probe",
        action="store_true",
        help="look closely into no step: no list of the places at which the host waits",
    )
    parser.add_argument(
        "--measure-peaks",
        action="store_true",
        help="measure at the end, for a second, what this machine can compute and copy at most",
    )
    parser.add_argument(
        "--max-steps",
        type=int,
        metavar="N",
        help="end the program after the warmup and N training steps, with the exit code 0",
    )
    parser.add_argument(
        "--count-parameters",
        action="store_true",
        help="count, after the warmup, the numbers that the program's models have",
    )
    parser.add_argument("--no-report", action="store_true", help="save the run and print nothing about it")
    program.add_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Run the program, save the run, and print the report on stderr.

    Args:
        args: what :func:`add_arguments` declares.

    Returns:
        The exit code 0 after ``--explain``.

    Raises:
        SystemExit: with the program's exit code, once it has run.
        RnnprofError: the program cannot be found, an option makes no sense, or the run file
            cannot be written.
    """
    from rnnprof.instrument.settings import own_rules

    if not 0 <= args.depth <= DEEPEST:
        raise UsageError(f"--depth {args.depth}: give a number from 0 to {DEEPEST}")
    if args.max_steps is not None and args.max_steps < 1:
        raise UsageError(f"--max-steps {args.max_steps}: give 1 or more")
    if args.no_probe and (args.probe or args.measure_peaks):
        raise UsageError("--no-probe leaves out what --probe and --measure-peaks are for: give one of them")
    target = _target(args)
    rules = own_rules(target.path.parent, args.rule)
    if args.explain:
        return _explain(target, rules)
    # Raised, not returned: the program ends here as it would under Python, with its own streams.
    raise SystemExit(_measured(target, rules, args))


def _target(args: argparse.Namespace) -> Target:
    from rnnprof.instrument.target import find_target

    words = program.given(args)
    if args.module is not None:
        if not words:
            raise UsageError("-m needs the name of a module")
        return find_target(None, words[0], words[1:])
    if not words:
        raise UsageError("give a script to run, or -m MODULE")
    return find_target(words[0], None, words[1:])


def _explain(target: Target, rules: tuple[Rule, ...]) -> int:
    from rnnprof.cli.output import say
    from rnnprof.instrument.explain import explain
    from rnnprof.instrument.measure import planned

    plan = planned(target, rules)
    if plan is None:
        raise UsageError(f"{target.path}: this is no Python source that can be read")
    say(explain(plan, Path.cwd()))
    return 0


def _measured(target: Target, rules: tuple[Rule, ...], args: argparse.Namespace) -> int:
    from rnnprof.instrument.measure import measure
    from rnnprof.profiler import profile

    prof = profile(
        args.output,
        clock=args.clock,
        warmup=args.warmup,
        control_every=args.control_every,
        cprofile=args.cprofile,
        trace=_tracing(args),
        probe="peaks" if args.measure_peaks else False if args.no_probe else args.probe or None,
    )

    def tell(outcome: Outcome) -> None:
        urgent = "" if args.no_report else _report(outcome.run)
        for line in outcome.words:
            _say(f"rnnprof: {line}")
        # In a distributed job the name has the rank in it.
        given = shlex.quote(str(Path(args.output).with_name(outcome.path.name))) if outcome.path else ""
        if urgent:
            more = f"; `rnnprof report --advice {given}` says more" if given else ""
            _say(f"rnnprof: {urgent}{more}")
        if not args.no_report and given:
            _say(f"rnnprof: the run is saved in {outcome.path}; `rnnprof report {given}` shows it again")

    return measure(target, prof, rules, args.depth, tell, args.max_steps, args.count_parameters)


def _tracing(args: argparse.Namespace) -> Tracing | None:
    """What is to be traced; any option of a trace asks for one."""
    from rnnprof.traces.options import DEFAULT_STEPS, Tracing, steps_in

    options = {name: getattr(args, name) for name in ("record_shapes", "with_stack", "profile_memory")}
    if not args.trace and args.trace_steps is None and not any(options.values()):
        return None
    return Tracing(DEFAULT_STEPS if args.trace_steps is None else steps_in(args.trace_steps), **options)


def _report(run: Run) -> str:
    """The report as ``rnnprof report`` prints it, on stderr: stdout is the program's.

    Returns:
        The most urgent of what is to be changed, or nothing.
    """
    from rnnprof.analysis.advice.advise import examined
    from rnnprof.analysis.advice.worded import most_urgent
    from rnnprof.cli.output import medium
    from rnnprof.renderers import table

    result = examined(run)
    if sys.stderr is None or (result.run_ns == 0 and result.step is None):
        return ""
    to = medium(sys.stderr)
    _say("\n" + table.text(result, to.width, to.color, to.ascii_only))
    return most_urgent(result.advice) if result.advice else ""


def _say(words: str) -> None:
    if sys.stderr is None:
        return
    encoding = sys.stderr.encoding or "utf-8"
    sys.stderr.write(words.encode(encoding, "replace").decode(encoding) + "\n")
    sys.stderr.flush()
