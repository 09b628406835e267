"""Whether a model's backward pass is divided: where the hooks would cost too much, it is not."""

from __future__ import annotations

MAX_NODES = 64
"""Nodes that one model may need between two passes; with more it is no longer divided."""
WORTH_NS = 500_000
"""How long a pass must take for each node noted, so that the hooks cost about 1 % of a step."""
TRIAL = 5
"""Passes after which it is decided whether dividing a model's is worth it."""


class Model:
    """One watched model, and whether its backward pass is divided; once not, it stays so.

    Args:
        divided: whether to begin with.
        worth_ns: how long a pass must take for each node noted; 0 divides always.
    """

    __slots__ = ("divided", "nodes", "passes", "spare_ns", "trial", "worth_ns")

    def __init__(self, divided: bool, worth_ns: int) -> None:
        self.divided = divided
        self.worth_ns = worth_ns
        self.trial = TRIAL if worth_ns else 0
        # Nodes noted since the last pass, which one that was, and how much longer than needed the
        # passes of the trial took.
        self.nodes = 0
        self.passes = -1
        self.spare_ns = 0

    def tried(self, ns: int) -> None:
        """A pass of the trial has taken so long; the first one is slow for reasons of its own."""
        if self.trial < TRIAL:
            self.spare_ns += ns - self.nodes * self.worth_ns
        self.trial -= 1
        if self.trial == 0:
            self.divided = self.divided and self.spare_ns >= 0
