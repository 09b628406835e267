"""What backward goes through: how many nodes, how old they are, and the parameters at the end."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from rnnprof.network import MOST_NAMES, MOST_ROWS, Graph, Line, Parameters
from rnnprof.traces.probe.ground import Ground
from rnnprof.traces.probe.passes import Pass


class GraphLook:
    """Counts the graph of each backward pass; a `ground.Look`."""

    fields = ("graph", "parameters")

    def __init__(self) -> None:
        self.leaves = Leaves()
        self._ground: Ground | None = None
        self._nodes = self._previous = self._earlier = self._most = 0
        self._names: Counter[str] = Counter()
        self._met = self._retained = False
        self._line: Line | None = None

    def start(self, ground: Ground) -> None:
        """The probed step is about to begin."""
        self._ground, self._most = ground, ground.passes.most
        ground.passes.seen.append(self._pass)

    def stop(self) -> None:
        """It is over."""
        self._ground = None
        self.leaves.forget()

    def found(self) -> Mapping[str, Any]:
        """The graph, and the parameters that it reached; nothing where no pass was seen."""
        if not self._met:
            return {}
        graph = Graph(
            nodes=self._nodes,
            previous=self._previous,
            earlier=self._earlier,
            most=self._most,
            names=tuple(sorted(self._names.items(), key=lambda one: (-one[1], one[0]))[:MOST_NAMES]),
            retained=self._retained,
            line=self._line,
        )
        return {"graph": graph, "parameters": self.leaves.rows()}

    def _pass(self, one: Pass) -> None:
        ground = self._ground
        if ground is None:
            return
        self._met = True
        self._nodes += len(one.nodes)
        self._names.update(one.nodes.values())
        self._retained = self._retained or one.retained
        self._line = ground.line(one.frame)
        self.leaves.add(one.leaves)
        if not one.aged:
            return
        # Where the step before is not known, nothing is proven to be older than that.
        earlier = 0 if ground.previous is None else ground.previous
        ages = [node._sequence_nr() for node in one.nodes]
        old = sum(age < earlier for age in ages)
        self._earlier += old
        self._previous += sum(age < ground.sequence for age in ages) - old


class Leaves:
    """Different parameters that were reached; only weak references are held."""

    def __init__(self) -> None:
        self._seen: dict[int, weakref.ref[Any]] = {}
        self._kinds: dict[tuple[str, str], list[int]] = {}

    def add(self, tensors: Iterable[Any]) -> None:
        """Count those that were not seen before."""
        for tensor in tensors:
            known = self._seen.get(id(tensor))
            if known is None or known() is not tensor:
                self._seen[id(tensor)] = weakref.ref(tensor)
                kind = (str(tensor.dtype).removeprefix("torch."), str(tensor.device))
                row = self._kinds.setdefault(kind, [0, 0])
                row[0] += 1
                row[1] += int(tensor.numel())

    def forget(self) -> None:
        """No more will come."""
        self._seen.clear()

    def rows(self) -> tuple[Parameters, ...]:
        """How many there are of each type and device, the most elements first."""
        rows = [Parameters(*kind, *row) for kind, row in self._kinds.items()]
        return tuple(sorted(rows, key=lambda row: (-row.elements, row.dtype, row.device))[:MOST_ROWS])
