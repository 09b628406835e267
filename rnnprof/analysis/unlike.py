"""What differs between two sides besides their times: the first place to look for the cause."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rnnprof import units
from rnnprof.analysis.compare_rows import Measured
from rnnprof.analysis.compared import StageChange, Unlike

WORDS = {
    "command": "command line",
    "git": "git commit",
    "rnnprof": "rnnprof",
    "torch": "torch",
    "python": "python",
    "implementation": "python implementation",
    "platform": "platform",
    "machine": "machine",
    "cpu": "CPU",
    "cpu_count": "CPUs",
    "cpus_usable": "CPUs usable",
    "threads": "threads",
    "device": "device",
    "devices_in_use": "devices in use",
    "driver": "driver",
    "cuda": "CUDA",
    "cudnn": "cuDNN",
    "matmul_precision": "precision of matrix products",
    "matmul_tf32": "TF32 in matrix products",
    "cudnn_tf32": "TF32 in cuDNN",
    "cudnn_benchmark": "cuDNN benchmark",
    "cudnn_enabled": "cuDNN enabled",
    "onednn_enabled": "oneDNN enabled",
}
"""What of a run's environment is compared, and what to call it."""

OUTPUT = ("-o", "--output")
"""Options of `rnnprof run` that say where the run is saved."""

MOST = 3
"""Values of one side that are named."""
NAMES = 8
"""Stages of one side alone that are named."""
BUSIER = 0.5
"""Difference of the load averages that is said."""
LONGER = 1.01
"""Tokens in a step differ where one number is more than this times the other."""


def unlike(
    before: Sequence[Measured], after: Sequence[Measured], stages: Sequence[StageChange]
) -> tuple[Unlike, ...]:
    """Everything that differs.

    Args:
        before, after: the runs of each side.
        stages: their stages, compared.

    Returns:
        What it is and its value on each side; where a side's runs differ among themselves, all of
        their values.
    """

    def each(what: str, of: Callable[[Measured], str]) -> Unlike | None:
        one, other = (_values(of(run) for run in side) for side in (before, after))
        return None if one == other else Unlike(what, one, other)

    found = [each(word, _command if key == "command" else _asked(key)) for key, word in WORDS.items()]
    variables = sorted({name for run in (*before, *after) for name in _variables(run)})
    found += [each(name, _variable(name)) for name in variables]
    found += [
        each("clock", lambda run: run.run.clock),
        each("schedule", lambda run: ", ".join(f"{k} {v}" for k, v in sorted(run.run.schedule.items()))),
        each("kind of steps", lambda run: run.kind),
        each("processes", lambda run: str(run.run.world_size)),
        each("ended", lambda run: run.run.ended),
    ]
    found += [_tokens(before, after), _load(before, after), _cost(before, after)]
    found.append(_alone(stages))
    found += [_visited(stage) for stage in stages if not stage.only and not stage.remainder]
    return tuple(one for one in found if one is not None)


def _asked(key: str) -> Callable[[Measured], str]:
    return lambda run: _text(run.run.environment.get(key))


def _command(run: Measured) -> str:
    """The command line, but for where `rnnprof run` was to save the run: no two runs share that."""
    words = run.run.environment.get("command")
    if not isinstance(words, list) or words[:2] != ["rnnprof", "run"]:
        return _text(words)
    kept, rest = words[:2], [str(word) for word in words[2:]]
    while rest and rest[0].startswith("-") and rest[0] != "-m":
        if rest[0] in OUTPUT:
            del rest[:2]
        elif rest[0].startswith(("-o", "--output=")):
            del rest[0]
        else:
            break
    return _text([*kept, *rest])


def _variable(name: str) -> Callable[[Measured], str]:
    return lambda run: _text(_variables(run).get(name))


def _text(value: object) -> str:
    if value is None or value == "":
        return "unknown"
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    return str(value)


def _values(texts: Iterable[str]) -> str:
    """The different values of one side, a few of them."""
    different = list(dict.fromkeys(texts))
    more = f" and {len(different) - MOST} others" if len(different) > MOST else ""
    return " | ".join(sorted(different[:MOST])) + more


def _variables(run: Measured) -> dict[str, object]:
    found = run.run.environment.get("env")
    return found if isinstance(found, dict) else {}


def _tokens(before: Sequence[Measured], after: Sequence[Measured]) -> Unlike | None:
    """Tokens in a step, where their numbers are apart."""
    means = [_per_step(side) for side in (before, after)]
    if not any(means) or max(means) <= LONGER * min(means):
        return None
    words = [units.count(mean) if mean else "unknown" for mean in means]
    return Unlike("tokens in a step", *words)


def _per_step(runs: Sequence[Measured]) -> float:
    steps = sum(run.steps.series.count for run in runs if run.steps.tokens)
    return sum(run.steps.tokens for run in runs) / steps if steps else 0.0


def _load(before: Sequence[Measured], after: Sequence[Measured]) -> Unlike | None:
    """The machine's load when recording began and ended, where one side's was clearly higher."""
    found = []
    for side in (before, after):
        asked = [
            run.run.environment.get(key) for run in side for key in ("load_average", "load_average_at_end")
        ]
        first = [
            one[0] for one in asked if isinstance(one, list) and one and isinstance(one[0], (int, float))
        ]
        found.append(first)
    if not all(found):
        return None
    means = [sum(loads) / len(loads) for loads in found]
    if abs(means[0] - means[1]) < BUSIER:
        return None
    return Unlike("load average", *(f"{mean:.1f}" for mean in means))


def _cost(before: Sequence[Measured], after: Sequence[Measured]) -> Unlike | None:
    """What measuring cost, where the intervals lie apart: then it is a part of the difference."""
    costs = [[run.divided.perturbation for run in side] for side in (before, after)]
    ends = [[cost.interval for cost in side if cost.interval] for side in costs]
    if not all(ends):
        return None
    lows, highs = ([min(e[0] for e in side) for side in ends], [max(e[1] for e in side) for side in ends])
    if max(lows) <= min(highs):
        return None
    return Unlike(
        "cost of measuring", *(f"{low:.3f} to {high:.3f}" for low, high in zip(lows, highs, strict=True))
    )


def _alone(stages: Sequence[StageChange]) -> Unlike | None:
    """The stages that one side alone has."""
    words = []
    for side in ("before", "after"):
        names = ["/".join(stage.path) for stage in stages if stage.only == side]
        more = f" and {len(names) - NAMES} others" if len(names) > NAMES else ""
        words.append(", ".join(names[:NAMES]) + more or "none")
    return None if words == ["none", "none"] else Unlike("stages of this side alone", *words)


def _visited(stage: StageChange) -> Unlike | None:
    """A stage that a step visits another number of times."""
    one, other = stage.visits
    if max(one, other) <= 1.05 * min(one, other):
        return None
    words = [units.significant(visits) for visits in (one, other)]
    return Unlike(f"visits of {'/'.join(stage.path)} in a step", *words)
