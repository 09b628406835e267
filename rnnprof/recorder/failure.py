"""The exception that ended the profile, in words: where it came from, and which state it was about."""

from __future__ import annotations

import linecache
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from types import FrameType, FunctionType, TracebackType
from typing import Any

from rnnprof.environment import HIDDEN, SECRET, hide_secrets
from rnnprof.network import Line
from rnnprof.places import Libraries, is_own, source
from rnnprof.recorder.carried import carried
from rnnprof.unwarned import unwarned
from rnnprof.variables import variables
from rnnprof.vitals import CHANGED, SECOND, Failure

STATES = ("hidden", "state", "states", "memory", "mems", "h", "c", "hx", "cx", "hc")
"""Names of states, for where there is no loop to be read."""
LIKELY = ("hidden", "state", "mem", "hx", "cx")
"""Parts of the names of attributes that are states."""
PLAIN = (str, int, float, bool, bytes, type(None))
"""Types whose text is Python's own work."""
MOST_CHARACTERS = 300
MOST_STATES = 8
MOST_FRAMES = MOST_MODULES = 200
MOST_ITEMS = 64
"""Members of a list, and attributes of an object, that are looked at."""

Frame = tuple[FrameType, int]
"""A frame of the traceback, and the line that it was at."""


def failure(error: Exception) -> Failure:
    """Put an exception into words; nothing of it, or of its frames, is kept.

    Args:
        error: the exception, with its traceback.
    """
    torch = sys.modules.get("torch")
    libraries = Libraries(torch if hasattr(torch, "__file__") else None)
    frames = list(_frames(error.__traceback__, libraries))
    words = _words(error)
    states: tuple[str, ...] = ()
    line: Line | None = None
    if torch is not None and (SECOND in words or CHANGED in words):
        # Without its states, a failure is still worth saying.
        with suppress(Exception):
            states, line = _states(torch, frames)
    return Failure(
        kind=type(error).__name__,
        message=without_secrets(words)[:MOST_CHARACTERS],
        line=_line(*frames[0]) if frames else None,
        states=states,
        state_line=line,
    )


def _words(error: Exception) -> str:
    """What an exception says, if that is nothing that the program computes: else its texts alone."""
    shown, given = type(error).__str__, error.args
    if isinstance(shown, FunctionType) or any(type(one) not in PLAIN for one in given):
        return " ".join(one for one in given if type(one) is str)
    return str(error)


def without_secrets(words: str) -> str:
    """A message on one line, without what looks like a key or a token."""
    shown: list[str] = []
    hide_next = False
    for word in hide_secrets(words[: 20 * MOST_CHARACTERS].split()):
        shown.append(HIDDEN if hide_next else word)
        name = re.match(r"""["']?([\w-]+)["']?[:=]["']?$""", word)
        hide_next = name is not None and SECRET.search(name[1]) is not None
    return " ".join(shown)


def _frames(trace: TracebackType | None, libraries: Libraries) -> Iterator[Frame]:
    """The program's own frames of a traceback, the innermost first."""
    found: list[Frame] = []
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not is_own(file) and not libraries.has(file):
            found.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    yield from found[: -MOST_FRAMES - 1 : -1]


def _line(frame: FrameType, line: int) -> Line:
    file = frame.f_code.co_filename
    return Line(file, line or 0, frame.f_code.co_name, source(file, line or 0))


# ---- states ----------------------------------------------------------------------------------


def _states(torch: Any, frames: list[Frame]) -> tuple[tuple[str, ...], Line | None]:
    """The names of what a loop carries with its graph, and the line that hands the first of them on."""
    guessed: tuple[str, ...] = ()
    for frame, line in frames:
        names = {**frame.f_globals, **variables(frame)}
        for read_at in _carried(frame, line):
            found = [name for name in read_at if _has_graph(torch, _value(names, name))]
            if found:
                return tuple(found[:MOST_STATES]), _line(frame, read_at[found[0]])
        guessed = guessed or tuple(name for name in STATES if _has_graph(torch, names.get(name)))
        guessed = guessed or _attributes(torch, names)
    return guessed[:MOST_STATES], None


def _carried(frame: FrameType, line: int) -> list[dict[str, int]]:
    text = "".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals))
    try:
        with unwarned():
            return list(carried(text, line))
    except (SyntaxError, ValueError, RecursionError):
        return []


def _value(names: dict[str, Any], name: str) -> Any:
    """What a name such as ``self.h`` stands for; nothing of the program's is called for it."""
    first, *rest = name.split(".")
    found = names.get(first)
    for one in rest:
        found = _kept(found).get(one)
    return found


def _kept(thing: Any) -> dict[str, Any]:
    """The attributes that an object holds itself."""
    try:
        found = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return {}
    return found if isinstance(found, dict) else {}


def _attributes(torch: Any, names: dict[str, Any]) -> tuple[str, ...]:
    """States that models keep themselves, such as ``model.hidden``, or that ``self`` keeps."""
    found = list(_in_models(torch, names))
    likely = [name for name in found if any(word in name.rpartition(".")[2] for word in LIKELY)]
    # What else a model keeps may be no state, but its last output.
    return tuple((likely or (found if len(found) == 1 else []))[:MOST_STATES])


def _in_models(torch: Any, names: dict[str, Any]) -> Iterator[str]:
    """Tensors with a graph that models, and ``self``, hold as attributes."""
    module: type = torch.nn.Module
    own = _kept(names.get("self"))
    models = {**{f"self.{name}": one for name, one in own.items()}, **names}
    todo = [pair for pair in models.items() if pair[0] == "self" or issubclass(type(pair[1]), module)]
    seen: set[int] = set()
    while todo and len(seen) < MOST_MODULES:
        above, one = todo.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        kept = _kept(one)
        for held in (kept, kept.get("_buffers") or {}):
            for key, value in list(held.items())[:MOST_ITEMS]:
                if not key.startswith("_") and _has_graph(torch, value):
                    yield f"{above}.{key}"
        todo += [(f"{above}.{key}", child) for key, child in (kept.get("_modules") or {}).items()]


def _has_graph(torch: Any, value: Any, depth: int = 3) -> bool:
    """Whether a value is a tensor with a graph, no loss and no parameter, or a list or tuple of such."""
    if type(value) is torch.Tensor:
        return value.grad_fn is not None and value.dim() > 0
    for kind in (list, tuple) if depth else ():
        # The class's own way to go through it, and its real type: the program's is not called.
        if issubclass(type(value), kind):
            items = islice(kind.__iter__(value), MOST_ITEMS)
            return any(_has_graph(torch, one, depth - 1) for one in items)
    return False
