"""Loops over time in the program: one call of a recurrent cell for each time step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rnnprof import units
from rnnprof.analysis.advice.advised import Finding
from rnnprof.analysis.advice.case import Case, at
from rnnprof.analysis.advice.holding import held
from rnnprof.network import Recurrent

MANY = 4
"""Calls of one cell in a step from which they are a loop over time; fewer may well be layers."""
NAMED = 3
"""Cells that the evidence names."""
CELL = "_cell"
CLASSES = {"lstm": "LSTM", "gru": "GRU", "rnn_tanh": "RNN", "rnn_relu": "RNN"}
"""The class in ``torch.nn`` of each kind of layer; that of a cell has ``Cell`` behind it."""


def cells(case: Case) -> Iterable[Finding]:
    """Find loops over time that one call of a whole layer could replace."""
    rows = case.seen("recurrent").recurrent
    loops = sorted(filter(_loop, rows), key=lambda one: -one.calls)
    if not loops or any(map(_whole, rows)):
        return
    layers = list(dict.fromkeys(_class(one) for one in loops))
    whole = " and ".join(f"`nn.{name}`" for name in layers)
    saving, bound = held(case, loops)
    yield Finding(
        key="cells",
        title=f"A loop calls {_called(loops[0])} one time step at a time",
        evidence=f"{_evidence(loops)} {_why(loops, whole)}",
        change=(
            "Where the inputs of all time steps are known before the loop (they are not where an input is "
            "made from the output before it, as in decoding), make one call of "
            f"{whole} over the whole sequence{_stacked(loops)}; a cell's weights are those of a layer of the "
            f"same sizes, under names that end in `_l0`."
        ),
        check="Compare the losses of the first steps, then both runs with `rnnprof compare`.",
        saving=saving,
        bound=f"{bound} A whole layer has the same products to do." if bound else "",
        stage=loops[0].path,
        **at(loops[0].line),
    )


def _loop(one: Recurrent) -> bool:
    """A loop over time, of training: without a gradient a program samples, each word from the one before."""
    alone = one.kind.endswith(CELL) or one.time_steps == 1
    return alone and one.backward and one.calls >= MANY and one.kind.removesuffix(CELL) in CLASSES


def _whole(one: Recurrent) -> bool:
    """A layer over whole sequences: the loop beside it is a decoder's, each input from the output before."""
    return one.backward and not one.kind.endswith(CELL) and one.time_steps >= MANY


def _class(one: Recurrent) -> str:
    return CLASSES[one.kind.removesuffix(CELL)]


def _called(one: Recurrent) -> str:
    return f"`nn.{_class(one)}{'Cell' if one.kind.endswith(CELL) else ''}`"


def _evidence(loops: Sequence[Recurrent]) -> str:
    parts = []
    for one in loops[:NAMED]:
        line = f" in line {one.line.line}" if one.line is not None and one.line.line else ""
        parts.append(
            f"{units.count(one.calls)} calls of {_called(one)}{line} (batch {units.count(one.batch)}, inputs "
            f"{units.count(one.input_size)}, hidden {units.count(one.hidden_size)})"
        )
    more = f", and {units.count(len(loops) - NAMED)} more loops" if len(loops) > NAMED else ""
    return f"In one step: {', '.join(parts)}{more}."


def _why(loops: Sequence[Recurrent], whole: str) -> str:
    if any(one.device == "cuda" for one in loops):
        return f"Each is a few small kernels, and as many backward; {whole} is one call of cuDNN."
    if any(one.kind.startswith("lstm") for one in loops):
        return "On a CPU `nn.LSTM` in float32 is one call of oneDNN."
    return (
        f"On a CPU {whole} does the products of the inputs for all time steps at once, and the rest as "
        "before but without Python."
    )


def _stacked(loops: Sequence[Recurrent]) -> str:
    """Several cells that are called equally often, each with the state of the one below as its input."""
    first = loops[0]
    stack = [
        one
        for one in loops
        if (one.kind, one.calls, one.hidden_size) == (first.kind, first.calls, first.hidden_size)
    ]
    if len(stack) < 2 or not any(one.input_size == first.hidden_size for one in stack):
        return ""
    return f" (with `num_layers={len(stack)}`, if these cells are stacked)"
