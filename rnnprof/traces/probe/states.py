"""Recurrent states that come into the step with the graph of an earlier one: their names and places.

A pass shows where it leaves the step: at edges from a node that the step made to an older one. Such
an edge is a tensor that came in. What the program calls it is seen when a module is given it, in a
module's attributes when that is called, or in the program's variables when the step begins.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from types import FrameType
from typing import Any

from rnnprof.network import MOST_ROWS, Line, State
from rnnprof.places import Libraries, outside
from rnnprof.traces.probe.ground import Ground, NotSeen
from rnnprof.traces.probe.passes import LEAF, Pass, is_plain, maker, name_of, walk
from rnnprof.variables import variables

GIVEN, HELD, BEFORE = range(3)
"""Where a name is from, the best first: given to a module, held by one, there before the step."""
DEEPEST = 3
"""Lists within lists that are looked into."""
MEMBERS = 128
"""Members of one variable that are looked at."""
VARIABLES = 500
"""Variables of one function, and attributes of one object, that are looked at."""
PLAIN = frozenset({int, float, bool, str, type(None)})
READ: tuple[tuple[type, Callable[[Any], Iterable[Any]]], ...] = (
    (tuple, tuple.__iter__),
    (list, list.__iter__),
    (dict, dict.values),
)
"""How the members of a value are read."""

Edge = tuple[int, int]
"""A tensor by the number of its node, and which of the node's results it is."""


