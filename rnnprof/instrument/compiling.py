"""`torch.compile` gets functions as the user wrote them: it cannot trace marks."""

from __future__ import annotations

import contextlib
import functools
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

from rnnprof.instrument.dynamo import compiling, skip, stand_in
from rnnprof.instrument.importer import AfterImport
from rnnprof.instrument.patches import Patches
from rnnprof.instrument.turns import TRAINED, Trained


class Compiling:
    """Puts the user's own code back into functions before they are compiled.

    What is given to `torch.compile` is seen when it is called; what that calls in turn, when Dynamo
    comes to it, for it may be defined later, or be an argument.

    Args:
        pristine: the code as the user wrote it, by the code that was loaded in its place; it may
            still grow.
    """

    def __init__(self, pristine: Mapping[types.CodeType, types.CodeType]) -> None:
        self._pristine = pristine
        self._patches = Patches()
        self._follows = False
        self._finder = AfterImport("torch", self._patch)

    def open(self) -> None:
        """Stand before `torch.compile` from now on, also where torch is yet to be imported."""
        if "torch" in sys.modules:
            self._patch()
        else:
            self._finder.install()

    def close(self) -> None:
        """Undo everything but what was put back; a second call does nothing."""
        self._finder.remove()
        self._patches.undo()

    def _patch(self) -> None:
        torch = sys.modules["torch"]
        original = getattr(torch, "compile", None)
        if original is None:
            return
        callback = compiling()

        # As a decorator with arguments it comes back here: torch calls it by this name.
        @functools.wraps(original)
        def compile(model: Any = None, *args: Any, **kwargs: Any) -> Any:
            if callback() is None:
                with contextlib.suppress(Exception):
                    self._prepare(model)
            return original(model, *args, **kwargs)

        self._patches.set(torch, "compile", stand_in(compile, original))

    def _prepare(self, model: Any) -> None:
        for function in _functions(model):
            self._restore(function)
        # Marked code that Dynamo meets as a frame of its own runs as it is.
        for code in list(self._pristine):
            skip(code)
        if not self._follows:
            self._follows = True
            self._follow()

    def _follow(self) -> None:
        """Stand before Dynamo's look at the code of a function that is called."""
        from torch._dynamo.variables.functions import UserFunctionVariable as Traced

        original = Traced.get_code

        @functools.wraps(original)
        def get_code(traced: Any) -> Any:
            self._restore(traced.fn)
            return original(traced)

        self._patches.set(Traced, "get_code", get_code)

    def _restore(self, function: Any) -> None:
        code = getattr(function, "__code__", None)
        if code is not None and (plain := self._pristine.get(code)) is not None:
            if TRAINED in code.co_consts:
                Trained.unseen = True
            function.__code__ = plain


def _functions(thing: Any) -> Iterator[types.FunctionType]:
    """The functions of the user's that are certainly compiled with a thing."""
    if isinstance(thing, types.MethodType):
        yield from _functions(thing.__func__)
        thing = thing.__self__
    if isinstance(thing, types.FunctionType):
        yield thing
        return
    modules = thing.modules() if isinstance(thing, sys.modules["torch"].nn.Module) else [thing]
    for cls in {cls for one in modules for cls in type(one).__mro__}:
        yield from (one for one in vars(cls).values() if isinstance(one, types.FunctionType))
