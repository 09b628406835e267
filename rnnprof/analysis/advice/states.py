"""Recurrent states in words: their names, and where they should be detached."""

from __future__ import annotations

from collections.abc import Sequence

from rnnprof.model import Run, walk
from rnnprof.network import Line

NAMED = 4
"""States that a sentence names."""
RECURRENT = frozenset(("rnn", "lstm", "gru", "cell", "repackage", "init_hidden"))
"""Stages that only recurrent programs have."""
HELPER = "`repackage` gives `h.detach()` for a tensor, and for a tuple one of what it gives for its members"


def repackage(names: Sequence[str], place: Line | None) -> str:
    """Say where states should be detached.

    Args:
        names: of the states; empty where they are not known.
        place: the line that hands them on.
    """
    named = names[:NAMED] or ("hidden",)
    calls = " and ".join(f"`{name} = repackage({name})`" for name in named)
    if place is None:
        return f"Detach what one step hands on to the next, before the model is called: {calls}; {HELPER}."
    where = f"line {place.line}" if place.line else "the line"
    before = f"{where}, `{place.source}`" if place.source else where
    return f"Write {calls} before {before}; {HELPER}."


def is_recurrent(run: Run) -> bool:
    """Whether a recurrent layer was seen, or a stage that only recurrent programs have."""
    anatomy = run.probe.anatomy if run.probe else None
    if anatomy is not None and anatomy.recurrent:
        return True
    trees = [lane.stages for lane in run.lanes]
    trees += [steps.stages for lane in run.lanes for steps in lane.steps.values()]
    return any(stage.name.lower() in RECURRENT for tree in trees for _, stage in walk(tree))


def listed(names: Sequence[str]) -> str:
    """Names in a row, as a sentence has them; empty without one."""
    parts = [f"`{name}`" for name in names[:NAMED]]
    parts += [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))
