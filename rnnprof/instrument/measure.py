"""Run a program under a profile: plan, hooks, marks, and what happens at its end."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rnnprof import active
from rnnprof.errors import NestingError, TraceError, UsageError
from rnnprof.instrument import runtime
from rnnprof.instrument.compiling import Compiling
from rnnprof.instrument.explain import not_understood
from rnnprof.instrument.hooks import ModuleStages
from rnnprof.instrument.parameters import count_parameters
from rnnprof.instrument.program import Program
from rnnprof.instrument.reading.paths import added_paths
from rnnprof.instrument.reading.plan import Plan
from rnnprof.instrument.rules import Rule
from rnnprof.instrument.script import Target, run_script
from rnnprof.instrument.seen import no_loop
from rnnprof.instrument.turns import END
from rnnprof.model import Run
from rnnprof.profiler import profile


@dataclass(frozen=True)
class Outcome:
    """What there is to say when a program has ended.

    Attributes:
        run: what was recorded.
        path: where it was saved; None if it could not be.
        words: what a user should know, a line each.
    """

    run: Run
    path: Path | None
    words: tuple[str, ...]


def measure(
    target: Target,
    prof: profile,
    rules: tuple[Rule, ...],
    depth: int,
    tell: Callable[[Outcome], None],
    max_steps: int | None = None,
    count: bool = False,
) -> int:
    """Run a program and record it.

    Args:
        target: the program.
        prof: what records it; not yet open.
        rules: the user's own.
        depth: how deep forward and backward open into a model's children.
        tell: called when the program has ended and its run is saved.
        max_steps: training steps after the warmup with which the program is ended; None for all.
        count: whether the parameters of the models are counted.

    Returns:
        The program's exit code.

    Raises:
        OSError: the program cannot be read.
        RunFileError: the run file cannot be written, as is found before the program begins.
    """
    target = _with_added_paths(target)
    hooks = ModuleStages(depth)
    program = Program(target.path, [Path(root) for root in target.roots], rules, hooks.watch)
    compiling = Compiling(program.pristine)
    failures: list[str] = []

    def finish(ended: str) -> None:
        END()
        hooks.close()
        compiling.close()
        words = []
        try:
            prof.stop(ended)
        except NestingError as error:
            words.append(str(error))
        except TraceError as error:
            words.append(f"error: {error}")
        run: Run = prof.run
        if not active.boundaries:
            words.append(
                "the program opened a profile of its own, and from then on nothing else was recorded."
            )
        elif program.by_hand is not None:
            words.append(f"{program.by_hand} marks steps itself: the program's own marks are what is shown.")
        elif not any(lane.name == "train" or (lane.thread and lane.steps) for lane in run.lanes):
            words.append(no_loop(program.plan, "torch" in sys.modules))
        words += failures
        words += not_understood(program.plan) if program.plan is not None else []
        if program.error is not None:
            words.append(f"the program could not be planned: {program.error!r}")
        words += [f"a loop could not be measured to its end: {error}" for error in runtime.failures[:1]]
        tell(Outcome(run, None if prof.lost else prof.path, tuple(words)))

    def give_way() -> None:
        if max_steps is not None:
            raise UsageError(
                "the program opens a profile of its own, which would not end after --max-steps: have it "
                "open none, and its marks are recorded here"
            )
        prof.gives_way = None
        active.boundaries = False
        hooks.close()
        prof.stop("gave way")

    def begin() -> None:
        prof.gives_way = give_way
        prof.start()
        recorder = prof.track.recorder
        recorder.limit = max_steps
        recorder.once = (lambda: recorder.remark(parameters=count_parameters())) if count else None
        compiling.open()

    return run_script(target, program.compile, begin, finish, failures)


def planned(target: Target, rules: tuple[Rule, ...]) -> Plan | None:
    """The plan of a program that is not run; None if its source cannot be read.

    Raises:
        UsageError: if the program marks its steps itself, so that there is nothing to plan.
    """
    target = _with_added_paths(target)
    program = Program(target.path, [Path(root) for root in target.roots], rules)
    if program.by_hand is not None:
        raise UsageError(f"{program.by_hand} marks steps itself: its own marks are what is measured")
    return program.plan


def _with_added_paths(target: Target) -> Target:
    try:
        tree = ast.parse(target.path.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return target
    return replace(target, added=tuple(map(str, added_paths(tree, target.path))))