class StatesLook:
    """Finds them; a `ground.Look`."""

    fields = ("states",)

    def __init__(self) -> None:
        self._ground: Ground | None = None
        self._names: dict[Edge, tuple[int, str, Line | None]] = {}
        self._states: dict[tuple[str, Line | None], int] = {}
        self._libraries: Libraries | None = None
        self._usual: frozenset[str] = frozenset()

    def start(self, ground: Ground) -> None:
        """The probed step is about to begin."""
        self._ground, self._libraries = ground, Libraries(ground.torch)
        self._usual = frozenset(vars(ground.torch.nn.Module()))
        for frame in self._frames(sys._getframe(1)):
            for name, value in self._variables(frame):
                self._note(value, BEFORE, name, frame)
        ground.standins.glance(ground.torch.nn.Module, "_call_impl", self._called)
        ground.passes.seen.append(self._pass)

    def stop(self) -> None:
        """It is over."""
        self._ground = None

    def found(self) -> Mapping[str, Any]:
        """The states, the largest graph first."""
        rows = [State(name, nodes, line) for (name, line), nodes in self._states.items()]
        return {"states": tuple(sorted(rows, key=lambda row: (-row.nodes, row.name))[:MOST_ROWS])}

    # ---- names ------------------------------------------------------------------------------

    def _called(self, module: Any, frame: FrameType) -> None:
        """A module is about to run; the frame is that of torch's ``_wrapped_call_impl``."""
        ground = self._ground
        if ground is None or module is None or not ground.torch.is_grad_enabled():
            return
        given = variables(frame)
        for tensor in self._old((given.get("args"), given.get("kwargs"))):
            if self._names.get(_edge(tensor), (BEFORE,))[0] != GIVEN:
                self._name(tensor, frame)
        for name, value in self._attributes(module):
            self._note(value, HELD, f"self.{name}", frame)

    def _name(self, tensor: Any, frame: FrameType) -> None:
        """Name a tensor by the outermost variable that holds it."""
        ground = self._ground
        assert ground is not None
        name, line = "", ground.line(frame)
        # Variables around a function, or of its module, that it has used: what has them did not hand them on.
        used: set[tuple[int, str]] = set()
        for one in self._frames(frame):
            code = one.f_code
            around, own = (*code.co_cellvars, *code.co_freevars), code.co_varnames
            for variable, value in self._variables(one):
                where = 0 if variable in around else id(one.f_globals)
                shared = variable in around or (code.co_name == "<module>" and variable not in own)
                if shared and (where, variable) in used:
                    continue
                if any(tensor is each for each in self._tensors(value)):
                    name, line = variable, ground.line(one)
                    if variable in code.co_freevars or variable not in (*own, *around):
                        used.add((where, variable))
                    break
        self._names[_edge(tensor)] = GIVEN, name, line

    def _note(self, value: Any, rank: int, name: str, frame: FrameType) -> None:
        for tensor in self._old(value):
            if self._names.get(_edge(tensor), (BEFORE + 1,))[0] > rank and self._ground is not None:
                self._names[_edge(tensor)] = rank, name, self._ground.line(frame)

    def _frames(self, frame: FrameType | None) -> Iterator[FrameType]:
        """The program's own frames, from the innermost one on."""
        frame = outside(frame)
        while frame is not None:
            if self._libraries is not None and not self._libraries.has(frame.f_code.co_filename):
                yield frame
            frame = outside(frame.f_back)

    def _variables(self, frame: FrameType) -> Iterator[tuple[str, Any]]:
        """Its variables, attributes of what it calls ``self``, and the module's variables that it uses."""
        found, names = variables(frame), frame.f_globals
        used = [] if found is names else [name for name in frame.f_code.co_names if name in names]
        own = [(f"self.{name}", value) for name, value in self._attributes(found.get("self"))]
        yield from [*found.items(), *own, *((name, names[name]) for name in used)][:VARIABLES]

    def _attributes(self, holder: Any) -> list[tuple[str, Any]]:
        try:
            found = object.__getattribute__(holder, "__dict__")
        except AttributeError:
            return []
        buffers = found.get("_buffers")
        everything = [*found.items(), *(buffers.items() if isinstance(buffers, dict) else ())]
        return [one for one in everything if type(one[1]) not in PLAIN and one[0] not in self._usual]

    # ---- tensors ----------------------------------------------------------------------------

    def _old(self, value: Any) -> list[Any]:
        """The tensors in a value that have a graph from before the step."""
        ground = self._ground
        return [] if ground is None else [one for one in self._tensors(value) if _age(one) < ground.sequence]

    def _tensors(self, value: Any) -> Iterator[Any]:
        """The tensors in a value, by methods that no class of the program's has overridden."""
        tensor: type = object if self._ground is None else self._ground.torch.Tensor
        waiting, left = [(value, 0)], MEMBERS
        while waiting and left:
            (one, depth), left = waiting.pop(), left - 1
            kind = type(one)
            if issubclass(kind, tensor):
                if is_plain(kind):
                    yield one
            elif depth < DEEPEST:
                read = next((read for base, read in READ if issubclass(kind, base)), None)
                if read is not None:
                    waiting += [(each, depth + 1) for each in islice(read(one), left)]

    # ---- the passes -------------------------------------------------------------------------

    def _pass(self, one: Pass) -> None:
        ground = self._ground
        if ground is None:
            return
        if not one.aged:
            raise NotSeen("nodes made in several threads have no common age")
        old = {node for node, name in one.nodes.items() if name != LEAF}
        old = {node for node in old if node._sequence_nr() < ground.sequence}
        entered: dict[tuple[str, Line | None], list[Any]] = {}
        unknown: list[Any] = []
        for node in one.nodes if old else ():
            if node in old:
                continue
            for child, result in node.next_functions:
                if child in old:
                    _, name, line = self._names.get((child._sequence_nr(), result), (BEFORE, "", None))
                    (entered.setdefault((name, line), []) if name or line else unknown).append(child)
        if unknown and not entered:
            entered["", None] = unknown
        for key, nodes in entered.items():
            self._states[key] = max(self._states.get(key, 0), len(walk(nodes, len(one.nodes), one.nodes)))


def _age(tensor: Any) -> float:
    """The number of a tensor's node; infinite where it has none."""
    # To ask an altered view for its node could make a new one.
    if not tensor.requires_grad or (tensor._version and tensor._is_view()):
        return float("inf")
    node = maker(tensor)
    if node is None or name_of(node) == LEAF:
        return float("inf")
    return int(node._sequence_nr())


def _edge(tensor: Any) -> Edge:
    return int(maker(tensor)._sequence_nr()), int(tensor.output_nr)
