"""`rnnprof.attach`: a training loop told by torch's own calls, without its source."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable
from typing import Any

from rnnprof.errors import UsageError
from rnnprof.instrument.dynamo import compiling, stand_in
from rnnprof.instrument.hooks import ModuleStages
from rnnprof.instrument.implied import ImpliedSteps, Role
from rnnprof.instrument.patches import Known, Patches, underneath

_CLIPS = ("clip_grad_norm_", "clip_grad_norm", "clip_grad_value_", "clip_grads_with_norm_")


def attach(model: Any, *, optimizer: Any = None, criterion: Any = None, depth: int = 1) -> Attachment:
    """Mark the stages of a training loop by hooks, without a change of its source.

    In whatever profile is active, calls of the model become the stage ``forward`` with the model's
    children in it, calls of the criterion ``loss``, `Tensor.backward` and those of
    `torch.autograd` ``backward`` (with the children too, on a CPU), the optimizer's ``step``
    ``update``, its and the model's ``zero_grad`` that, and `torch.nn.utils.clip_grad_norm_` and
    its like ``clip``. What was imported by name before (``from torch.nn.utils import
    clip_grad_norm_``) cannot be reached.

    Where you mark no steps yourself, they are implied: a step goes from one return of the
    optimizer's ``step`` (of the last optimizer, if there are several) to the next. A call of the
    model before anything trains in a step, in evaluation mode or without gradients, is a visit of
    the lane ``evaluate``. An update that a GradScaler leaves out ends no step. Without an optimizer
    there are no steps but your own, nor are there inside lanes and stages of your own.

    Args:
        model: a `torch.nn.Module`, or a list of them.
        optimizer: a `torch.optim.Optimizer`, or a list of them.
        criterion: a loss that is a `torch.nn.Module`, or a list of them.
        depth: how many levels of the model's children are opened; 0 for none.

    Returns:
        The attachment: a context manager, with `remove`.

    Raises:
        UsageError: if something cannot be hooked.
    """
    return Attachment(model, optimizer, criterion, depth)


class Attachment:
    """What `attach` has hooked; it is undone by `remove`, or at the end of a ``with`` block."""

    def __init__(self, model: Any, optimizer: Any, criterion: Any, depth: int) -> None:
        torch = sys.modules.get("torch")
        module = torch.nn.Module if torch is not None else ()
        models = _all(model, module, "model", "a torch.nn.Module")
        criteria = _all(criterion, module, "criterion", "a torch.nn.Module")
        optimizers = _all(
            optimizer, () if torch is None else torch.optim.Optimizer, "optimizer", "a torch.optim.Optimizer"
        )
        if not models:
            raise UsageError("attach needs a model: a torch.nn.Module or a list of them")
        if isinstance(depth, bool) or not isinstance(depth, int) or depth < 0:
            raise UsageError(f"depth is a whole number, 0 or more, not {depth!r}")
        self._steps = ImpliedSteps(bool(optimizers))
        self._stages = ModuleStages(depth)
        self._patches = Patches()
        self._known: list[Known] = []
        self._attached = True
        try:
            self._hook(torch, models, optimizers, criteria)
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """Undo everything, and drop an implied step that is open; a second call does nothing."""
        self._attached = False
        self._steps.close()
        self._patches.undo()
        self._stages.close()
        for known in self._known:
            known.clear()

    def __enter__(self) -> Attachment:
        return self

    def __exit__(self, *error: Any) -> None:
        self.remove()

    # ---- hooks ------------------------------------------------------------------------------

    def _hook(self, torch: Any, models: list[Any], optimizers: list[Any], criteria: list[Any]) -> None:
        enabled = torch.is_grad_enabled
        for model in models:
            self._stages.watch(model)

        def forward(model: Any) -> Role:
            return Role.TRAINS if model.training and enabled() else Role.FOLLOWS

        self._methods(models, "__call__", "forward", forward)
        self._methods(criteria, "__call__", "loss", lambda _: Role.FOLLOWS)
        self._methods([*models, *optimizers], "zero_grad", "zero_grad", lambda _: Role.PREPARES)
        last = optimizers[-1] if optimizers else None

        def update(optimizer: Any) -> Role:
            return Role.ENDS if optimizer is last else Role.TRAINS

        # A scheduler of the learning rate leaves a `step` of its own on its optimizer.
        replaced = [optimizer for optimizer in optimizers if "step" in vars(optimizer)]
        self._methods([one for one in optimizers if one not in replaced], "step", "update", update)
        for optimizer in replaced:
            role = functools.partial(update, optimizer)
            self._patches.set(optimizer, "step", self._function(vars(optimizer)["step"], "update", role))
        for name in ("backward", "grad"):
            original = getattr(torch.autograd, name)
            self._patches.set(torch.autograd, name, self._function(original, "backward", _trains))
        self._clips(torch.nn.utils, sys.modules["torch.nn.utils.clip_grad"])

    def _clips(self, *modules: Any) -> None:
        marked: dict[Any, Any] = {}
        for owner in modules:
            for name in _CLIPS:
                original = getattr(owner, name, None)
                if original is None:
                    continue
                if original not in marked:
                    marked[original] = self._function(original, "clip", _trains)
                self._patches.set(owner, name, marked[original])

    def _methods(self, things: Iterable[Any], name: str, stage: str, role: Callable[[Any], Role]) -> None:
        """Mark a method of these objects, and of no other of their classes."""
        known = Known()
        self._known.append(known)
        for thing in things:
            known.remember(thing)
        for cls in dict.fromkeys(type(thing) for thing in things):
            self._patches.set(cls, name, self._method(cls, name, known, stage, role))

    def _method(
        self, cls: type, name: str, known: Known, stage: str, role: Callable[[Any], Role]
    ) -> Callable[..., Any]:
        plain = underneath(cls, name)
        steps, callback = self._steps, compiling()
        original = getattr(plain, name)

        @functools.wraps(original)
        def marked(thing: Any, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            if id(thing) not in known or callback() is not None:
                return getattr(plain, name)(thing, *args, **kwargs)
            opened = steps.stage(stage, role(thing))
            if opened is None:
                return getattr(plain, name)(thing, *args, **kwargs)
            with opened:
                return getattr(plain, name)(thing, *args, **kwargs)

        return stand_in(marked, original)

    def _function(self, original: Any, stage: str, role: Callable[[], Role]) -> Callable[..., Any]:
        steps, callback = self._steps, compiling()

        @functools.wraps(original)
        def marked(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            if not self._attached or callback() is not None:
                return original(*args, **kwargs)
            opened = steps.stage(stage, role())
            if opened is None:
                return original(*args, **kwargs)
            with opened:
                return original(*args, **kwargs)

        return stand_in(marked, original)


def _trains() -> Role:
    return Role.TRAINS


def _all(given: Any, kind: Any, what: str, wanted: str) -> list[Any]:
    """What was given for an argument as a list, each checked."""
    if given is None:
        return []
    things = list(given) if isinstance(given, (list, tuple)) else [given]
    for thing in things:
        if not isinstance(thing, kind):
            reason = ""
            if isinstance(thing, type):
                reason = f": give an object, not the class {thing.__name__}"
            elif what == "criterion" and callable(thing):
                reason = ": a plain function cannot be hooked, mark it with rnnprof.stage('loss')"
            raise UsageError(f"{what} is {wanted} or a list of them, not {type(thing).__name__}{reason}")
    return things
