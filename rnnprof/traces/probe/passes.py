"""Backward passes of the step, and the graph that each is about to go through."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from types import BuiltinFunctionType, FrameType
from typing import Any

from rnnprof.traces.probe.standins import StandIns
from rnnprof.variables import variables

MOST = 16_000
"""Nodes that are looked at in a step. A step of 600 time steps of a cell written by hand has as many."""
STACK_BYTES = 500
"""Stack for each of them. What Python has once seen of a node stays as long as the node, since torch 2.13
(``torch/csrc/autograd/node.h``), and a chain of such nodes is let go of by calls within calls: of 210
bytes each, or up to 290 where others are between them. Unseen ones take no stack."""
LEAST_STACK = 1 << 20
"""The stack where nothing tells its size, as on Windows."""
THREADS = ("BroadcastBackward", "GatherBackward")
"""Nodes of ``DataParallel``, which runs each replica's forward pass in a thread of its own."""
LEAF = "AccumulateGrad"
"""The node that adds to the gradient of a leaf, such as a parameter; it has no age."""


_UNTOLD = "CppFunction"
"""The class of nodes that have none of their own in Python."""


def name_of(node: Any) -> str:
    """The name of a node without namespace and without the number at its end."""
    kind: str = type(node).__name__
    name: str = node.name().rpartition("::")[2] if kind == _UNTOLD else kind
    return name.rstrip("0123456789")


@dataclass(frozen=True)
class Pass:
    """A backward pass that is about to run. Nothing of it is to be kept.

    Args:
        outputs: what it begins with: tensors, or edges of the graph.
        nodes: what it may go through with their names, breadth first.
        retained: whether it keeps the graph.
        aged: whether the numbers of its nodes tell which of them are older: each thread has its own.
        frame: the frame of torch's that starts it.
    """

    outputs: tuple[Any, ...]
    nodes: dict[Any, str]
    retained: bool
    aged: bool
    frame: FrameType

    @property
    def leaves(self) -> Iterator[Any]:
        """The tensors to whose gradients it may add."""
        found = (leaf(node) for node, name in self.nodes.items() if name == LEAF)
        return (one for one in found if one is not None)


class Passes:
    """Tells of all backward passes of the thread, also those of ``torch.autograd.grad``.

    All of them ask for the engine in ``torch.autograd.graph._engine_run_backward``. The engine itself
    frees the graph, so what a pass goes through is looked at before.

    Args:
        standins: where the look at the engine is put.
    """

    def __init__(self, standins: StandIns) -> None:
        self.seen: list[Callable[[Pass], None]] = []
        """What is told of each pass; one that raises does not keep the others from it."""

        self.most = self.left = most_nodes()
        """Nodes that are looked at in the step, and those of them that still may be."""

        self._standins = standins
        # Whether the engine's threads make nodes as well as the program's.
        self._elsewhere = self._created = False

    def start(self, torch: Any, device: str) -> None:
        """Begin to look.

        Args:
            torch: the module.
            device: type of the device that the program computes on; on a CPU the engine has no threads.
        """
        self._elsewhere = device != "cpu"
        self._standins.glance(torch.autograd.Variable, "_execution_engine", self._engine)

    def _engine(self, _: Any, frame: FrameType) -> None:
        # Others ask the engine for a callback at the end.
        if frame.f_code.co_name != "_engine_run_backward":
            return
        found = variables(frame)
        outputs, args = tuple(found["t_outputs"]), found["args"]
        # As `torch.autograd.backward` and `grad` hand them over: gradients, retain_graph, create_graph.
        keeps, creates = (bool(one) for one in args[1:3])
        nodes = walk(map(root, outputs), self.left)
        self.left -= len(nodes)
        aged = not self._created and not any(name in THREADS for name in nodes.values())
        self._created = self._created or (creates and self._elsewhere)
        one = Pass(outputs, nodes, keeps, aged, frame)
        for told in self.seen:
            self._standins.guarded(told, one)


def most_nodes() -> int:
    """How many nodes may be looked at: `MOST`, or as many as the stack of this thread has room for."""
    stack = LEAST_STACK
    with contextlib.suppress(ImportError):
        import resource

        stack = resource.getrlimit(resource.RLIMIT_STACK)[0]
        unlimited = stack == resource.RLIM_INFINITY
        if threading.get_ident() != threading.main_thread().ident:
            # Without a limit, threads get a size of the system's.
            stack = threading.stack_size() or (LEAST_STACK if unlimited else stack)
        elif unlimited:
            return MOST
    return min(MOST, stack // STACK_BYTES)


def leaf(node: Any) -> Any:
    """The tensor of a node `LEAF`; None for one whose class would be asked for all that is done with it.

    Args:
        node: the node.
    """
    tensor = node.variable
    return tensor if is_plain(type(tensor)) else None


def is_plain(kind: Any) -> bool:
    """Whether a class of tensors has no ``__torch_dispatch__`` of its own.

    Args:
        kind: the class. One that has none has one of torch's, written in C.
    """
    return isinstance(kind.__torch_dispatch__, BuiltinFunctionType)


def next_node(torch: Any) -> int | None:
    """The number of autograd's next node on this thread; None where torch does not tell.

    Args:
        torch: the module.
    """
    ask = getattr(torch.autograd, "_get_sequence_nr", None)
    return None if ask is None else int(ask())


def root(output: Any) -> Any:
    """The node that made a tensor, or that an edge of the graph points to; None if there is none."""
    return output.node if hasattr(output, "node") else maker(output)


def maker(tensor: Any) -> Any:
    """The node that made a tensor, also where its class has another `grad_fn`; None if there is none."""
    return sys.modules["torch"]._C.TensorBase.grad_fn.__get__(tensor)


def walk(roots: Iterable[Any], most: int, among: Container[Any] | None = None) -> dict[Any, str]:
    """Go through the graph behind some nodes, breadth first.

    Only names and edges are asked for: saved tensors would call the program's own hooks.

    Args:
        roots: nodes; None among them is left out.
        most: how many are found at most.
        among: those that may be found; None for all.

    Returns:
        The nodes with their names (see `name_of`).
    """
    found: dict[Any, str] = {}
    names: dict[type, str] = {}
    waiting = deque(one for one in roots if one is not None)
    while waiting and len(found) < most:
        node = waiting.popleft()
        if node in found:
            continue
        kind = type(node)
        name = names.get(kind) or name_of(node)
        found[node] = name
        if kind.__name__ != _UNTOLD:
            names[kind] = name
        for child, _ in node.next_functions:
            if child is not None and child not in found and (among is None or child in among):
                waiting.append(child)
    return found
