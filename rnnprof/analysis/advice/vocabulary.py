"""Whether the projection onto a vocabulary and its softmax are most of what the model computes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rnnprof import units
from rnnprof.analysis.advice.advised import Finding
from rnnprof.analysis.advice.case import Abstain, Case, at
from rnnprof.analysis.advice.operations import WITH_BACKWARD, others, projection
from rnnprof.analysis.advice.seen import seen
from rnnprof.analysis.advice.softmaxes import adaptive, sampled
from rnnprof.network import Output

MOST_OF_ALL = 0.5
"""Above this part of the operations the projection is what to change before all else."""
FEWEST = 1000
"""Classes below which a full softmax is cheap, and what replaces it gains nothing."""
NAMES = (
    *("decoder", "fc", "fc_out", "linear", "head", "lm_head", "out", "output", "proj", "projection"),
    *("generator", "classifier", "hidden2tag", "vocab"),
)
"""What programs call the projection: names of child stages of ``forward`` and ``backward``."""
COMPUTING = ("forward", "loss", "backward")
UPDATING = ("update", "clip", "zero_grad")
"""Stages whose time goes with the number of parameters."""


@dataclass(frozen=True)
class _Part:
    """The part of a step's time that the projection and the softmax take, and how that is known."""

    share: float
    how: str


def vocabulary(case: Case) -> Iterable[Finding]:
    """Find a projection and softmax over classes that are above all else."""
    anatomy = seen(case, "output")
    output = anatomy.output
    if output is None:
        raise Abstain("No projection onto classes was seen.")
    if output.classes < FEWEST:
        return
    if not output.rows or not output.width:
        raise Abstain("How many predictions a step makes is not known.")
    own = projection(output, output.rows)
    rest = others(anatomy, output, output.rows)
    work = sum(one.flops for one in case.run.probe.work) if case.run.probe else 0
    whole = max(work, WITH_BACKWARD * own) if work else WITH_BACKWARD * (own + rest)
    of_all = WITH_BACKWARD * own / whole
    if of_all <= MOST_OF_ALL:
        return
    part = _part(case, of_all)
    savings, changes = _changes(case, output, part.share)
    yield Finding(
        key="vocabulary",
        title="The projection onto the vocabulary and its softmax are above all else",
        evidence=(
            f"{units.count(output.rows)} predictions × {units.count(output.width)} inputs × "
            f"{units.count(output.classes)} classes are {units.metric(own, 'FLOP')} forward and twice that "
            f"backward: {units.fraction(of_all)} of the floating-point operations of the step. {part.how}"
        ),
        change=" ".join(changes),
        check=(
            "Run both ways and compare them with `rnnprof compare`; and compare validation perplexity over "
            "all classes (`log_prob` of an adaptive softmax; after a sampled one the full softmax)."
        ),
        saving=max(savings),
        bound=(
            "The best of these by the operations that it leaves; several small products are slower than "
            "their operations say."
        ),
        **at(output.line),
    )


def _part(case: Case, of_all: float) -> _Part:
    """By the stages of the model's child and of the loss where these were timed, else by operations."""
    name = _child(case)
    if name is not None:
        forward = case.share_at(("forward", name)) or 0.0
        rows = {row.path for row in case.rows}
        timed = ("backward", name) in rows
        whole = case.share(("backward",)) or 0.0
        backward = (case.share_at(("backward", name)) if timed else min(2 * forward, whole)) or 0.0
        share = min(forward + backward + (case.share(("loss",)) or 0.0), 1.0)
        guess = "" if timed else ", backward taken as twice forward"
        return _Part(
            share,
            f"The stages `forward/{name}` and its backward pass{guess}, with loss, take "
            f"{units.fraction(share)} of the step.",
        )
    computing = case.share(COMPUTING)
    share = of_all * (1.0 if computing is None else computing)
    basis = "the step" if computing is None else "forward, loss and backward"
    return _Part(
        share, f"By that part of the time of {basis}, an estimate, it is {units.fraction(share)} of the step."
    )


def _child(case: Case) -> str | None:
    """The last child of ``forward`` that is called as projections are and holds no recurrent layer."""
    recurrent = {one.path[:2] for one in case.anatomy.recurrent}
    names = [
        row.name
        for row in case.rows
        if len(row.path) == 2 and row.path[0] == "forward" and not row.remainder
        if row.name in NAMES and row.path not in recurrent
    ]
    return names[-1] if names else None


def _changes(case: Case, output: Output, share: float) -> tuple[list[float], list[str]]:
    """What each way saves of a step at most, and the sentences that say so."""
    found: list[tuple[float, str]] = []
    best = adaptive(output.width, output.classes)
    if best is not None:
        saves = share * (1 - best.left)
        cutoffs = ", ".join(map(str, best.cutoffs))
        found.append(
            (
                saves,
                f"Adaptive softmax: `nn.AdaptiveLogSoftmaxWithLoss({output.width}, {output.classes}, "
                f"cutoffs=[{cutoffs}])`, classes sorted by frequency, leaves {units.fraction(best.left)} of "
                f"these operations if frequencies follow Zipf's law, which is assumed: at most "
                f"{units.fraction(saves)} of a step.",
            )
        )
    drawn, left = sampled(output.classes)
    saves = share * (1 - left)
    found.append(
        (
            saves,
            f"Sampled softmax in training: the targets and {units.count(drawn)} drawn classes leave "
            f"{units.fraction(left)}: at most {units.fraction(saves)} of a step; evaluation needs them all.",
        )
    )
    found += _tied(case, output)
    return [one for one, _ in found], [words for _, words in found]


def _tied(case: Case, output: Output) -> list[tuple[float, str]]:
    """One matrix for the embedding and the projection: the product stays, half of the numbers go."""
    if output.tied is not False or output.embedding is None:
        return []
    if output.embedding[1] != output.width:
        return [
            (
                0.0,
                f"Tied weights need an embedding as wide as the projection: it is {output.embedding[1]}, not "
                f"{output.width}.",
            )
        ]
    numbers = output.classes * output.width
    part = min(numbers / output.weights, 1.0) if output.weights else 0.0
    saves = part * (case.share(UPDATING) or 0.0)
    return [
        (
            saves,
            f"Tied weights (`decoder.weight = encoder.weight`) free {units.count(numbers)} parameters, "
            f"{units.fraction(part)} of all, their gradients and as much of update, clip and zero_grad: at "
            f"most {units.fraction(saves)} of a step; the product stays.",
        )
    ]
