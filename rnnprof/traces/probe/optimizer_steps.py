"""The optimizers of torch's, and those that a program makes of them, that take a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from rnnprof.anatomy import OptimizerStep
from rnnprof.captures import Path
from rnnprof.network import MOST_ROWS, Line
from rnnprof.traces.probe.ground import Ground
from rnnprof.variables import variables

FUSED = {"Adam": "adam", "AdamW": "adamw", "SGD": "sgd", "Adagrad": "adagrad"}
"""Classes that take ``fused=True``, and the name of their operator."""
OPTIMIZERS = "torch.optim.optimizer"


@dataclass
class _Row:
    device: str
    options: tuple[bool | None, bool | None]
    can_fuse: bool | None
    momentum: bool
    calls: int = 0
    # Tensors and elements of each optimizer.
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)


class OptimizersLook:
    """Looks for `Anatomy.optimizers`: each step of one begins with a label of the profiler's.

    torch has hooks for all optimizers as well, but one cannot be taken away while they are called.
    """

    fields = ("optimizers",)

    def __init__(self) -> None:
        self._rows: dict[tuple[Path, str, bool, Line | None], _Row] = {}

    def start(self, ground: Ground) -> None:
        """The probed step is about to begin."""
        self._ground = ground
        ground.standins.glance(ground.torch.autograd.profiler, "record_function", self._labelled)

    def stop(self) -> None:
        """The step is over."""

    def found(self) -> Mapping[str, Any]:
        """Those that took a step, in the order in which they did."""
        rows = [
            OptimizerStep(
                path=path,
                name=name,
                torchs=torchs,
                foreach=row.options[0],
                fused=row.options[1],
                can_fuse=row.can_fuse,
                tensors=sum(tensors for tensors, _ in row.sizes.values()),
                elements=sum(elements for _, elements in row.sizes.values()),
                device=row.device,
                calls=row.calls,
                line=line,
                momentum=row.momentum,
            )
            for (path, name, torchs, line), row in self._rows.items()
        ]
        return {"optimizers": tuple(rows[:MOST_ROWS])}

    def _labelled(self, _: Any, frame: FrameType) -> None:
        # `Optimizer.profile_hook_step`, which is around the step of every optimizer.
        if frame.f_code.co_name == "wrapper" and frame.f_globals.get("__name__") == OPTIMIZERS:
            self._add(variables(frame)["self"], frame)

    def _add(self, optimizer: Any, frame: FrameType) -> None:
        kind, torch = type(optimizer), self._ground.torch
        torchs = kind.__module__.startswith("torch.optim.")
        name = kind.__name__ if torchs else f"{kind.__module__}.{kind.__qualname__}"
        gradients = [
            (one, one.grad)
            for group in optimizer.param_groups
            for one in group["params"]
            if one.grad is not None
        ]
        place = self._ground.path(), name, torchs, self._ground.line(frame)
        row = self._rows.get(place)
        if row is None:
            device = gradients[0][0].device.type if gradients else self._ground.device
            options = _asked(optimizer, "foreach"), _asked(optimizer, "fused")
            can = _can_fuse(torch, name, device, gradients) if torchs else None
            momentum = any(_is_set(group.get("momentum")) for group in optimizer.param_groups)
            row = self._rows[place] = _Row(device, options, can, momentum)
        row.calls += 1
        row.sizes[id(optimizer)] = len(gradients), sum(one.numel() for one, _ in gradients)


def _asked(optimizer: Any, option: str) -> bool | None:
    """What all groups of parameters ask for; None where they differ, or leave it to torch."""
    asked = {group.get(option) for group in optimizer.param_groups}
    one = asked.pop() if len(asked) == 1 else None
    return one if isinstance(one, bool) else None


def _is_set(number: Any) -> bool:
    # Of a tensor, which may be on a device, the value is not asked for.
    return isinstance(number, (int, float)) and number > 0


def _can_fuse(torch: Any, name: str, device: str, gradients: list[tuple[Any, Any]]) -> bool | None:
    if name not in FUSED:
        return False
    if not gradients:
        return None
    if any(not one.is_floating_point() or gradient.is_sparse for one, gradient in gradients):
        return False
    core = torch._C
    try:
        # The optimizers ask for a type of device that torch has in a list; which of them an operator
        # is made for is known to the dispatcher.
        listed = torch.utils._foreach_utils._get_fused_kernels_supported_devices()
        place = core._dispatch_key_for_device(device)
        has = core._dispatch_has_kernel_for_dispatch_key(f"aten::_fused_{FUSED[name]}_", place)
    except Exception:
        return None
    return device in listed and bool(has)
