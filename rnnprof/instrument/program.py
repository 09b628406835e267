"""A user's program while it is measured: its source is planned once and rewritten as it is loaded."""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rnnprof.instrument.reading.by_hand import marked_by_hand
from rnnprof.instrument.reading.plan import Plan
from rnnprof.instrument.reading.project import Project, decoded
from rnnprof.instrument.rewrite import Rewriter, compiled
from rnnprof.instrument.rules import Rule


class Program:
    """The script and the modules beside it.

    Args:
        path: the script.
        roots: the folders that the user's modules lie in.
        own: rules of the user's.
        watch: called with each model that a forward statement runs.

    Attributes:
        plan: what was decided; None where the script itself is no Python that can be read.
        error: what kept it from being planned.
        by_hand: where the program marks its steps itself, so that nothing is planned; or None.
        pristine: the code as the user wrote it, by the code that was loaded in its place.
    """

    def __init__(
        self,
        path: Path,
        roots: list[Path],
        own: Iterable[Rule] = (),
        watch: Callable[[Any], None] | None = None,
    ) -> None:
        self.project = Project(roots)
        self.plan: Plan | None = None
        self.error: Exception | None = None
        self.by_hand: str | None = None
        try:
            if self.project.add(path, "__main__") is not None:
                self.by_hand = marked_by_hand(self.project)
                self.plan = Plan(self.project, own) if self.by_hand is None else None
        except Exception as error:
            # Whatever it is: the program runs all the same, and is measured as a whole.
            self.error = error
        self.pristine: dict[types.CodeType, types.CodeType] = {}
        self._own = tuple(own)
        self._watch = watch
        self._loaded: dict[Path, tuple[bytes, types.CodeType]] = {}

    def compile(self, filename: str, data: bytes) -> types.CodeType | None:
        """The code of a file with marks in it.

        Args:
            filename: the file.
            data: its content.

        Returns:
            The code, without marks if the file was changed since it was planned; None for a file
            that needs none.

        Raises:
            SyntaxError: the file is no Python, as Python itself would say.
            ValueError: the file holds null bytes, likewise.
        """
        path = Path(filename)
        source = self.project.sources.get(path)
        if self.plan is None or source is None:
            return None
        if not any(function.source is source for function in self.plan.functions.values()):
            return None
        plain = compile(data, filename, "exec", dont_inherit=True)
        known = self._loaded.get(path)
        if known is not None and known[0] == data:
            return known[1]
        if known is not None or decoded(data) != source.text:
            # The file was changed since it was planned: as it is now, nothing is known of it.
            return plain
        code = compiled(Rewriter(self.plan, source, self._watch), filename)
        self._remember(code, plain)
        self._loaded[path] = data, code
        return code

    def _remember(self, code: types.CodeType, plain: types.CodeType) -> None:
        self.pristine[code] = plain
        # Code that nothing can reach may be left out of one of the two.
        known = _inside(plain)
        for place, one in _inside(code).items():
            if place in known:
                self._remember(one, known[place])


def _inside(code: types.CodeType) -> dict[tuple[Any, ...], types.CodeType]:
    """The code of the functions in a function, by their names, lines and contents."""
    found: dict[tuple[Any, ...], types.CodeType] = {}
    alike: Counter[tuple[Any, ...]] = Counter()
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            place = one.co_name, one.co_firstlineno, one.co_names, one.co_varnames, one.co_freevars
            key = (*place, alike[place])
            found[key] = one
            alike[place] += 1
    return found
