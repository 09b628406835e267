"""What cProfile has counted since one looked last, without what looking itself has called."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable
from operator import attrgetter
from pathlib import Path
from types import CodeType
from typing import Any

from rnnprof.traces.function_stats import NOTHING, Counts, Label, counts_of, label

PACKAGE = str(Path(__file__).parent.parent) + os.sep
PROGRAMS = str(Path(PACKAGE, "examples")) + os.sep
"""Programs that are shipped with rnnprof, but profiled as anyone's."""
MEASURING = tuple(
    str(Path(PACKAGE, name))
    for name in ("recorder", "traces", "marks.", "marks_python.", "track_python.", "step_python.", "tally_")
)
"""Files that call nothing of the program's: what they call is rnnprof's work too."""
LOOKING = (__file__, str(Path(__file__).with_name("function_stages.py")))
"""Files that work while the clock of the counts stands still."""
ONLY_LOOKING = tuple(
    str(Path(__file__).with_name(name))
    for name in ("function_", "cprofile_trace.", "labelled.", "torch_trace.", "probe")
)
"""How the names of all files begin that are there for looking alone."""
COMPILED = "rnnprof._marks"
"""What the names of rnnprof's compiled functions have in them."""


class Uncollected:
    """No garbage is collected within it, so that cProfile's entries can be listed.

    They are a tree that turns at each call. What the collector calls meanwhile (finalizers, functions in
    `gc.callbacks`) would turn it, and whole branches would be left out. Also thousands of entries are
    made and dropped, for which it would run in vain.
    """

    def __enter__(self) -> None:
        self._before = gc.isenabled()
        gc.disable()

    def __exit__(self, *error: object) -> None:
        if self._before:
            gc.enable()


class Changes:
    """The changes of cProfile's counts from one look to the next.

    Args:
        counts: gives cProfile's entries, as `cProfile.Profile.getstats`.
    """

    def __init__(self, counts: Callable[[], Iterable[Any]]) -> None:
        self._counts = counts
        # cProfile keeps its functions' codes and names alive, so their ids stay theirs.
        self._seen: dict[int, Counts] = {}
        self._parts: dict[tuple[int, int], Counts] = {}
        self._labels: dict[int, Label | None] = {}
        self._measuring: set[int] = set()
        self._looking: set[int] = set()

    def take(self) -> tuple[dict[int, Counts], int]:
        """Look again.

        Returns:
            What the program's functions have counted since the last look, by the id of their code
            or name; and the time in rnnprof's own functions, looking excepted, in nanoseconds.
        """
        with Uncollected():
            return self._take()

    def _take(self) -> tuple[dict[int, Counts], int]:
        changed: dict[int, Counts] = {}
        called: list[tuple[int, Counts]] = []
        of_rnnprof = 0
        entries = list(self._counts())
        seen, labels, measuring = self._seen, self._labels, self._measuring
        for key, entry in zip(map(id, map(attrgetter("code"), entries)), entries, strict=True):
            if key not in labels:
                self._meet(key, entry.code)
            if key in measuring:
                called += self._called(key, entry)
            # Whatever changes, the number of calls does.
            if key not in seen or seen[key][1] != entry.callcount:
                counts = _change(seen, key, entry)
                if labels[key] is not None:
                    changed[key] = counts
                elif key not in self._looking:
                    of_rnnprof += counts[2]
        for key, part in called:
            if key in changed:
                changed[key] = less(changed[key], part)
        return changed, of_rnnprof

    def label(self, key: int) -> Label:
        """The label of a function of the program that has changed."""
        return self._labels[key] or ("", 0, "")

    def _meet(self, key: int, code: CodeType | str) -> None:
        """Learn whose a function is."""
        if isinstance(code, str):
            self._labels[key] = None if COMPILED in code else label(code)
            return
        own = of_rnnprof(code.co_filename)
        self._labels[key] = None if own else label(code)
        if own and code.co_filename.startswith(MEASURING):
            self._measuring.add(key)
        if code.co_filename in LOOKING:
            self._looking.add(key)

    def _called(self, key: int, entry: Any) -> list[tuple[int, Counts]]:
        """What a function that measures has called since the last look."""
        found = []
        for part in entry.calls or ():
            one = id(part.code)
            pair = (key, one)
            if pair not in self._parts or self._parts[pair][1] != part.callcount:
                found.append((one, _change(self._parts, pair, part)))
        return found


def of_rnnprof(file: str) -> bool:
    """Whether a source file is rnnprof's own, and no program that is shipped with it.

    Args:
        file: its name, as the code objects have it.
    """
    return file.startswith(PACKAGE) and not file.startswith(PROGRAMS)


def less(counts: Counts, part: Counts) -> Counts:
    """Take a part away; nothing becomes negative, nor the total time less than the own."""
    own = max(counts[2] - part[2], 0)
    return (max(counts[0] - part[0], 0), max(counts[1] - part[1], 0), own, max(counts[3] - part[3], own))


def _change(seen: dict[Any, Counts], key: Any, entry: Any) -> Counts:
    """What an entry has counted since it was seen last."""
    before = seen.get(key, NOTHING)
    seen[key] = after = counts_of(entry)
    return (after[0] - before[0], after[1] - before[1], after[2] - before[2], after[3] - before[3])
