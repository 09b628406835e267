"""Which operators of a step on a CPU would make the host wait, of those that nobody called by name.

The probe stands around methods of tensors alone (see `ways_to_wait`). Functions of torch's modules, and
indexing with a mask, are found here, in the step's trace: which line of the program it is, a trace does
not tell; its stage it does. What runs inside a call that the probe stood around has a label around it,
and is left out.

Torch turns a mask into the list of its places with ``aten::nonzero``, directly inside the operator that
indexes (``expandTensors`` in ``aten/src/ATen/native/IndexingUtils.h``). A mask with one number to put
there is filled in place instead (``aten::masked_fill_``), and nothing waits.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from rnnprof.model import Json
from rnnprof.probes import Path, Wait
from rnnprof.traces.events import ANNOTATION, OPERATOR, Entry, entries
from rnnprof.traces.labels import Labels
from rnnprof.traces.probe.intercept import WATCHED

INDEXING = frozenset({"aten::index", "aten::index_put_", "aten::_index_put_impl_"})
"""Operators that may be given a mask; the backward passes of the first two run the last one."""
PLACES = "aten::nonzero"
LOADER = "enumerate(DataLoader)#"
"""What torch's label around the making of a batch begins with: that would be on the host anyway."""

CHECK = "aten::_linalg_check_errors"
LINALG = {
    "aten::inverse": "torch.inverse",
    "aten::cholesky": "torch.cholesky",
    **{
        f"aten::linalg_{name}": f"torch.linalg.{name}"
        for name in ("inv", "cholesky", "solve", "lu_factor", "ldl_factor", "det", "eig", "eigh", "svd", "qr")
    },
}
"""Operators that look whether all went well, by what the program calls."""

MASK = ("mask", "tensor[mask]")
OPERATORS: dict[str, tuple[str, str]] = {
    PLACES: ("nonzero", "torch.nonzero"),
    "aten::nonzero_numpy": ("nonzero", "torch.nonzero"),
    "aten::argwhere": ("nonzero", "torch.argwhere"),
    "aten::where": ("nonzero", "torch.where"),
    "aten::masked_select": ("mask", "torch.masked_select"),
    "aten::_unique": ("unique", "torch.unique"),
    "aten::_unique2": ("unique", "torch.unique"),
    "aten::unique_dim": ("unique", "torch.unique"),
    "aten::unique_consecutive": ("unique", "torch.unique_consecutive"),
    "aten::unique_dim_consecutive": ("unique", "torch.unique_consecutive"),
    "aten::bincount": ("bincount", "torch.bincount"),
    "aten::repeat_interleave": ("repeats", "torch.repeat_interleave"),
    "aten::one_hot": ("one_hot", "torch.nn.functional.one_hot"),
    "aten::equal": ("equal", "torch.equal"),
    "aten::allclose": ("equal", "torch.allclose"),
    "aten::is_nonzero": ("condition", "torch.is_nonzero"),
    CHECK: ("linalg", "torch.linalg"),
}
"""Operators that would wait, some of them with certain arguments only: key of the way, and the call."""


def unnamed(data: Json, labels: Labels, watched: bool = True) -> tuple[Wait, ...]:
    """Count the operators of the steps that would wait, and that no watched call explains.

    What ran on another thread, such as a backward pass, counts to the stage that the steps' thread
    was in when it began.

    Args:
        data: a trace with shapes, as :func:`rnnprof.traces.events.read` gives it.
        labels: its steps and stages.
        watched: whether the probe stood around methods; otherwise only masks are told, since what runs
            inside `print` and the like has no label.

    Returns:
        One wait for each stage and call, in the order in which the stages began; the place in the
        program is empty, and the time is not known.
    """
    counts: Counter[tuple[Path, tuple[str, str]]] = Counter()
    threads: defaultdict[tuple[int | str, int | str], list[Entry]] = defaultdict(list)
    for entry in sorted(one for one in entries(data) if one.category in (OPERATOR, ANNOTATION)):
        around = threads[entry.thread]
        while around and around[-1].end <= entry.start:
            around.pop()
        path = labels.at(entry.start)
        if path is not None and (found := _found(data, entry, around, watched)):
            counts[path, found] += 1
        around.append(entry)
    order = dict.fromkeys(labels.paths[entry.order] for entry in labels.entries)
    calls = sorted({call for _, call in counts})
    return tuple(
        _wait(path, *call, counts[path, call]) for path in order for call in calls if counts[path, call]
    )


def _found(data: Json, entry: Entry, around: list[Entry], watched: bool) -> tuple[str, str] | None:
    """The way and the call of an operator inside others, the outermost first; None if it is none."""
    if entry.name not in OPERATORS or any(
        one.name == WATCHED or one.name.startswith(LOADER) for one in around
    ):
        return None
    inner = around[-1].name if around else ""
    if entry.name == PLACES and inner in INDEXING:
        return MASK
    if not watched:
        return None
    if entry.name == CHECK:
        # What the program called is the outermost one.
        return "linalg", next((name for one in around if (name := LINALG.get(one.name))), "torch.linalg")
    # What runs inside another operator is that one's own business.
    if "::" in inner and inner != entry.name:
        return None
    return OPERATORS[entry.name] if _waits(data["traceEvents"][entry.order].get("args"), entry.name) else None


def _waits(arguments: Any, name: str) -> bool:
    """Whether an operator waits with these arguments, as far as the trace has them."""
    if not isinstance(arguments, dict):
        arguments = {}
    if name == "aten::where":
        dims = arguments.get("Input Dims")
        return isinstance(dims, list) and len(dims) == 1
    values = arguments.get("Concrete Inputs")
    if name == "aten::one_hot":
        return isinstance(values, list) and values[1:] == ["-1"]
    if name == "aten::repeat_interleave":
        # Of repeats and the length of the result; the others call this one.
        return bool(values == ["", ""])
    return True


def _wait(path: Path, way: str, call: str, count: int) -> Wait:
    return Wait(
        path=path,
        way=way,
        call=call,
        file="",
        line=0,
        function="",
        source="",
        library="",
        count=count,
        waited_ns=None,
    )
