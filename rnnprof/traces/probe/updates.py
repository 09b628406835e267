"""Bytes of updates of so many tensors at once that the trace has no shapes of them.

The profiler writes nothing of a list of more than 30 tensors, and the lists of ``_foreach_*`` and
``_fused_*`` are those of the parameters, their gradients and an optimizer's averages. How large these
are together is known from the gradients that the backward pass accumulated. From below again: all
calls of one name in one stage together go through all parameters once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import gcd, prod

from rnnprof.captures import Path
from rnnprof.traces.probe.shapes import SIZES, Call, Dims

_ACCUMULATE = "torch::autograd::AccumulateGrad"
_SEVERAL = 31
"""Tensors in a list, from which the trace has no shapes of them."""
_PASSES = {"_fused_adam_": 7, "_fused_adamw_": 7, "_fused_adagrad_": 5, "_fused_sgd_": 3, "_foreach_zero_": 1}
"""How often the parameters' size is read or written; SGD's momentum may be none."""


class Updates:
    """Collects updates and gradients while a trace is gone through."""

    def __init__(self) -> None:
        self._gradients: Counter[tuple[str, Dims]] = Counter()
        self._added: Counter[tuple[str, Dims]] = Counter()
        self._calls: Counter[tuple[Path, str, int]] = Counter()

    def learn(self, call: Call, above: str) -> None:
        """Note the size of a gradient, where a call accumulates one.

        Args:
            call: the call.
            above: name of the operator that it is in; empty where there is none.
        """
        found = self._gradients if call.name == _ACCUMULATE else None
        if above == _ACCUMULATE and call.name in ("aten::add", "aten::add_"):
            found = self._added
        if found is not None:
            found.update((one.dtype, one.dims) for tensors in call.tensors[:1] for one in tensors)

    def add(self, path: Path, call: Call) -> None:
        """Note an update of which no shapes are known."""
        name = call.name.rpartition("::")[2]
        reads_alone = name in ("_foreach_norm", "_foreach_copy_")
        passes = _PASSES.get(name, call.lists + (not reads_alone))
        self._calls[path, call.name, passes] += 1

    def rows(self) -> list[tuple[Path, str, int, int]]:
        """What the updates move: stage, type of number, bytes and calls; each name by itself."""
        sizes: Counter[str] = Counter()
        for (dtype, dims), count in self._once().items():
            sizes[dtype] += SIZES.get(dtype, 0) * prod(dims) * count
        if not any(sizes.values()):
            return []
        main = max(sizes, key=lambda dtype: sizes[dtype])
        return [
            (path, main, passes * sum(sizes.values()), calls)
            for (path, _, passes), calls in self._calls.items()
        ]

    def _once(self) -> Mapping[tuple[str, Dims], int]:
        """The gradients of one backward pass, where a step has several."""
        # What is added to nothing is a parameter's first gradient.
        if first := self._gradients - self._added:
            return first
        again = gcd(*self._gradients.values())
        many = self._gradients.total() // _SEVERAL
        again = next((by for by in range(min(again, many), 1, -1) if again % by == 0), 1)
        return {gradient: count // again for gradient, count in self._gradients.items()}

    def names(self) -> set[str]:
        """Names of the updates, where no gradient tells their size."""
        return set() if self.rows() else {name for _, name, _ in self._calls}
