"""Numbers that a CPU computes slowly with: denormals, and twice the width that is needed."""

from __future__ import annotations

from collections.abc import Iterable

from rnnprof import units
from rnnprof.analysis.advice.advised import Finding
from rnnprof.analysis.advice.case import COMPUTING, Abstain, Case
from rnnprof.analysis.advice.holding import held

DENORMAL = 0.01
"""The least part of the values that is worth a word: one such number slows down the whole vector it is in, by
a hundred cycles and more."""
MOSTLY = 0.5
"""More than this part of the parameters in double precision makes a model one of double precision."""
SINGLE = 2 / 3
"""The part of its time that single precision spares at most: of GRU and RNN layers of 64 to 400 it spared 17
to 57 % (torch 2.13, one core of an AMD EPYC)."""


def denormals(case: Case) -> Iterable[Finding]:
    """Find numbers too small for the usual form, on a CPU that does not take them for zero."""
    looked = case.seen("denormals").denormals
    if not looked:
        raise Abstain("Denormal numbers were not looked for.")
    found = [one for one in looked if one.total and not one.flushed and one.denormal / one.total >= DENORMAL]
    if not found:
        return
    parts = [
        f"{units.fraction(one.denormal / one.total)} of the {one.place} ({units.count(one.denormal)} of "
        f"{units.count(one.total)})"
        for one in found
    ]
    yield Finding(
        key="denormals",
        title="Many numbers are denormal, with which a CPU computes slowly",
        evidence=(
            f"Too small for the usual form, but not zero: {', '.join(parts)}. They come from gradients that "
            "vanish through time and from states that decay."
        ),
        change=(
            "`torch.set_flush_denormal(True)` at the start takes them for zero; it returns `False` on a CPU "
            "that cannot. Call it before anything is computed: threads that are there already may not follow."
        ),
        check="Run again, and compare both runs with `rnnprof compare`; the losses should agree to rounding.",
        bound="How much slower depends on the CPU.",
    )


def float64(case: Case) -> Iterable[Finding]:
    """Find a model of double precision."""
    anatomy = case.seen("parameters")
    parameters = anatomy.parameters
    whole = sum(one.elements for one in parameters)
    if not whole:
        raise Abstain("The parameters' type of number is not known.")
    double = [one for one in parameters if one.dtype == "float64"]
    elements = sum(one.elements for one in double)
    if elements / whole <= MOSTLY:
        return
    share = case.share(COMPUTING)
    on_cpu = all(one.device.partition(":")[0] == "cpu" for one in double)
    part = 1.0 if share is None else share
    whole_of = "the step" if share is None else "forward, loss and backward"
    # In float32 torch gives an LSTM to oneDNN: of that more can go than half.
    given = on_cpu and case.run.environment.get("onednn_enabled") is True
    lstm = [one for one in anatomy.recurrent if given and one.kind == "lstm" and one.dtype == "float64"]
    layers = held(case, lstm)[0] or 0.0
    yield Finding(
        key="float64",
        title="The model computes in double precision",
        evidence=(
            f"{units.count(elements)} of {units.count(whole)} parameters are float64, "
            f"{units.fraction(elements / whole)}. "
            + (
                "A float32 has half the bytes, and a vector instruction takes twice as many of them."
                + (" An `nn.LSTM` of float32 is one call of oneDNN." if lstm else "")
                if on_cpu
                else "A float32 has half the bytes, and many devices compute far faster with it."
            )
        ),
        change=(
            "`model.float()`, and the data too: arrays of NumPy are float64 unless told otherwise, so "
            "`torch.from_numpy(array).float()`. Leave `torch.get_default_dtype()` at float32."
        ),
        check="Run again, and compare both runs with `rnnprof compare`; look at the losses as well.",
        saving=part * SINGLE + min(layers, part) * (1 - SINGLE) if on_cpu else part,
        bound=(
            f"Two thirds of {whole_of}: half for half the bytes and twice the width of a vector, and some "
            "for what then fits into a cache" + ("; of `nn.LSTM` all." if layers else ".")
            if on_cpu
            else f"All of {whole_of}."
        ),
    )
