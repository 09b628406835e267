"""speedscope (https://www.speedscope.app, MIT), from the copy in this package."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard
from urllib.parse import quote

from rnnprof.errors import UsageError
from rnnprof.runcheck import shown
from rnnprof.traces import events
from rnnprof.viewers.servers import KINDS, Page, Site, pages_in

STATIC = Path(__file__).parent / "static" / "speedscope"

PLEASANT = 20_000_000
"""Bytes of JSON above which the page takes long to load (70 MB took 20 to 30 s on two busy cores)."""

SCHEMA = "https://www.speedscope.app/file-format-schema.json"

STEP = "step"
"""What every step is called: one name, so that the views which sum up put them together."""

Place = tuple[Any, Any]
"""The process and the thread, or the device and the stream, of a span."""


class Span(NamedTuple):
    """A span; those of a thread sort as they nest.

    Args:
        start: when it began, in nanoseconds.
        minus_end: when it ended, in nanoseconds, negated.
        order: its index in the trace.
        name: as it is shown.
    """

    start: int
    minus_end: int
    order: int
    name: str


def serve(trace: Path, port: int = 0) -> Site:
    """Show a trace in speedscope.

    Args:
        trace: a trace in Chrome's format, gzip-compressed or not.
        port: where to listen; 0 for a free port.

    Returns:
        The viewer, which serves already.

    Raises:
        UsageError: the file is no trace, it has no spans, or the port is taken.
    """
    content = readable(trace)
    pages = pages_in(STATIC)
    pages |= {"/": pages["/index.html"], "/trace.json": Page(content, KINDS[".json"])}
    notices = []
    if len(content) > PLEASANT:
        notices.append(f"{len(content) / 1e6:,.0f} MB are much for speedscope: try --in perfetto")
    return Site(pages, f"/#profileURL=/trace.json&title={quote(trace.name, safe='')}", port, notices)


def readable(trace: Path) -> bytes:
    """A trace in speedscope's own format (its ``file-format-schema.json``).

    It reads Chrome's as well, but fails at a process without a number, of which torch.profiler makes
    one, takes an operator with other arguments for another operator, and needs minutes for what
    takes seconds in its own.

    Args:
        trace: a trace in Chrome's format, gzip-compressed or not.

    Returns:
        JSON: the complete spans of each thread; the thread with the steps first.

    Raises:
        UsageError: the file is no trace, or has no such spans.
    """
    spans: dict[Place, list[Span]] = defaultdict(list)
    names: dict[tuple[str, Any], str] = {}
    for order, event in enumerate(events.read(trace)["traceEvents"]):
        if not isinstance(event, dict):
            continue
        args, start, lasting = event.get("args"), event.get("ts"), event.get("dur", 0)
        place = (_plain(event.get("pid")), _plain(event.get("tid")))
        if event.get("ph") == "X" and _is_time(start) and _is_time(lasting):
            name = str(event.get("name", ""))
            began = events.nanoseconds(start)
            ended = began + max(events.nanoseconds(lasting), 0)
            spans[place].append(Span(began, -ended, order, STEP if name.startswith(events.STEP) else name))
        elif event.get("ph") == "M" and isinstance(args, dict):
            of = place[0] if event.get("name") == "process_name" else place
            names[str(event.get("name")), of] = str(args.get("name", ""))
    if not spans:
        raise UsageError(f"{shown(trace)} has no complete spans: try --in perfetto")
    first = min(span.start for found in spans.values() for span in found)
    frames: dict[str, int] = {}
    ranked = sorted(spans.items(), key=lambda item: _weight(item[1]), reverse=True)
    profiles = [_profile(_name(place, names), sorted(found), first, frames) for place, found in ranked]
    listed = json.dumps([{"name": name} for name in frames])
    text = f'{{"$schema":"{SCHEMA}","shared":{{"frames":{listed}}},"profiles":[{",".join(profiles)}]}}'
    return text.encode()


def _profile(name: str, spans: Iterable[Span], first: int, frames: dict[str, int]) -> str:
    """The spans of one thread as openings and closings, in the order of time.

    Put together as text: a million of small objects would take a minute and gigabytes.
    """
    found: list[str] = []
    open_: list[tuple[int, int]] = []
    last = 0
    for start, minus_end, _, label in spans:
        start -= first
        end = -minus_end - first
        while open_ and open_[-1][0] <= start:
            found.append(_border("C", *open_.pop()))
        # A rounded time, or a span that overlaps another one: the inner ends with the outer.
        end = min(end, open_[-1][0]) if open_ else end
        frame = frames.setdefault(label, len(frames))
        found.append(_border("O", start, frame))
        open_.append((end, frame))
        last = max(last, end)
    found += [_border("C", *inner) for inner in reversed(open_)]
    return (
        f'{{"type":"evented","name":{json.dumps(name)},"unit":"nanoseconds",'
        f'"startValue":0,"endValue":{last},"events":[{",".join(found)}]}}'
    )


def _border(form: str, time: int, frame: int) -> str:
    return f'{{"type":"{form}","frame":{frame},"at":{time}}}'


def _weight(spans: list[Span]) -> tuple[bool, int]:
    return any(span.name == STEP for span in spans), len(spans)


def _name(place: Place, names: dict[tuple[str, Any], str]) -> str:
    process, thread = names.get(("process_name", place[0])), names.get(("thread_name", place))
    return f"{process or place[0]}, {thread or place[1]}"


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | str) else None


def _is_time(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and abs(value) < 1e18
