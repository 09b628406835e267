"""Recurrent layers and cells of torch's: how they are called, and what computes them.

``torch.nn`` calls ``torch._VF.lstm`` and the like from functions that hold the layer as ``self``, and
its arguments under the names that ``torch/nn/modules/rnn.py`` gives them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from types import FrameType
from typing import Any

from rnnprof.network import MOST_ROWS, Recurrent
from rnnprof.traces.probe.ground import Ground
from rnnprof.traces.probe.passes import LEAF, Pass, next_node
from rnnprof.variables import variables

LAYERS = ("lstm", "gru", "rnn_tanh", "rnn_relu")
WAYS = {
    "CudnnRnnBackward": "cudnn",
    "MiopenRnnBackward": "miopen",
    "MkldnnRnnLayerBackward": "onednn",
    "ThnnFusedLstmCellBackward": "fused",
    "ThnnFusedGruCellBackward": "fused",
    # A kernel of Apple's, for which there is no word.
    "LstmMpsBackward": "",
}
"""What computes a layer, by the names of the nodes that it makes."""
COMPOSED = "composed"
FARTHEST = 64
"""Nodes after the first one of a call among which such a name is looked for: a fused cell has 8."""


@dataclass
class _Row:
    """Calls of one layer from one line.

    Args:
        what: all that is the same for them.
        begin, end: numbers of the first node that the first call may make, and of the first one that
            another call may; None where there was no gradient, or no other call.
        way: see `network.Recurrent`.
    """

    what: Recurrent
    calls: int = 0
    time_steps: int = 0
    batch: int = 0
    packed: int | None = None
    begin: int | None = None
    end: int | None = None
    way: str = ""

    def add(self, other: _Row) -> None:
        """Add other calls."""
        self.calls += other.calls
        self.time_steps = max(self.time_steps, other.time_steps)
        self.batch = max(self.batch, other.batch)
        if other.packed is not None:
            self.packed = (self.packed or 0) + other.packed
        self.way = self.way or other.way


class RecurrentLook:
    """Sees them called; a `ground.Look`."""

    fields = ("recurrent",)

    def __init__(self) -> None:
        self._ground: Ground | None = None
        self._rows: dict[tuple[Any, ...], _Row] = {}
        self._last: _Row | None = None

    def start(self, ground: Ground) -> None:
        """The probed step is about to begin."""
        self._ground = ground
        for name in LAYERS:
            ground.standins.glance(ground.torch._VF, name, self._called)
            ground.standins.glance(ground.torch._VF, f"{name}_cell", self._called)
        ground.passes.seen.append(self._pass)

    def stop(self) -> None:
        """It is over."""
        self._ground = self._last = None

    def found(self) -> Mapping[str, Any]:
        """The layers and cells, those with the most calls first."""
        rows: dict[Recurrent, _Row] = {}
        for one in self._rows.values():
            rows.setdefault(one.what, _Row(one.what)).add(one)
        found = [
            replace(
                one.what,
                calls=one.calls,
                time_steps=one.time_steps,
                batch=one.batch,
                packed_steps=one.packed,
                way=one.way,
            )
            for one in rows.values()
        ]
        return {"recurrent": tuple(sorted(found, key=lambda row: -row.calls)[:MOST_ROWS])}

    def _called(self, _: Any, frame: FrameType) -> None:
        ground = self._ground
        found = variables(frame)
        layer, given = found.get("self"), found.get("input")
        if ground is None or not isinstance(given, ground.torch.Tensor):
            return
        rnn = ground.torch.nn.modules.rnn
        if isinstance(layer, rnn.RNNBase):
            weights = [one for one in layer._flat_weights if one is not None]
            call = _call(layer, given, found.get("batch_sizes"))
        elif isinstance(layer, rnn.RNNCellBase):
            weights = [layer.weight_ih, layer.weight_hh]
            call = _Row(_EMPTY, 1, 1, int(given.shape[0]))
        else:
            return
        asked = ground.torch.is_grad_enabled() and any(one.requires_grad for one in (given, *weights))
        path, line = ground.path(), ground.line(frame)
        key = (path, line, id(layer), given.dtype, given.device, asked)
        row = self._rows.get(key)
        number = next_node(ground.torch)
        if self._last is not None:
            self._last.end = number
        self._last = None
        if row is None:
            same = replace(_sizes(layer), path=path, line=line, backward=asked)
            row = self._rows[key] = self._last = _Row(_with_tensors(same, given, weights))
            row.begin = number if asked else None
        row.add(call)

    def _pass(self, one: Pass) -> None:
        """Find the nodes that the first calls made."""
        wanted = [row for row in self._rows.values() if row.begin is not None and not row.way]
        if not wanted:
            return
        names = {node._sequence_nr(): name for node, name in one.nodes.items() if name != LEAF}
        for row in wanted:
            begin = row.begin or 0
            end = begin + FARTHEST if row.end is None else min(row.end, begin + FARTHEST)
            made = [names[number] for number in range(begin, end) if number in names]
            if made:
                row.way = next((WAYS[name] for name in made if name in WAYS), COMPOSED)


def _call(layer: Any, given: Any, batch_sizes: Any) -> _Row:
    """One call of a layer."""
    if batch_sizes is not None:
        return _Row(_EMPTY, 1, len(batch_sizes), int(batch_sizes[0]), int(given.shape[0]))
    along = 1 if layer.batch_first else 0
    return _Row(_EMPTY, 1, int(given.shape[along]), int(given.shape[1 - along]))


def _sizes(layer: Any) -> Recurrent:
    """What a layer or a cell is."""
    sizes = {"input_size": int(layer.input_size), "hidden_size": int(layer.hidden_size)}
    if hasattr(layer, "mode"):
        return replace(
            _EMPTY,
            **sizes,  # type: ignore[arg-type]
            kind=layer.mode.lower(),
            layers=int(layer.num_layers),
            projection_size=int(layer.proj_size),
            directions=2 if layer.bidirectional else 1,
        )
    # By the number of its gates: 4 and 3, and 1 for a plain one.
    gates = int(layer.weight_hh.shape[0]) // int(layer.hidden_size)
    kind = {4: "lstm", 3: "gru"}.get(gates) or f"rnn_{layer.nonlinearity}"
    return replace(_EMPTY, **sizes, kind=f"{kind}_cell")  # type: ignore[arg-type]


def _with_tensors(row: Recurrent, given: Any, weights: list[Any]) -> Recurrent:
    matters = given.device.type == "cuda" and not row.kind.endswith("_cell")
    return replace(
        row,
        dtype=_name(given.dtype),
        device=given.device.type,
        one_chunk=one_chunk(weights) if matters else None,
    )


def one_chunk(weights: Iterable[Any]) -> bool:
    """Whether a layer's weights lie in one piece of memory, as cuDNN wants them.

    That is what ``flatten_parameters`` makes; ``aten/src/ATen/native/cudnn/RNN.cpp`` warns otherwise
    (``try_get_weight_buf``).

    Args:
        weights: the weights and biases, as the layer hands them over.
    """
    places = sorted(
        (one.untyped_storage().data_ptr(), one.storage_offset(), one.numel(), one.is_contiguous())
        for one in weights
    )
    apart = all(one[0] == other[0] and one[1] + one[2] <= other[1] for one, other in pairwise(places))
    return apart and all(contiguous for *_, contiguous in places)


def _name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


_EMPTY = Recurrent(
    path=(),
    kind="",
    calls=0,
    backward=False,
    time_steps=0,
    batch=0,
    packed_steps=None,
    input_size=0,
    hidden_size=0,
    layers=1,
    projection_size=0,
    directions=1,
    dtype="",
    device="",
    one_chunk=None,
    way="",
    line=None,
)
