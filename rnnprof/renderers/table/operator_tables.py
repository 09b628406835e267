"""The tables of operators and kernels, and the words below them."""

from __future__ import annotations

from collections.abc import Sequence

from rnnprof import units
from rnnprof.analysis.agreement import Agreement
from rnnprof.analysis.captured import DeviceTime, OperatorRow, TracedRow, TraceReport
from rnnprof.renderers.table.model import (
    Block,
    Column,
    Row,
    Section,
    Table,
    Words,
    duration,
    exact,
    many,
    rate,
    whole,
)

NAME = 30
"""Width of an operator's name that is kept free before a column is."""
KERNELS = (
    Column("stage, kernel", right=False),
    Column("share", bar=True),
    Column("device"),
    Column("gaps", rank=2),
    Column("busy", rank=1),
    Column("launches", rank=3),
)

WINDOW = ("first_step", "last_step", "steps")
HOST = ("calls", "calls_per_step", "self_ns", "self_per_step_ns", "share", "percent")
DEVICE = ("device_ns", "device_per_step_ns", "device_share", "device_percent")
ALONE = ("busy_ns", "gap_ns", "busy_share", "launches", "launches_per_step")
"""Columns for programs: of the window, on the host, on the device, and there only of stages."""


def blocks(traces: Sequence[TraceReport], agreement: Agreement | None) -> list[Block]:
    """What a report for reading shows of the traces: the last window, since it is past every warmup.

    Args:
        traces: all windows, at least one.
        agreement: whether they tell the same as the stage marks.

    Returns:
        The table of operators, with a device that of kernels, and what to know of them.
    """
    trace, others = traces[-1], traces[:-1]
    columns = [Column("stage, operator", right=False), Column("share", bar=True), Column("self")]
    columns += [Column("device", rank=1)] if trace.device else []
    columns += [Column("calls", rank=2)]
    title = f"Operators of each stage (torch.profiler, {_which(trace)}, time in one step)"
    rows = tuple(row for stage in trace.stages for row in _stage(stage, trace.device))
    shown: list[Block] = [Table(tuple(columns), (Section(title, rows),), bars=True, name=NAME)]
    words = "self: host time in the operator itself; share: of the traced steps; in no operator: Python, and "
    words += "what tracing costs."
    if trace.device:
        words += " device: time of the kernels that it launched."
    words += f" Means of {many(trace.steps, 'step')}, too few for a spread; CSV and JSON have all operators."
    words += f" The trace: {_file(trace)}."
    lines = [words]
    if others:
        also = ", ".join(f"{_which(other)} in {_file(other)}" for other in others)
        lines.append(f"Also traced: {also}.")
    if agreement and agreement.agrees:
        lines.append(agreement.sentence)
    shown.append(Words("legend", tuple(lines)))
    if trace.total:
        title = f"Kernels of each stage (torch.profiler, {_which(trace)}, time in one step)"
        done = [stage.path for stage in trace.stages if _worked(stage.device)]
        around = {path[:end] for path in done for end in range(1, len(path))}
        kernels = [row for stage in trace.stages if stage.path in {*done, *around} for row in _device(stage)]
        kernels.append(Row(_device_cells("all stages", trace.total), quiet=True))
        words = "share: of the time of all kernels; gaps: the device waited for a kernel of this stage; "
        words += "busy: time in which a kernel ran over that and the gaps."
        shown.append(Table(KERNELS, (Section(title, tuple(kernels)),), bars=True, name=NAME))
        shown.append(Words("legend", (words,)))
    return shown


def _which(trace: TraceReport) -> str:
    if trace.first_step == trace.last_step:
        return f"step {trace.first_step}"
    return f"steps {trace.first_step}–{trace.last_step}"


def _file(trace: TraceReport) -> str:
    also = [name for name in ("shapes", "stack", "memory") if getattr(trace, name)]
    return f"{units.visible(trace.file)} ({', '.join([units.size(trace.bytes), *also])})"


