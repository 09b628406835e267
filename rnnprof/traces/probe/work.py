"""Floating-point operations and bytes of each stage, from the operators of one probed step.

Nothing counts twice. An operator with a formula hides what runs inside it, except where an operator
of its own name does (autocast calls it again with other types): then the inner one counts. A
composite operator counts through those inside it; a fallback, such as the one of ``aten::lstm``, is
used where they have nothing to count. The bytes of an operator are those of the ones inside it, or
its own where its own arguments say more: :mod:`rnnprof.traces.probe.traffic` has their rules.

What runs twice, as with checkpointing, counts twice. What torch does not write down as an operator
is not here: kernels that ``torch.compile`` made, a CUDA graph that is replayed, the dimension that
``torch.vmap`` goes over, and the shapes in a list of more than 30 tensors
(:mod:`rnnprof.traces.probe.updates` is for those of optimizers).
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field

from rnnprof.captures import Path
from rnnprof.model import Json
from rnnprof.probes import Work
from rnnprof.traces.events import OPERATOR, Entry, entries
from rnnprof.traces.labels import Labels
from rnnprof.traces.probe.formulas import FALLBACKS, FORMULAS, cost
from rnnprof.traces.probe.shapes import Call, Dims
from rnnprof.traces.probe.traffic import is_nothing, moved
from rnnprof.traces.probe.updates import Updates

MOST_UNCOUNTED = 50
"""Names of uncounted operators that are kept."""

_MOST = 2**63 - 1
_LONGEST = 100
_NOT_OPERATORS = (
    "autograd::",
    "torch::autograd::",
    "profiler::",
    "prim::",
    "c10d::",
    "nccl:",
    "gloo:",
    "record_",
)
_COMPUTES = re.compile(
    r"aten::(?!.*(?:_flatten_weight|_check_errors|_thnn_|_is_acceptable|_reorder_|_sdp_choice|_prepack))"
    r".*(?:mm(?:_|$)|matmul|einsum|linalg_(?!vector_norm|norm|diagonal|vecdot|cross)|cholesky|lu_solve|triangular_solve|svd|qr$|fft_|cdist|pdist"
    r"|_trilinear|conv|attention|rnn|lstm|gru|linear$|linear_|addr$|bilinear$)|triton_tem_"
)
"""Operators of torch's own that multiply matrices, or the like; others do so as far as one can know."""


@dataclass(slots=True)
class _Sums:
    flops: int = 0
    bytes: int = 0
    operators: int = 0


@dataclass(frozen=True, slots=True)
class _Row:
    """What one call adds to a stage."""

    path: Path
    dtype: str
    flops: int
    bytes: int


@dataclass(slots=True)
class _Open:
    """An operator while those inside it are gone through."""

    end: int
    call: Call
    path: Path | None
    again: bool = False
    flops: int = 0
    bytes: int = 0
    rows: list[_Row] = field(default_factory=list)
    uncounted: set[str] = field(default_factory=set)


def work(data: Json, labels: Labels) -> tuple[tuple[Work, ...], tuple[str, ...]]:
    """Count what the operators of the steps compute and move.

    What ran on another thread, such as the backward pass on a device, counts to the stage that the
    steps' thread was in when it began.

    Args:
        data: a trace with shapes, as :func:`rnnprof.traces.events.read` gives it.
        labels: its steps and stages.

    Returns:
        One row for each stage and type of number, in the order in which the stages began; and the
        names of operators that compute, but could not be counted, sorted.
    """
    sums: dict[Path, dict[str, _Sums]] = {
        labels.paths[entry.order]: defaultdict(_Sums) for entry in labels.entries
    }
    walk = _Walk(data, labels)
    walk.walk([entry for entry in entries(data) if entry.category == OPERATOR])
    for one in walk.rows:
        stage = sums[one.path][one.dtype]
        stage.flops += one.flops
        stage.bytes += one.bytes
        stage.operators += 1
    for path, dtype, size, calls in walk.updates.rows():
        sums[path][dtype].bytes += size
        sums[path][dtype].operators += calls
    rows = tuple(
        Work(path, dtype, min(one.flops, _MOST), min(one.bytes, _MOST), one.operators)
        for path, types in sums.items()
        for dtype, one in sorted(types.items())
    )
    return rows, tuple(sorted(walk.uncounted | walk.updates.names())[:MOST_UNCOUNTED])


