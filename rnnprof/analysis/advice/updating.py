"""Updates and clipping written by hand, gradients filled with zeros, optimizers that could be fused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rnnprof import units
from rnnprof.analysis.advice.advised import Finding
from rnnprof.analysis.advice.case import Case, at
from rnnprof.anatomy import Anatomy, OneByOne, OptimizerStep

FEWEST = 4
"""Tensors; the calls for fewer cost next to nothing."""
CPU_FEWEST = 10
"""The same on a CPU, where a call for all tensors spares about 1 µs for each (torch 2.13, one core)."""
CPU_CALL_NS = 5_000
"""The most that one call of an operator costs on a CPU beside its arithmetic: Python and torch's dispatch. It
is that of a thread that has a core to itself."""
DEVICE_CALL_NS = 10_000
"""The same on an accelerator, with the launch of its kernel."""
LEAST_HAD = 0.05
"""The least part of the time in which the thread that trains had a core: below, nothing can be told."""
SLOWEST = 1.0
"""Bytes in a nanosecond that even one busy core writes, so that filling takes no longer than this says."""
ADDING = 3
"""What adding to a gradient takes, in terms of filling it: two reads and a write for one write."""
SIZES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
"""Bytes of a number."""
SGD_CALLS = 4
"""Calls of the single-tensor loop of SGD for each tensor at most, its own Python counted as calls."""
ARITHMETIC = frozenset({"SGD"})
"""Optimizers whose single-tensor loop, without momentum, moves about as many bytes as the fused one, so that
only the cost of the calls can be saved; of the others it moves several times as many."""
PASSES, CALLS = 18, 14
"""Of the single-tensor loop of Adam, the longest of those that can be fused: how often it reads or writes a
tensor (a fused one: 7), and its calls of operators for each."""
COMPARE = "Run again, and compare both runs with `rnnprof compare`"


def update_by_hand(case: Case) -> Iterable[Finding]:
    """Find parameters that the program changes one by one."""
    for rows in _by_hand(case, "update"):
        yield _one_by_one(
            case,
            rows,
            key="update_by_hand",
            title="The update is written by hand, one parameter at a time",
            change=_CPU_UPDATE if rows[0].device == "cpu" else _UPDATE,
            check=f"{COMPARE}: the stage `{_stage(rows)}` should shrink, the losses stay as they were.",
        )


def clip_by_hand(case: Case) -> Iterable[Finding]:
    """Find gradients that the program measures or scales one by one."""
    for rows in _by_hand(case, "clip"):
        yield _one_by_one(
            case,
            rows,
            key="clip_by_hand",
            title="Gradients are clipped by hand, one tensor at a time",
            change=(
                "`torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm, foreach=True)`, or "
                "`clip_grad_value_`: a few calls for all tensors, and no number that the host must read."
            ),
            check=f"{COMPARE}: the stage `{_stage(rows)}` should shrink.",
        )


def zero_fill(case: Case) -> Iterable[Finding]:
    """Find gradients that are filled with zeros where they could be dropped."""
    anatomy = case.seen("one_by_one")
    for rows in _places([one for one in anatomy.one_by_one if one.what == "zero"]):
        first = _most(rows)
        elements = sum(one.elements for one in rows)
        tensors = sum(one.tensors for one in rows)
        size = elements * _size(anatomy, first)
        share = _share(case, first.path)
        calls = sum(one.calls for one in rows) * _call_ns(case, first.device)
        filling = min(share, (calls + size / SLOWEST) / case.step_ns)
        adding = min(ADDING * filling, case.share(("backward",)) or 1 - share)
        yield Finding(
            key="zero_fill",
            title="Gradients are filled with zeros instead of dropped",
            evidence=(
                f"`{first.call}` writes {units.size(size)} of zeros in {units.count(tensors)} tensors, and "
                f"backward then adds to them what it could just have put there.{_taken(share, first.path)}"
            ),
            change=(
                "`zero_grad(set_to_none=True)`, the default since torch 2.0; by hand: `p.grad = None`. Code "
                "that reads `p.grad` before backward must then allow for None."
            ),
            check=f"{COMPARE}: the stage `{_stage(rows)}` should all but vanish, backward shrink a little.",
            saving=filling + adding,
            bound=(
                "The filling, and three times as much in backward, which reads two numbers and writes one "
                "where it could hand over what it has."
            ),
            stage=first.path,
            **at(first.line),
        )


def fused(case: Case) -> Iterable[Finding]:
    """Find optimizers of torch's that have a fused kernel which was not asked for."""
    found: dict[tuple[tuple[str, ...], str], list[OptimizerStep]] = {}
    for each in case.seen("optimizers").optimizers:
        if each.torchs and each.can_fuse and not each.fused:
            found.setdefault((each.path, each.name), []).append(each)
    for rows in found.values():
        one = rows[0]
        share = _share(case, one.path)
        cheap = _cheap(one)
        saving = min(share, sum(_loop_ns(case, row) for row in rows) / case.step_ns)
        several = f" ({units.count(len(rows))} optimizers)" if len(rows) > 1 else ""
        tensors, elements = sum(row.tensors for row in rows), sum(row.elements for row in rows)
        yield Finding(
            key="fused",
            title=f"The optimizer has a fused kernel that is not used: `{one.name}`{several}",
            evidence=(
                f"It changes {units.count(elements)} numbers in {units.count(tensors)} tensors, "
                f"{_ways(one)}.{_taken(share, one.path)}"
            ),
            change=f"`torch.optim.{one.name}(..., fused=True)`: one pass over all that it reads and writes.",
            check=(
                f"{COMPARE}: the stage `{one.path[-1] if one.path else 'update'}` should shrink; losses "
                "agree up to rounding."
            ),
            # Of a step without a stage for it all that can be said is nothing.
            saving=saving if saving < 1 else None,
            bound=(
                "The cost of the calls, up to four for each tensor: without momentum the numbers are read "
                "and written all the same."
                if cheap
                else "All of the update; what remains is one pass over the numbers."
            ),
            stage=one.path,
            **at(one.line),
        )


