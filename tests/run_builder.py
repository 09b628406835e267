"""Runs made by hand for tests: from lists of spans, a word language model's, and arbitrary ones."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from rnnprof import histogram
from rnnprof.model import Lane, Run, Series, Stage, Steps, Timeline
from rnnprof.stages import LEFT_OUT, MEASURED
from tests import anatomy_builder, capture_builder, probe_builder

Path = tuple[str, ...]
Step = Mapping[Path, Sequence[int]]
"""One step's spans: nanoseconds of each visit, by the stage's path; the empty path is the step."""


def series(spans: Sequence[int]) -> Series:
    """The series of these spans."""
    bins: dict[int, int] = {}
    for span in spans:
        bins[histogram.index(span)] = bins.get(histogram.index(span), 0) + 1
    places = sorted(bins)
    return Series(
        count=len(spans),
        total_ns=sum(spans),
        min_ns=min(spans, default=0),
        max_ns=max(spans, default=0),
        bins=tuple(places),
        counts=tuple(bins[place] for place in places),
    )


def timeline(spans: Sequence[Sequence[int]], per_bucket: int = 1) -> Timeline:
    """The timeline of one stage, given its spans in each step."""
    buckets = [spans[i : i + per_bucket] for i in range(0, len(spans), per_bucket)]
    return Timeline(
        tuple(sum(len(step) for step in bucket) for bucket in buckets),
        tuple(sum(sum(step) for step in bucket) for bucket in buckets),
    )


def stage_tree(steps: Sequence[Step], per_bucket: int = 1, above: Path = ()) -> tuple[Stage, ...]:
    """The stages directly below a path, in order of first appearance."""
    paths = dict.fromkeys(
        path for step in steps for path in step if len(path) == len(above) + 1 and path[:-1] == above
    )
    stages = []
    for path in paths:
        visits = [list(step.get(path, ())) for step in steps]
        spans = [span for step in visits for span in step]
        below = stage_tree(steps, per_bucket, path)
        stages.append(Stage(path[-1], series(spans), timeline(visits, per_bucket), below))
    return tuple(stages)


def steps_of(
    steps: Sequence[Step],
    wall: Sequence[int] | None = None,
    tokens: int = 0,
    per_bucket: int = 1,
) -> Steps:
    """All steps of one kind.

    Args:
        steps: each step's spans; the empty path holds the one span of the step itself.
        wall: the steps on the host's clock, where that differs.
        tokens: tokens in each step.
        per_bucket: steps in each bucket of the timeline.
    """
    own = [step[()][0] for step in steps]
    host = list(wall) if wall is not None else own
    return Steps(
        series=series(own),
        wall=series(host),
        timeline=timeline([[span] for span in own], per_bucket),
        tokens=tokens * len(steps),
        token_ns=sum(host) if tokens else 0,
        stages=stage_tree(steps, per_bucket),
    )


def lane_of(
    name: str,
    steps: Mapping[str, Steps] | None = None,
    outside: Sequence[Stage] = (),
    unclaimed: int = 0,
    visits: int = 1,
    thread: bool = False,
) -> Lane:
    """A lane that lasts as long as its steps, its stages outside them and the unclaimed time."""
    steps = steps or {}
    total = sum(each.wall.total_ns for each in steps.values()) + unclaimed
    total += sum(stage.series.total_ns - stage.steps_ns for stage in outside)
    share, rest = divmod(total, visits)
    spans = [share] * (visits - 1) + [share + rest]
    return Lane(name, thread, series(spans), tuple(outside), steps)


def run_of(lanes: Sequence[Lane], **changed: Any) -> Run:
    """A finished run of these lanes."""
    given: dict[str, Any] = {
        "created": "2025-03-01T12:00:00+00:00",
        "ended": "finished",
        "wall_ns": sum(lane.series.total_ns for lane in lanes if not lane.thread),
        "clock": "auto",
        "schedule": {"warmup": 10, "control": 20},
        "lanes": tuple(lanes),
    }
    return Run(**(given | changed))


WORD_STAGES: tuple[tuple[Path, int], ...] = (
    (("get_batch",), 41_000),
    (("repackage",), 9_000),
    (("zero_grad",), 85_000),
    (("forward",), 90_000),
    (("forward", "encoder"), 210_000),
    (("forward", "rnn"), 6_900_000),
    (("forward", "decoder"), 2_100_000),
    (("loss",), 520_000),
    (("backward",), 13_400_000),
    (("clip",), 620_000),
    (("update",), 1_450_000),
)
"""Self time of each stage in one step of the word language model, in nanoseconds."""


def word_step(
    dice: random.Random, leave_out: Sequence[str] = (), slower: float = 1.0
) -> dict[Path, list[int]]:
    """One step of the word language model, with some noise."""
    pace = slower * dice.lognormvariate(0, 0.03)
    own = {
        path: round(mean * pace * dice.lognormvariate(0, 0.08))
        for path, mean in WORD_STAGES
        if path[0] not in leave_out
    }
    step = {path: sum(own[other] for other in own if other[: len(path)] == path) for path in own}
    step[()] = sum(own.values()) + round(27_000 * dice.lognormvariate(0, 0.2))
    return {path: [span] for path, span in step.items()}


def word_language_model(steps: int = 200, seed: int = 7, **changed: Any) -> Run:
    """One epoch of a word language model on a CPU: setup, training and evaluation."""
    dice = random.Random(seed)
    training = {
        "warmup": steps_of([word_step(dice, slower=3 / (1 + i)) for i in range(10)], tokens=700),
        "host": steps_of([word_step(dice) for _ in range(steps)], tokens=700),
        "control": steps_of([{(): word_step(dice)[()]} for _ in range(steps // 20)], tokens=700),
    }
    unused = ("zero_grad", "backward", "clip", "update")
    evaluation = {
        "warmup": steps_of([word_step(dice, unused) for _ in range(2)]),
        "host": steps_of([word_step(dice, unused) for _ in range(steps // 5)]),
    }
    setup = (
        Stage("corpus", series([2_140_000_000])),
        Stage("batchify", series([11_200_000, 1_300_000, 1_500_000])),
        Stage("build_model", series([48_700_000])),
    )
    log = Stage("log", series([210_000, 180_000, 190_000]))
    checkpoint = Stage("checkpoint", series([96_000_000]))
    environment = {
        "command": ["main.py", "--epochs", "1", "--model", "LSTM"],
        "device": "CPU (8 threads)",
        "python": "3.11.7",
        "torch": "2.5.1",
    }
    return run_of(
        [
            lane_of("setup", outside=setup, unclaimed=3_400_000),
            lane_of("train", training, (log,), unclaimed=2_900_000),
            lane_of("evaluate", evaluation, (checkpoint,), unclaimed=410_000, visits=2),
        ],
        **{"environment": environment, **changed},
    )


NAMES = ("forward", "backward", "rnn", "log", "other", "0", "a stage of the user", "[red]x[/]", "\x1b[2J", "")
SPAN = st.integers(0, 10**9) | st.integers(0, 50)


@st.composite
def paths(draw: st.DrawFn) -> list[Path]:
    """A tree of stages as paths, parents first."""
    tree: list[Path] = []
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=4, unique=True)):
        above = draw(st.sampled_from([(), *tree]))
        if (*above, name) not in tree:
            tree.append((*above, name))
    return tree


@st.composite
def step_groups(draw: st.DrawFn, kind: str) -> Steps:
    """Arbitrary steps of one kind; the device's clock may contradict itself and the host's."""
    tree = [] if kind == "control" else draw(paths())
    steps = []
    for _ in range(draw(st.integers(1, 12))):
        own = {path: draw(SPAN) for path in tree if draw(st.booleans())}
        step = {
            path: [sum(own[other] for other in own if other[: len(path)] == path)]
            for path in tree
            if any(other[: len(path)] == path for other in own)
        }
        step[()] = [sum(own.values()) + draw(SPAN)]
        if kind == "event" and draw(st.booleans()):
            step[()] = [draw(SPAN)]
        steps.append(step)
    wall = [draw(SPAN) for _ in steps] if kind in ("event", "control") else None
    return steps_of(steps, wall, draw(st.sampled_from((0, 700))), draw(st.integers(1, 3)))


@st.composite
def lanes(draw: st.DrawFn, name: str, thread: bool = False) -> Lane:
    """An arbitrary lane: stages outside steps, steps of some kinds, and unclaimed time."""
    kinds = draw(st.lists(st.sampled_from((*MEASURED, *LEFT_OUT)), max_size=3, unique=True))
    steps = {kind: draw(step_groups(kind)) for kind in kinds}
    # Outside steps there is one big "step" of stages and no timeline.
    outside = [_bare(stage) for stage in draw(step_groups("host")).stages] if draw(st.booleans()) else []
    return lane_of(name, steps, outside, draw(SPAN), draw(st.integers(1, 3)), thread)


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """An arbitrary valid run, from an empty one to one with threads and every kind of step."""
    names = draw(st.lists(st.sampled_from(("setup", "train", "evaluate", "mine")), max_size=3, unique=True))
    main = [draw(lanes(name)) for name in names]
    beside = [draw(lanes("Thread-1", True))] if draw(st.booleans()) else []
    ended = draw(st.sampled_from(("finished", "running", "KeyboardInterrupt")))
    clock = draw(st.sampled_from(("auto", "event")))
    tree = [*draw(paths()), ()]
    captures: dict[str, Any] = draw(st.just({}) | capture_builder.captures(tree))
    probe = draw(st.none() | probe_builder.probes(tree))
    vitals = draw(st.none() | anatomy_builder.VITALS)
    environment = draw(probe_builder.PEAKS)
    return run_of(
        [*main, *beside],
        ended=ended,
        clock=clock,
        probe=probe,
        vitals=vitals,
        environment=environment,
        **captures,
    )


def _bare(stage: Stage) -> Stage:
    """The same stage as it is outside steps: without a timeline."""
    return Stage(stage.name, stage.series, Timeline(), tuple(_bare(below) for below in stage.stages))
