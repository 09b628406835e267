"""`torch.compile` gets functions as the user wrote them: it cannot trace marks."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

from rnnprof.instrument.patches import Patches


class Compiling:
    """Puts the user's own code back into functions before they are compiled.

    Args:
        pristine: the code as the user wrote it, by the code that was loaded in its place.
    """

    def __init__(self, pristine: Mapping[types.CodeType, types.CodeType]) -> None:
        self._pristine = pristine
        self._patches = Patches()
        self._finder = _AfterTorch(self)

    def open(self) -> None:
        """From now on, also where torch is yet to be imported."""
        if "torch" in sys.modules:
            self.patch()
        else:
            sys.meta_path.insert(0, self._finder)

    def close(self) -> None:
        """Undo everything."""
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        self._patches.undo()

    def patch(self) -> None:
        """Stand before `torch.compile`."""
        torch = sys.modules["torch"]
        original = torch.compile

        def compile(model: Any = None, *args: Any, **kwargs: Any) -> Any:
            self.restore(model)
            if model is None:
                made = original(model, *args, **kwargs)

                def decorate(function: Any) -> Any:
                    self.restore(function)
                    return made(function)

                return decorate
            return original(model, *args, **kwargs)

        compile.__doc__, compile.__wrapped__ = original.__doc__, original  # type: ignore[attr-defined]
        self._patches.set(torch, "compile", compile)

    def restore(self, thing: Any) -> None:
        """Take the marks out of a function, and of those of the user's that it may call."""
        seen: set[int] = set()
        queue = list(_functions(thing))
        while queue:
            function = queue.pop()
            if id(function) in seen:
                continue
            seen.add(id(function))
            plain = self._pristine.get(function.__code__)
            if plain is not None and len(plain.co_freevars) == len(function.__code__.co_freevars):
                function.__code__ = plain
            if plain is not None:
                names = function.__code__.co_names
                queue += [
                    found
                    for name in names
                    if isinstance(found := function.__globals__.get(name), types.FunctionType)
                ]


def _functions(thing: Any) -> Iterator[types.FunctionType]:
    if isinstance(thing, types.MethodType):
        thing = thing.__func__
    if isinstance(thing, types.FunctionType):
        yield thing
        return
    for cls in type(thing).__mro__:
        yield from (one for one in vars(cls).values() if isinstance(one, types.FunctionType))


class _AfterTorch:
    """A finder that finds nothing, but notes when the first module after torch is looked for."""

    def __init__(self, compiling: Compiling) -> None:
        self._compiling = compiling

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        torch = sys.modules.get("torch")
        if torch is not None and hasattr(torch, "compile") and name.partition(".")[0] != "torch":
            sys.meta_path.remove(self)
            self._compiling.patch()
