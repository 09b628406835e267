"""Truncated back-propagation through time: what each token pays for the parts of a step that do not grow."""

from __future__ import annotations

from collections.abc import Iterable

from rnnprof import units
from rnnprof.analysis.advice.advised import Finding
from rnnprof.analysis.advice.case import Abstain, Case, at
from rnnprof.analysis.bptt import KNEE, cost, knee
from rnnprof.anatomy import Anatomy
from rnnprof.network import Recurrent

FIXED = ("update", "clip", "zero_grad", "repackage", "schedule")
"""Stages that take as long however many time steps there are: their work is that of the parameters."""
LEAST_FIXED = 0.2
"""The part of a step from which on a longer sequence is worth its price: twice what is left at the knee."""
MOST_FIXED = 0.99
"""No step is all update; a part above this is measured of something else."""


def bptt(case: Case) -> Iterable[Finding]:
    """Find sequences so short that the update weighs on every token."""
    anatomy = case.seen("recurrent")
    if not anatomy.recurrent:
        raise Abstain("No recurrent layer was seen.")
    longest = max(anatomy.recurrent, key=_time_steps)
    steps = _time_steps(longest)
    fixed = case.share(FIXED)
    if fixed is None:
        raise Abstain("No stage of the step is known not to grow with the sequence.")
    if not LEAST_FIXED <= fixed <= MOST_FIXED or steps < 1:
        return
    if not _cut(case, anatomy, steps * longest.batch):
        return
    best = round(knee(fixed, steps))
    table = ", ".join(
        f"{number} time steps {units.fraction(cost(fixed, steps, number))}"
        for number in sorted({2 * steps, 4 * steps, best})
    )
    yield Finding(
        key="bptt",
        title="Short sequences: the update weighs on every token",
        evidence=(
            f"{units.fraction(fixed)} of a step ({', '.join(_there(case))}) does not grow with the sequence, "
            f"which has {units.count(steps)} time steps. If all else does, time per token "
            f"against now: {table}."
        ),
        change=(
            f"Sequences of up to {units.count(best)} time steps (`bptt`), from where on that part is below "
            f"{units.fraction(KNEE)}; a larger batch does the same. There are fewer updates in an epoch, of "
            "longer gradients: set learning rate and clipping anew. Memory for backward grows with them."
        ),
        check=(
            "`rnnprof sweep` with `--grid --bptt=...` measures time per token and the knee, and validation "
            "perplexity by the hour of training tells whether it is worth it."
        ),
        **at(longest.line),
    )


def _time_steps(one: Recurrent) -> int:
    """Of a layer those of its longest call; a cell is called once for each."""
    return one.calls if one.kind.endswith("_cell") else one.time_steps


def _cut(case: Case, anatomy: Anatomy, positions: int) -> bool:
    """Whether the sequence is a piece of a longer one, so that its length can be chosen.

    A state is carried over (a stage ``repackage``), or at every position a word of the input's own vocabulary
    is predicted, as language models do; taggers, which get whole sentences, predict something else.
    """
    if any(row.name == "repackage" for row in case.rows):
        return True
    output = anatomy.output
    rows = output.rows if output is not None and output.embedding is not None else None
    return rows is not None and 0 < positions <= rows


def _there(case: Case) -> list[str]:
    return [name for name in FIXED if any(row.name == name and not row.remainder for row in case.rows)]