_UPDATE = (
    "`torch.optim.SGD(model.parameters(), lr=lr, fused=True)`, or `foreach=True`; without one: "
    "`torch._foreach_add_(parameters, gradients, alpha=-lr)` under `torch.no_grad()`."
)
_CPU_UPDATE = (
    "`torch._foreach_add_(parameters, gradients, alpha=-lr)` on two lists, under `torch.no_grad()`: one "
    "call. `torch.optim.SGD(..., fused=True)` makes one as well, but its own Python costs as much as "
    "some 30 calls."
)


def _loop_ns(case: Case, one: OptimizerStep) -> float:
    """The most that the single-tensor loop of an optimizer takes more than its fused kernel."""
    calls = one.tensors * one.calls * _call_ns(case, one.device)
    if _cheap(one):
        return calls * SGD_CALLS
    return calls * CALLS + one.elements * one.calls * max(SIZES.values()) * PASSES / SLOWEST


def _cheap(one: OptimizerStep) -> bool:
    return one.name in ARITHMETIC and not one.momentum


def _by_hand(case: Case, what: str) -> list[list[OneByOne]]:
    """The program's own calls of one kind, stage by stage, where there are many tensors."""
    rows = [one for one in case.seen("one_by_one").one_by_one if one.what == what and not one.library]
    return [some for some in _places(rows) if max(one.tensors for one in some) >= _fewest(some[0].device)]


def _fewest(device: str) -> int:
    return CPU_FEWEST if device == "cpu" else FEWEST


def _places(rows: Sequence[OneByOne]) -> Iterable[list[OneByOne]]:
    found: dict[tuple[tuple[str, ...], str], list[OneByOne]] = {}
    for one in rows:
        found.setdefault((one.path, one.device), []).append(one)
    return found.values()


def _one_by_one(
    case: Case, rows: Sequence[OneByOne], key: str, title: str, change: str, check: str
) -> Finding:
    """What calls on one tensor after the other cost at most."""
    first = _most(rows)
    calls, each_ns = sum(one.calls for one in rows), _call_ns(case, first.device)
    share = _share(case, first.path)
    return Finding(
        key=key,
        title=title,
        evidence=(
            f"{units.count(calls)} calls such as `{first.call}` in a step, for {units.count(first.tensors)} "
            f"tensors of {units.count(first.elements / max(first.tensors, 1))} numbers on average, a kernel "
            f"for each.{_taken(share, first.path)}"
        ),
        change=change,
        check=check,
        saving=min(share, calls * each_ns / case.step_ns),
        bound=(
            f"At most {units.duration(each_ns)} for each call, and no more than the stage takes: the "
            "arithmetic stays."
        ),
        stage=first.path,
        **at(first.line),
    )


def _most(rows: Sequence[OneByOne]) -> OneByOne:
    return max(rows, key=lambda one: (one.calls, one.elements))


def _stage(rows: Sequence[OneByOne]) -> str:
    path = _most(rows).path
    return path[-1] if path else rows[0].what


def _share(case: Case, path: tuple[str, ...]) -> float:
    """The part of a step that a stage takes; where no stage is around, what is in none."""
    share = case.share_at(path)
    if share is None:
        others = [row.per_step_ns for row in case.rows if row.remainder and len(row.path) == 1]
        share = min(sum(others) / case.step_ns, 1.0) if others else 1.0
    return share


def _taken(share: float, path: tuple[str, ...]) -> str:
    return f" The stage takes {units.fraction(share)} of the step." if path and share < 1 else ""


def _call_ns(case: Case, device: str) -> float:
    """What a call costs at most; longer by as much as the thread that trains stood in line for a core."""
    crowding = case.run.vitals.crowding if case.run.vitals else None
    had = max(1 - crowding.main_waited, LEAST_HAD) if crowding is not None else 1.0
    return (CPU_CALL_NS if device == "cpu" else DEVICE_CALL_NS) / had


def _size(anatomy: Anatomy, one: OneByOne) -> int:
    """Bytes of a number: of the type that most parameters on that device have."""
    mine = [each for each in anatomy.parameters if each.device.partition(":")[0] == one.device]
    most = max(mine, key=lambda each: each.elements, default=None)
    return SIZES.get(most.dtype, 4) if most else 4


def _ways(one: OptimizerStep) -> str:
    if one.foreach or (one.foreach is None and one.device != "cpu"):
        return "by a few kernels for each operation (foreach)"
    return "tensor by tensor and operation by operation"
