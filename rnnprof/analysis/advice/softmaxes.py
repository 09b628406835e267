"""What is left of a large softmax's operations when it is replaced by a smaller one."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

DIV_VALUE = 4
"""By what the width shrinks from one cluster to the next: torch's default."""
HEADS = (50, 20, 10)
SECONDS = (5, 3, 2)
"""Cutoffs that are tried: the number of classes over each of these."""
NEGATIVES = 1024
"""Classes that a sampled softmax draws in a step, where that is less than a `NEGATIVE_PART`-th of all."""
NEGATIVE_PART = 20
EULER = 0.5772156649015329


@dataclass(frozen=True)
class Adaptive:
    """An adaptive softmax.

    Args:
        cutoffs: as ``nn.AdaptiveLogSoftmaxWithLoss`` takes them.
        left: the part of the full projection's operations that remains in training.
    """

    cutoffs: tuple[int, ...]
    left: float


def adaptive(width: int, classes: int) -> Adaptive | None:
    """The adaptive softmax of a few that leaves the fewest operations.

    The most frequent classes and one entry for each further cluster are scored for every prediction,
    the classes of a cluster only where the target is in it, from an input that is projected to
    ``width // 4 ** number`` (Grave et al., "Efficient softmax approximation for GPUs", ICML 2017; torch's
    ``nn/modules/adaptive.py``). Frequencies are assumed to be as one over their rank (Zipf's law).

    Args:
        width: inputs of the projection.
        classes: number of classes.

    Returns:
        None where the input is too narrow for three clusters, or the classes are too few.
    """
    found = []
    for head, second in itertools.product(HEADS, SECONDS):
        cutoffs = (classes // head, classes // second)
        if cutoffs[0] >= 1 and width >= DIV_VALUE ** len(cutoffs):
            found.append(Adaptive(cutoffs, _left(width, classes, cutoffs)))
    return min(found, key=lambda one: one.left, default=None)


def sampled(classes: int) -> tuple[int, float]:
    """A sampled softmax: each prediction is compared with its target and a few classes that all share.

    Jean et al., "On Using Very Large Target Vocabulary for Neural Machine Translation", ACL 2015.

    Args:
        classes: number of classes.

    Returns:
        How many classes are drawn, and the part of the operations that remains in training.
    """
    drawn = max(min(NEGATIVES, classes // NEGATIVE_PART), 1)
    return drawn, min((drawn + 1) / max(classes, 1), 1.0)


def _left(width: int, classes: int, cutoffs: tuple[int, ...]) -> float:
    ends = (*cutoffs, classes)
    work = float(width * (cutoffs[0] + len(cutoffs)))
    for number, (begin, end) in enumerate(itertools.pairwise(ends), 1):
        narrow = width // DIV_VALUE**number
        part = (_harmonic(end) - _harmonic(begin)) / _harmonic(classes)
        work += part * narrow * (width + end - begin)
    return min(work / (width * classes), 1.0)


def _harmonic(number: int) -> float:
    """``1 + 1/2 + ... + 1/number``, to within 1 % from 3 on (Euler and Maclaurin, their first terms)."""
    return math.log(number) + EULER + 1 / (2 * number)