class _Walk:
    """Goes through the operators of all threads in order of time, each inside those around it."""

    def __init__(self, data: Json, labels: Labels) -> None:
        self._events = data["traceEvents"]
        self._labels = labels
        self._threads: dict[tuple[int | str, int | str], list[_Open]] = defaultdict(list)
        self._known: dict[Dims, str] = {}
        self.rows: list[_Row] = []
        self.uncounted: set[str] = set()
        self.updates = Updates()

    def walk(self, found: list[Entry]) -> None:
        """Count them all."""
        for entry in sorted(found):
            around = self._threads[entry.thread]
            while around and around[-1].end <= entry.start:
                self._close(around)
            above = around[-1] if around else None
            # Half of all operators are views: what they are given need not be known.
            args = None if is_nothing(entry.name) else self._events[entry.order].get("args")
            call = Call(entry.name, args, self._known, above.call.dtype if above is not None else "")
            self._learn(call, above.call.name if above is not None else "")
            if above is not None and above.call.name == entry.name:
                above.again = True
            around.append(_Open(entry.end, call, self._labels.at(entry.start)))
        for around in self._threads.values():
            while around:
                self._close(around)

    def _learn(self, call: Call, above: str) -> None:
        """Note the types of shapes, for the lists of tensors that have none."""
        self.updates.learn(call, above)
        for tensors in call.tensors:
            if len(tensors) == 1 and tensors[0].dims and not tensors[0].dtype.startswith("int"):
                self._known[tensors[0].dims] = tensors[0].dtype

    def _close(self, around: list[_Open]) -> None:
        one = around.pop()
        self._own(one)
        if not around:
            self.rows += one.rows
            self.uncounted |= one.uncounted
            return
        above = around[-1]
        above.flops += one.flops
        above.bytes += one.bytes
        # The longer list is kept, so that deep nesting costs no more than wide nesting.
        long, short = sorted((above.rows, one.rows), key=len, reverse=True)
        long += short
        above.rows = long
        above.uncounted |= one.uncounted

    def _own(self, one: _Open) -> None:
        """Put what an operator does itself in the place of what is inside it, where it is to count."""
        call, path = one.call, one.path
        if path is None or not _is_operator(call.name):
            return
        counted = None
        if not one.again:
            counted = cost(FORMULAS, call)
        if counted is None and not one.flops:
            counted = cost(FALLBACKS, call)
        if counted is not None:
            self._replace(one, *counted)
            return
        own = moved(call)
        if not one.flops and own > one.bytes:
            self._replace(one, 0, own)
        if not one.bytes and _updates(call):
            self.updates.add(path, call)
        elif not one.flops and _computes(call.name):
            one.uncounted = {call.name[:_LONGEST]}

    @staticmethod
    def _replace(one: _Open, flops: int, size: int) -> None:
        one.flops, one.bytes, one.uncounted = flops, size, set()
        one.rows = []
        if one.path is not None and (flops or size):
            one.rows.append(_Row(one.path, one.call.dtype or "float32", flops, size))


def _is_operator(name: str) -> bool:
    return "::" in name and not name.startswith(_NOT_OPERATORS)


def _updates(call: Call) -> bool:
    """Whether an operator updates so many tensors at once that the trace has no shapes."""
    return call.lost and call.name.startswith(("aten::_foreach_", "aten::_fused_", "aten::_amp_foreach_"))


def _computes(name: str) -> bool:
    """Whether an operator multiplies matrices, or may: nothing is known of those that are not torch's."""
    return not name.startswith("aten::") or _COMPUTES.match(name) is not None
