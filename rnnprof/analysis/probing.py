"""Join what the probed step showed with the times of the measured steps."""

from __future__ import annotations

from collections.abc import Sequence

from rnnprof import units
from rnnprof.analysis.clocked import ClockReport
from rnnprof.analysis.memory_rows import main_memory, memory_reports
from rnnprof.analysis.peaks import Peaks, peaks
from rnnprof.analysis.probed import MemoryReport, ProbeReport, TypeWork, WorkReport, WorkRow
from rnnprof.analysis.rows import Divided
from rnnprof.analysis.stage_times import CPU, StepTimes, step_times
from rnnprof.analysis.wait_rows import wait_report
from rnnprof.analysis.work_rows import work_rows
from rnnprof.model import Run
from rnnprof.probes import Probe

NAMED = 4
"""Operators without a formula that a sentence names."""

AS_TF32 = " (rounded to TF32)"


def probe_report(run: Run, main: Divided | None, clocks: ClockReport | None = None) -> ProbeReport | None:
    """Join what the probed step showed with the times of the measured steps.

    Args:
        run: the saved measurement.
        main: the lane that matters most, divided; None without steps.
        clocks: its clocks side by side; None without an accelerator.

    Returns:
        Every number that a report prints of it, or None without a probe.
    """
    probe = run.probe
    if probe is None:
        return None
    memory = memory_reports(probe)
    return ProbeReport(
        step=probe.step,
        device=probe.device,
        total_ns=probe.total_ns,
        waits=wait_report(probe),
        work=_work(run, probe, (main, clocks), main_memory(memory, probe.device)),
        memory=memory,
    )


def _work(
    run: Run,
    probe: Probe,
    measured: tuple[Divided | None, ClockReport | None],
    memory: MemoryReport | None,
) -> WorkReport:
    times = step_times(run, probe, *measured)
    known = peaks(run.environment, probe.device)
    rows, step = work_rows(probe, times, measured[1], known, memory)
    said = [_of_peaks(known, step.types), _of_times(times, probe.device, measured[1]), _of_formulas(probe)]
    absolute = memory is not None and memory.peak_bytes is not None
    return WorkReport(
        sentence=_sentence(step, absolute, memory.place if memory else "", bool(probe.uncounted)),
        rows=rows,
        step=step,
        kind=times.kind,
        peaks=known,
        uncounted=probe.uncounted,
        notes=tuple(note for note in said if note) if probe.work else (),
        place=memory.place if memory else "",
        absolute=absolute,
    )


def _sentence(step: WorkRow, absolute: bool, place: str, uncounted: bool) -> str:
    """The whole step in one sentence."""
    parts = []
    if step.flops:
        rate = step.flops_per_second
        at = "" if rate is None else f" ({units.metric(rate, 'FLOP/s')})"
        parts.append(f"computes {'at least ' * uncounted}{units.metric(step.flops, 'FLOP')}{at}")
    if step.peak_bytes is not None:
        size, where = units.size(step.peak_bytes), units.visible(place)
        parts.append(
            f"has at most {size} allocated on {where}"
            if absolute
            else f"adds at most {size} to what is allocated on {where}"
        )
    return f"One step {' and '.join(parts)}." if parts else ""


def _of_peaks(known: Peaks | None, types: Sequence[TypeWork]) -> str:
    """What the device can do, or how to find out."""
    if known is None:
        return "What the device can do at most is not known; `rnnprof run --measure-peaks` measures it."
    rates = []
    for one in types:
        if one.flops and one.peak:
            rounded = AS_TF32 if known.tf32 and one.dtype == "float32" else ""
            rates.append(f"{units.metric(one.peak, 'FLOP/s')} of {one.dtype}{rounded}")
    rates += [units.metric(known.bytes, "B/s")] if known.bytes else []
    if not rates:
        return "What the device can do at most of this is not known."
    how = "measured" if known.measured else "by its clocks"
    of = f"{known.name} can do" if known.name else "The device can do"
    return f"{of} at most, {how}: {', '.join(rates)}."


def _of_times(times: StepTimes, device: str, clocks: ClockReport | None) -> str:
    """What rates are over."""
    if times.busy_ns:
        said = "Rates are over the time in which the device ran a stage's kernels, in traced steps"
        return f"{said}; those of the step, over the whole of it."
    if times.own_ns:
        return f"Rates are over a stage's own time, mean of {units.count(times.steps)} measured steps."
    if device != CPU and times.kind == "host":
        said = "The host's clock alone times launches and not work: there are no rates of stages."
        return f"{said} Record with `--clock auto`, or with `--trace`."
    if times.kind and clocks is not None and not clocks.truth:
        return "No clock saw the device work: there are no rates of stages."
    if times.kind:
        return "The program used streams whose work events miss: there are no rates of stages."
    return "No step was measured: there are no rates."


def _of_formulas(probe: Probe) -> str:
    """What was left out."""
    if not probe.uncounted:
        return ""
    named, more = probe.uncounted[:NAMED], len(probe.uncounted) - NAMED
    others = f" and {units.count(more)} more" if more > 0 else ""
    return f"FLOPs are a lower bound: there is no formula for {', '.join(named)}{others}."
