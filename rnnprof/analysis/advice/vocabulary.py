"""Whether the projection onto a vocabulary and its softmax are most of what the model computes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rnnprof import units
from rnnprof.analysis.advice.advised import Finding
from rnnprof.analysis.advice.case import COMPUTING, Abstain, Case, at
from rnnprof.analysis.advice.operations import WITH_BACKWARD, others, projection
from rnnprof.analysis.advice.softmaxes import adaptive, sampled
from rnnprof.network import Output

MOST_OF_ALL = 0.5
"""Above this part of the operations the projection is what to change before all else."""
MOST_OF_TIME = 0.4
"""The same of a step's time, where the stages tell it: below, something that is not among the operations
counted (a convolution, an attention, loops in Python) takes more."""
FEWEST = 1000
"""Classes below which a full softmax is cheap, and what replaces it gains nothing."""
NAMES = (
    *("decoder", "fc", "fc_out", "linear", "head", "lm_head", "out", "output", "proj", "projection"),
    *("generator", "classifier", "hidden2tag", "vocab"),
)
"""What programs call the projection: names of child stages of ``forward`` and ``backward``."""
UPDATING = ("update", "clip", "zero_grad")
"""Stages whose time goes with the number of parameters."""


@dataclass(frozen=True)
class _Part:
    """The part of a step's time that the projection and the softmax take, and how that is known.

    Args:
        share: the part.
        how: one sentence.
        timed: whether it was measured.
    """

    share: float
    how: str
    timed: bool


def vocabulary(case: Case) -> Iterable[Finding]:
    """Find a projection and softmax over classes that are above all else."""
    anatomy = case.seen("output")
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
    part = _part(case, of_all)
    if of_all <= MOST_OF_ALL or (part.timed and part.share <= MOST_OF_TIME):
        return
    savings, changes = _changes(case, output, part.share)
    yield Finding(
        key="vocabulary",
        title="The projection onto the vocabulary and its softmax are above all else",
        evidence=(
            f"{units.count(output.rows)} predictions × {units.count(output.width)} inputs × "
            f"{units.count(output.classes)} classes are {units.metric(own, 'FLOP')} forward and twice that "
            f"backward: {units.fraction(of_all)} of the operations of {_counted(case, bool(work))}. "
            f"{part.how}"
        ),
        change=" ".join(changes),
        check=(
            "Compare both runs with `rnnprof compare`, and validation perplexity over all classes "
            "(`log_prob` of an adaptive softmax)."
        ),
        saving=max(savings),
        bound=(
            "The best of these by the operations that it leaves; several small products are slower than "
            "their operations say."
        ),
        **at(output.line),
    )


def _counted(case: Case, work: bool) -> str:
    """What the operations are that the projection's are set against."""
    if work:
        return "the step"
    return "it and the recurrent layers" if case.anatomy.recurrent else "all weights"


def _part(case: Case, of_all: float) -> _Part:
    """By the stages of the model's child and of the loss where these were timed, else by operations."""
    name = _child(case)
    if name is not None:
        forward = case.share_at(("forward", name)) or 0.0
        rows = {row.path for row in case.rows if not row.remainder}
        timed = ("backward", name) in rows
        whole = case.share(("backward",)) or 0.0
        loss = case.share(("loss",)) or 0.0
        # The softmax's own backward pass is in none of the model's children.
        others = sum(case.share_at(path) or 0.0 for path in rows if _beside(path, name))
        backward = max(whole - others, 0.0) if timed else min(2 * (forward + loss), whole)
        share = min(forward + loss + backward, 1.0)
        guess = "" if timed else " (taken as twice as long)"
        return _Part(
            share,
            f"The stages `forward/{name}` and loss with what backward does for them{guess} take "
            f"{units.fraction(share)} of the step.",
            True,
        )
    computing = case.share(COMPUTING)
    share = of_all * (1.0 if computing is None else computing)
    basis = "the step" if computing is None else "forward, loss and backward"
    return _Part(
        share,
        f"By that part of the time of {basis}, an estimate, it is {units.fraction(share)} of the step.",
        False,
    )


def _beside(path: tuple[str, ...], name: str) -> bool:
    """Whether a stage is the backward pass of another child."""
    return len(path) == 2 and path[0] == "backward" and path[1] != name


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
    # Fewer weights, and gradients of fewer, are updated as well.
    part = min(output.classes * output.width / output.weights, 1.0) if output.weights else 0.0
    updating = part * (case.share(UPDATING) or 0.0)
    share += updating
    best = adaptive(output.width, output.classes)
    if best is not None:
        saves = share * (1 - best.left)
        cutoffs = ", ".join(map(str, best.cutoffs))
        found.append(
            (
                saves,
                f"Adaptive softmax, `nn.AdaptiveLogSoftmaxWithLoss({output.width}, {output.classes}, "
                f"cutoffs=[{cutoffs}])` with classes sorted by frequency: at most {units.fraction(saves)} of "
                f"a step (it leaves {units.fraction(best.left)} of these operations, by Zipf's law).",
            )
        )
    drawn, left = sampled(output.classes)
    saves = share * (1 - left)
    found.append(
        (
            saves,
            f"Sampled softmax in training, of the targets and {units.count(drawn)} drawn classes: at most "
            f"{units.fraction(saves)} (it leaves {units.fraction(left)}).",
        )
    )
    found += _tied(output, part, updating)
    return [one for one, _ in found], [words for _, words in found]


def _tied(output: Output, part: float, saves: float) -> list[tuple[float, str]]:
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
    return [
        (
            saves,
            f"Tied weights, `decoder.weight = encoder.weight`: {units.fraction(part)} fewer parameters, and "
            f"at most {units.fraction(saves)} (of update, clip and zero_grad; the product stays).",
        )
    ]
