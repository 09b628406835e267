"""A table as if rnnprof had never looked: no function that only looks, and no time of it around it.

cProfile's table knows who called whom, but not through whom. So what is taken away from a caller is
passed on to its own callers in proportion to the time that each one spent in it, up to the roots:
exact where a function has one caller, an estimate where it has several.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rnnprof.traces.function_changes import ONLY_LOOKING, less
from rnnprof.traces.function_stats import Counts, Label, Table

LEAST_NS = 1000.0
"""A time that is not worth to be passed on."""
LEAST_SHARE = 1e-6
"""The same for a share of one visit."""
MOST_IN_CIRCLES = 64
"""Functions in circles of calls that are lessened; of more (imports make hundreds) none is."""
MOST_ROUNDS = 1000
"""How far up it is passed; a circle of calls that nothing leaves would have it go on for ever."""

Shares = dict[Label, float]


def of_program(counted: Table) -> Table:
    """A table without the functions that only look, what they call, and the time that they took.

    Own times stay as they are. No time becomes negative, nor a total time less than the own.

    Args:
        counted: the table of a run, or of a part of it.
    """
    looking = _looking(counted)
    found: Table = {}
    taken: dict[Label, float] = {}
    for name, (counts, callers) in counted.items():
        if name in looking:
            for caller, part in callers.items():
                if caller not in looking:
                    taken[caller] = taken.get(caller, 0.0) + part[3]
            continue
        for caller, part in callers.items():
            if caller in looking:
                counts = less(counts, part)
        if counts[1]:
            found[name] = (counts, callers)
    for name, (counts, callers) in found.items():
        # snakeviz fails over a caller that is no function of the table.
        found[name] = (counts, {one: part for one, part in callers.items() if one in found})
    _lessen(found, _Ways(counted, looking), taken)
    return found


def _looking(counted: Table) -> set[Label]:
    """The functions that only look, and those that nothing else calls."""
    found = {name for name in counted if name[0].startswith(ONLY_LOOKING)}
    more = set(found)
    while more:
        more = set()
        for name, (counts, callers) in counted.items():
            if name not in found and any(caller in found for caller in callers):
                known = all(caller in found or caller == name for caller in callers)
                if known and counts[1] <= sum(part[1] for part in callers.values()):
                    more.add(name)
        found |= more
    return found


class _Ways:
    """The ways from functions to their callers, and how much of a time goes each way.

    Args:
        counted: the table.
        looking: the functions at which a way ends, since all of their time is taken away anyway.
    """

    def __init__(self, counted: Table, looking: set[Label]) -> None:
        self._counted = counted
        self._looking = looking
        self._shares: dict[Label, tuple[float, Shares]] = {}

    def shares(self, name: Label) -> tuple[float, Shares]:
        """What part of a function's time the program's calls have, and each caller's part of that."""
        found = self._shares.get(name)
        if found is None:
            counts, callers = self._counted.get(name, ((0, 0, 0, 0), {}))
            parts = {one: part[3] for one, part in callers.items() if one != name and part[3] > 0}
            # What no caller has is the time of calls from functions that were never counted.
            every = max(sum(parts.values()), counts[3])
            looked = sum(ns for one, ns in parts.items() if one in self._looking)
            left = every - looked
            ways = {one: ns / left for one, ns in parts.items() if left and one not in self._looking}
            found = self._shares[name] = (left / every if every else 1.0, ways)
        return found

    def up(self, begin: Mapping[Label, float], least: float) -> Shares:
        """Pass amounts on to the callers, and theirs.

        Args:
            begin: the amounts, by the function at which each begins.
            least: the amount that is passed on no further.

        Returns:
            All that came by at each function; in a circle of calls the same amount does so again.
        """
        found: Shares = {}
        here = dict(begin)
        for _ in range(MOST_ROUNDS):
            above: Shares = {}
            for name, amount in here.items():
                kept, ways = self.shares(name)
                amount *= kept
                found[name] = found.get(name, 0.0) + amount
                if amount >= least:
                    for caller, share in ways.items():
                        above[caller] = above.get(caller, 0.0) + amount * share
            if not above:
                break
            here = above
        return found

    def circles(self, names: Iterable[Label]) -> set[Label]:
        """The functions from which one comes back to them by way of others.

        Tarjan's strongly connected components (SIAM Journal on Computing 1, 1972), without recursion.

        Args:
            names: where to begin.
        """
        order: dict[Label, int] = {}
        low: dict[Label, int] = {}
        path: list[Label] = []
        on_path: set[Label] = set()
        found: set[Label] = set()
        for begin in names:
            todo = [] if begin in order else [(begin, iter(self.shares(begin)[1]))]
            while todo:
                name, callers = todo[-1]
                if name not in order:
                    order[name] = low[name] = len(order)
                    path.append(name)
                    on_path.add(name)
                for caller in callers:
                    if caller not in order:
                        todo.append((caller, iter(self.shares(caller)[1])))
                        break
                    if caller in on_path:
                        low[name] = min(low[name], order[caller])
                else:
                    todo.pop()
                    if todo:
                        low[todo[-1][0]] = min(low[todo[-1][0]], low[name])
                    if low[name] == order[name]:
                        circle = path[path.index(name) :]
                        del path[path.index(name) :]
                        on_path.difference_update(circle)
                        found.update(circle if len(circle) > 1 else ())
        return found


def _lessen(found: Table, ways: _Ways, taken: Mapping[Label, float]) -> None:
    """Take time away from functions, and from all that are around them.

    A total time has each moment once, however often the function is open at that moment. So what
    came by is divided by how often the same amount does: that leaves the amounts that came by at all.

    Args:
        found: the table; it is changed.
        ways: where the time goes.
        taken: what is taken away, by the function that spent it.
    """
    passed = ways.up(taken, LEAST_NS)
    circles = ways.circles(passed)
    few = len(circles) <= MOST_IN_CIRCLES
    again = {name: ways.up({name: 1.0}, LEAST_SHARE) for name in passed if few and name in circles}
    for name, amount in passed.items():
        if name not in found or (name in circles and not few):
            continue
        counts, callers = found[name]
        less_ns = amount / again[name].get(name, 1.0) if name in again else amount
        _, shares = ways.shares(name)
        parts = {}
        for caller, part in callers.items():
            if caller == name:
                gone = part[3] * min(less_ns / counts[3], 1.0) if counts[3] else 0.0
            else:
                share = shares.get(caller, 0.0)
                gone = amount * share
                if caller in again:
                    gone /= 1.0 + again[caller].get(name, 0.0) * share
            parts[caller] = _shorter(part, gone)
        found[name] = (_shorter(counts, less_ns), parts)


def _shorter(counts: Counts, ns: float) -> Counts:
    return (*counts[:3], max(counts[3] - round(ns), counts[2]))
