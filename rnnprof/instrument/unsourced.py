"""A step of which no source is at hand: its stages are told by torch's own hooks."""

from __future__ import annotations

import functools
import threading
import types
from collections.abc import Callable
from typing import Any

from rnnprof.instrument.dynamo import compiling, stand_in
from rnnprof.instrument.patches import Patches
from rnnprof.instrument.recording import Recording
from rnnprof.instrument.runtime import StepBlock
from rnnprof.instrument.turns import END
from rnnprof.marks import Mark


class Hooked:
    """A function of which every call is a step.

    While it runs, calls of models, losses, optimizers, `backward` and the clipping functions are
    marked; between its calls nothing is patched.

    Args:
        function: the user's function.
        depth: how deep forward and backward open into the model's children.
    """

    def __init__(self, function: types.FunctionType, depth: int) -> None:
        self._function = function
        self._recording = Recording(depth)
        self._step = StepBlock()

    def wrapped(self) -> Callable[..., Any]:
        """The function to call instead."""

        @functools.wraps(self._function)
        def step(*args: Any, **kwargs: Any) -> Any:
            self._recording.enter()
            with self._patched(), self._step:
                return self._function(*args, **kwargs)

        return step

    def _patched(self) -> Patches:
        import torch

        patches = Patches()
        optimizer = torch.optim.Optimizer
        utils = torch.nn.utils
        for owner, name, stage in (
            (torch.Tensor, "backward", "backward"),
            (torch.autograd, "backward", "backward"),
            (torch.autograd, "grad", "backward"),
            (torch.nn.Module, "zero_grad", "zero_grad"),
            (optimizer, "zero_grad", "zero_grad"),
            (utils, "clip_grad_norm_", "clip"),
            (utils, "clip_grad_value_", "clip"),
        ):
            patches.set(owner, name, _marked(getattr(owner, name), stage))
        for made in _subclasses(optimizer):
            if "step" in vars(made):
                patches.set(made, "step", _marked(vars(made)["step"], "update"))
        patches.set(torch.nn.Module, "__call__", self._called(torch.nn.Module.__call__, torch))
        return patches

    def _called(self, original: Any, torch: Any) -> Callable[..., Any]:
        marks = {True: Mark("loss"), False: Mark("forward")}
        inside = threading.local()
        callback = compiling()
        loss = torch.nn.modules.loss._Loss

        @functools.wraps(original)
        def __call__(module: Any, *args: Any, **kwargs: Any) -> Any:
            if callback() is not None or getattr(inside, "yes", False):
                return original(module, *args, **kwargs)
            inside.yes = True
            try:
                self._recording.watch(module)
                marks[isinstance(module, loss)]()
                return original(module, *args, **kwargs)
            finally:
                inside.yes = False
                END()

        return stand_in(__call__, original)


def _subclasses(cls: type) -> list[type]:
    found = [cls]
    made: list[type] = cls.__subclasses__()
    for one in made:
        found += _subclasses(one)
    return found


def _marked(original: Any, stage: str) -> Callable[..., Any]:
    mark = Mark(stage)
    callback = compiling()

    @functools.wraps(original)
    def marked(*args: Any, **kwargs: Any) -> Any:
        if callback() is not None:
            return original(*args, **kwargs)
        mark()
        try:
            return original(*args, **kwargs)
        finally:
            END()

    return stand_in(marked, original)
