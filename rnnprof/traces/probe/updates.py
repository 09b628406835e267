"""Bytes of updates of so many tensors at once that the trace has no shapes of them.

The profiler writes nothing of a list of more than 30 tensors, and the lists of ``_foreach_*`` and
``_fused_*`` are those of the parameters, their gradients and an optimizer's averages. How large these
are together is known from the gradients that the backward pass accumulated. From below again: all
calls of one name in one stage together go through all parameters once.
"""

from __future__ import annotations

from collections import Counter
from math import gcd

from rnnprof.captures import Path
from rnnprof.traces.probe.shapes import SIZES, Call, Dims

_ACCUMULATE = "torch::autograd::AccumulateGrad"
_PASSES = {"_fused_adam_": 7, "_fused_adamw_": 7, "_fused_adagrad_": 5, "_fused_sgd_": 3, "_foreach_zero_": 1}
"""How often the parameters' size is read or written; SGD's momentum may be none."""


class Updates:
    """Collects updates and gradients while a trace is gone through."""

    def __init__(self) -> None:
        self._gradients: Counter[tuple[str, Dims]] = Counter()
        self._calls: Counter[tuple[Path, str, int]] = Counter()

    def learn(self, call: Call) -> None:
        """Note the size of a gradient, where a call accumulates one."""
        if call.name == _ACCUMULATE:
            self._gradients.update((one.dtype, one.dims) for tensors in call.tensors[:1] for one in tensors)

    def add(self, path: Path, call: Call) -> None:
        """Note an update of which no shapes are known."""
        name = call.name.rpartition("::")[2]
        reads_alone = name in ("_foreach_norm", "_foreach_copy_")
        passes = _PASSES.get(name, call.lists + (not reads_alone))
        self._calls[path, call.name, passes] += 1

    def rows(self) -> list[tuple[Path, str, int, int]]:
        """What the updates move: stage, type of number, bytes and calls; each name by itself."""
        # Where a step has several backward passes, every gradient comes as often.
        again = gcd(*self._gradients.values()) or 1
        sizes: Counter[str] = Counter()
        for (dtype, dims), count in self._gradients.items():
            size = SIZES.get(dtype, 0)
            for length in dims:
                size *= length
            sizes[dtype] += size * count // again
        if not any(sizes.values()):
            return []
        main = max(sizes, key=lambda dtype: sizes[dtype])
        return [
            (path, main, passes * sum(sizes.values()), calls)
            for (path, _, passes), calls in self._calls.items()
        ]

    def names(self) -> set[str]:
        """Names of the updates, where no gradient tells their size."""
        return set() if self.rows() else {name for _, name, _ in self._calls}
