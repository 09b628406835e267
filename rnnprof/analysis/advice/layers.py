"""Recurrent layers that do not take the fast way of the device that they are on, and why."""

from __future__ import annotations

from collections.abc import Iterable

from rnnprof import units
from rnnprof.analysis.advice.advised import Finding
from rnnprof.analysis.advice.case import Case, at
from rnnprof.analysis.advice.cells import CELL, CLASSES
from rnnprof.analysis.advice.fast_ways import Hindrance, hindrance
from rnnprof.analysis.advice.holding import held
from rnnprof.network import Recurrent

COMPOSED = "composed"


def one_chunk(case: Case) -> Iterable[Finding]:
    """Find layers whose weights cuDNN has to copy together at every call."""
    rows = case.seen("recurrent").recurrent
    scattered = [one for one in rows if one.one_chunk is False and one.way != COMPOSED]
    if not scattered:
        return
    one = scattered[0]
    calls = sum(each.calls for each in scattered)
    yield Finding(
        key="one_chunk",
        title=f"The weights of `nn.{_name(one)}` do not lie in one piece of memory",
        evidence=(
            f"{units.count(calls)} call{'s' * (calls != 1)} in a step: each first copies all the weights "
            "into one piece, which takes time and as much memory again."
        ),
        change=(
            "Call `flatten_parameters()` of the layer after what took the weights apart: loading or copying "
            "the model, moving single weights, `nn.DataParallel` (there: at the start of `forward`). A layer "
            "with weight norm, or whose weights are made anew in each step, cannot be helped so."
        ),
        check="torch's warning that RNN module weights are not part of single contiguous chunk is gone.",
        stage=one.path,
        **at(one.line),
    )


def fast_path(case: Case) -> Iterable[Finding]:
    """Find layers that are computed operator by operator where cuDNN or oneDNN could do it in one call."""
    rows = [one for one in case.seen("recurrent").recurrent if _slow(one)]
    found: dict[Hindrance, list[Recurrent]] = {}
    for one in rows:
        why = hindrance(one, case.run.environment)
        if why is not None:
            found.setdefault(why, []).append(one)
    for why, layers in found.items():
        one = layers[0]
        saving, bound = held(case, layers)
        yield Finding(
            key="fast_path",
            title=f"`nn.{_name(one)}` does not take the way of {why.library}",
            evidence=f"{_sizes(one)} is computed operator by operator: {why.reason}",
            change=why.change,
            check="Compare both runs with `rnnprof compare`, and the losses of the first steps.",
            saving=saving,
            bound=f"{bound} {why.library} still has the same products to do." if bound else "",
            stage=one.path,
            **at(one.line),
        )


def _slow(one: Recurrent) -> bool:
    whole = not one.kind.endswith(CELL) and one.kind in CLASSES
    return whole and one.backward and one.way == COMPOSED


def _name(one: Recurrent) -> str:
    return CLASSES.get(one.kind.removesuffix(CELL), "RNN")


def _sizes(one: Recurrent) -> str:
    return (
        f"`nn.{_name(one)}` ({units.count(one.time_steps)} time steps, batch {units.count(one.batch)}, "
        f"hidden {units.count(one.hidden_size)})"
    )
