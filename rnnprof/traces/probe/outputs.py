"""The projection onto classes: the last product of matrices before a loss, found in the graph.

Shapes come from parameters alone, and the number of predictions from what the loss was given:
tensors that the graph has saved are not touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import FrameType
from typing import Any

from rnnprof.network import Line, Output
from rnnprof.traces.probe.ground import Ground
from rnnprof.traces.probe.passes import LEAF, Pass, leaf
from rnnprof.variables import variables

LOSSES = ("cross_entropy_loss", "nll_loss_nd")
"""What ``torch/nn/functional.py`` asks ``torch._C._nn`` for, with the input and target as ``input`` and
``target``."""
BEGINS = ("NllLossBackward", "NllLoss2DBackward", "CrossEntropyLossBackward", "LogSoftmaxBackward")
"""Nodes of a loss over classes."""
PRODUCTS = ("AddmmBackward", "MmBackward", "LinearBackward", "BmmBackward", "BaddbmmBackward")
TURNED = ("TBackward", "TransposeBackward", "PermuteBackward")
ALIKE = (*TURNED, "ToCopyBackward", "ViewBackward", "ExpandBackward", "CloneBackward")
"""Nodes between a product and its weight."""
BETWEEN = 256
"""Nodes between the loss and the product, such as those of logits put together of time steps."""


class OutputLook:
    """Finds it; a `ground.Look`."""

    fields = ("output",)

    def __init__(self) -> None:
        self._ground: Ground | None = None
        # By number of classes: predictions, and where the loss is computed.
        self._losses: dict[int, tuple[int, Line | None]] = {}
        self._adaptive = False
        self._output: Output | None = None

    def start(self, ground: Ground) -> None:
        """The probed step is about to begin."""
        self._ground = ground
        for name in LOSSES:
            ground.standins.glance(ground.torch._C._nn, name, self._loss)
        ground.standins.glance(ground.torch.nn.Module, "_call_impl", self._called)
        ground.passes.seen.append(self._pass)

    def stop(self) -> None:
        """It is over."""
        self._ground = None

    def found(self) -> Mapping[str, Any]:
        """The output; nothing where none was found, or it is an adaptive softmax already."""
        return {} if self._output is None or self._adaptive else {"output": self._output}

    def _called(self, module: Any, frame: FrameType) -> None:
        if self._ground is not None:
            adaptive = self._ground.torch.nn.AdaptiveLogSoftmaxWithLoss
            self._adaptive = self._adaptive or isinstance(module, adaptive)

    def _loss(self, _: Any, frame: FrameType) -> None:
        """A loss is about to be computed; the frame is that of torch's own function."""
        ground = self._ground
        found = variables(frame)
        given = found.get("input")
        if ground is None or not isinstance(given, ground.torch.Tensor) or not given.requires_grad:
            return
        classes = int(given.shape[1 if given.dim() > 1 else 0])
        rows, line = self._losses.get(classes, (0, None))
        self._losses[classes] = rows + int(given.numel()) // max(classes, 1), line or ground.line(frame)

    def _pass(self, one: Pass) -> None:
        begin = next((node for node, name in one.nodes.items() if name in BEGINS), None)
        if self._output is not None or self._adaptive or begin is None:
            return
        weight, classes, width = self._weight(begin, one.nodes)
        if weight is None:
            return
        everything = {id(leaf): leaf for leaf in one.leaves}
        tables = [
            table
            for node, name in one.nodes.items()
            if name == "EmbeddingBackward"
            for table in _leaves_of(node, one.nodes)
            if table.dim() == 2 and int(table.shape[0]) == classes
        ]
        # The one that is tied, where there are several.
        table = min(tables, key=lambda each: each is not weight, default=None)
        rows, line = self._losses.get(classes, (None, None))
        self._output = Output(
            classes=classes,
            width=width,
            rows=rows,
            embedding=None if table is None else (int(table.shape[0]), int(table.shape[1])),
            tied=None if table is None else table is weight,
            weights=sum(int(leaf.numel()) for leaf in everything.values()),
            line=line,
        )

    def _weight(self, begin: Any, names: Mapping[Any, str]) -> tuple[Any, int, int]:
        """The weight of the first product below a node, its number of classes and its width."""
        seen, waiting = {begin}, [begin]
        for node in waiting:
            if names.get(node) in PRODUCTS:
                found = self._of_product(node, names)
                if found is not None:
                    return found
                continue
            for child, _ in node.next_functions:
                if child is not None and child not in seen and len(seen) < BETWEEN:
                    seen.add(child)
                    waiting.append(child)
        return None, 0, 0

    def _of_product(self, node: Any, names: Mapping[Any, str]) -> tuple[Any, int, int] | None:
        for child, _ in node.next_functions:
            turned = names.get(node) == "LinearBackward"
            for _ in range(len(ALIKE)):
                name = None if child is None else names.get(child)
                if name not in ALIKE:
                    break
                turned = turned is not (name in TURNED)
                child = child.next_functions[0][0]
            weight = None if child is None or names.get(child) != LEAF else leaf(child)
            if weight is None or weight.dim() != 2:
                continue
            shape = [int(size) for size in weight.shape]
            classes, width = shape if turned else reversed(shape)
            if not self._losses or classes in self._losses:
                return weight, classes, width
        return None


def _leaves_of(node: Any, names: Mapping[Any, str]) -> Iterable[Any]:
    found = (leaf(child) for child, _ in node.next_functions if child and names.get(child) == LEAF)
    return (one for one in found if one is not None)