def _stage(stage: TracedRow, device: bool) -> list[Row]:
    depth = max(len(stage.path) - 1, 0)
    on_device = (duration(stage.device.device_per_step_ns),) if stage.device else ()
    cells = (units.visible(stage.name), stage.percent, units.duration(stage.self_per_step_ns))
    head = Row((*cells, *on_device, ""), depth, stage.share, quiet=not stage.path, head=bool(stage.path))
    return [head, *(_operator(stage.operators[place], depth + 1, device) for place in stage.shown)]


def _operator(one: OperatorRow, depth: int, device: bool) -> Row:
    on_device = (duration(one.device_per_step_ns),) if device else ()
    cells = (units.visible(one.name), one.percent, units.duration(one.self_per_step_ns))
    return Row((*cells, *on_device, rate(one.calls_per_step)), depth, one.share, quiet=one.remainder)


def _worked(done: DeviceTime | None) -> bool:
    return done is not None and bool(done.device_ns or done.gap_ns or done.launches)


def _device(stage: TracedRow) -> list[Row]:
    """A stage's row and those of its kernels."""
    done = stage.device
    if done is None:
        return []
    depth = max(len(stage.path) - 1, 0)
    cells = _device_cells(units.visible(stage.name), done)
    rows = [Row(cells, depth, done.share, quiet=not stage.path, head=bool(stage.path))]
    for one in done.kernels[: done.shown]:
        long = units.duration(one.device_per_step_ns)
        cells = (units.visible(one.name), one.percent, long, "", "", rate(one.calls_per_step))
        rows.append(Row(cells, depth + 1, one.share))
    return rows


def _device_cells(name: str, done: DeviceTime) -> tuple[str, ...]:
    return (
        name,
        done.percent,
        units.duration(done.device_per_step_ns),
        units.duration(done.gap_per_step_ns),
        done.busy_percent,
        rate(done.launches_per_step),
    )


def raw(traces: Sequence[TraceReport]) -> Table:
    """All stages, operators and kernels of all windows for programs.

    Args:
        traces: the windows; none for a table without rows.
    """
    device = any(trace.device for trace in traces)
    numbers = (*HOST, *DEVICE, *ALONE) if device else HOST
    columns = [Column(title) for title in WINDOW]
    columns += [Column(title, right=False) for title in ("kind", "stage", "path", "name")]
    columns += [Column(title) for title in numbers]
    rows = [
        Row(
            (
                *_values(trace, WINDOW).values(),
                *(kind, stage.name, "/".join(stage.path), name),
                *(known.get(title, "") for title in numbers),
            )
        )
        for trace in traces
        for stage in trace.stages
        for kind, name, known in _rows(stage)
    ]
    return Table(tuple(columns), (Section("", tuple(rows)),))


def _rows(stage: TracedRow) -> list[tuple[str, str, dict[str, str]]]:
    """Kind, name and known numbers of a stage, of its operators and of its kernels."""
    done = stage.device
    known = _values(stage, HOST)
    if done:
        known |= {f"device_{title}": cell for title, cell in _values(done, ("share", "percent")).items()}
        known |= _values(done, (*DEVICE[:2], *ALONE))
    rows = [("stage", stage.name, known)]
    for one in stage.operators:
        kind = "remainder" if one.remainder else "operator"
        rows.append((kind, one.name, _values(one, (*HOST, *DEVICE[:2]))))
    for kernel in done.kernels if done else ():
        known = _values(kernel, ("calls", "calls_per_step", *DEVICE[:2]))
        known |= {f"device_{title}": cell for title, cell in _values(kernel, ("share", "percent")).items()}
        rows.append(("kernel", kernel.name, known))
    return rows


def _values(row: object, titles: Sequence[str]) -> dict[str, str]:
    """Numbers of a row by their names: whole nanoseconds, exact fractions, nothing for unknown ones."""
    values = {title: getattr(row, title) for title in titles}
    return {
        title: str(value)
        if isinstance(value, str)
        else whole(value)
        if title.endswith("_ns")
        else exact(value)
        for title, value in values.items()
    }
