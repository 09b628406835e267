"""Which functions of torch's make the host wait for the device, and with which arguments: data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Home:
    """Where tensors live in the program.

    Args:
        torch: the module.
        device: type of the device that the program computes on.
        lives: whether a tensor lives there; on a CPU: would live on an accelerator.
    """

    torch: Any
    device: str
    lives: Callable[[Any], bool]


Rule = Callable[[Home, tuple[Any, ...], dict[str, Any]], str]
"""From the arguments of a call to the key of its `waiting.Way`; empty where it does not wait."""


@dataclass(frozen=True)
class Call:
    """A function that may wait.

    Args:
        owner: what it is an attribute of, from ``torch`` on.
        name: the attribute.
        ways: the keys that its rule may give.
        rule: says whether these arguments make it wait, and which way.
        text: as a program writes it.
        explicit: whether waiting is all it does; CUDA's debug mode does not warn of it.
    """

    owner: str
    name: str
    ways: tuple[str, ...]
    rule: Rule
    text: str
    explicit: bool = False

    def concerns(self, device: str) -> bool:
        """Whether it can wait where the program computes on that type of device."""
        kind = self.owner.partition(".")[0]
        return not self.explicit or kind == device or (kind in _ANY and device != "cpu")


_ANY = ("accelerator", "distributed")
"""Modules whose functions wait for whatever device there is."""


def _tensors(home: Home, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return any(isinstance(one, home.torch.Tensor) and home.lives(one) for one in (*args, *kwargs.values()))


def _on_device(way: str) -> Rule:
    return lambda home, args, kwargs: way if _tensors(home, args, kwargs) else ""


def _always(way: str) -> Rule:
    return lambda home, args, kwargs: way


def _repeats(home: Home, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    if kwargs.get("output_size") is not None:
        return ""
    repeats = kwargs.get("repeats", args[1] if len(args) > 1 else None)
    return "repeats" if isinstance(repeats, home.torch.Tensor) and home.lives(repeats) else ""


def _cpu(home: Home, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return "cpu" if args and (home.device == "cpu" or args[0].device.type == home.device) else ""


def _upload(home: Home, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return "upload" if args and _crosses(home, args[0], home.device, args, kwargs) == "upload" else ""


def _to(home: Home, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    target = _target(home, (*args[1:], kwargs.get("device"), kwargs.get("other")))
    return _crosses(home, args[0], target, args, kwargs) if args else ""


def _copy(home: Home, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    source = kwargs.get("src", args[1] if len(args) > 1 else None)
    if home.device == "cpu" or not isinstance(source, home.torch.Tensor):
        return ""
    return _crosses(home, source, args[0].device.type, args[:1] + args[2:], kwargs)


def _crosses(home: Home, tensor: Any, target: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Which way a copy to a type of device goes, if the host waits for it."""
    here = tensor.device.type
    if home.device == "cpu":
        # Where the program copies to the CPU by that name, it would come from the device.
        return "cpu" if here == target == "cpu" and not kwargs.get("non_blocking") else ""
    # The first flag without a name is `non_blocking` in `to(device)`, `cuda()` and `copy_(source)`.
    flags = [one for one in args[1:] if isinstance(one, bool)]
    late = bool(kwargs.get("non_blocking", flags[0] if flags else False))
    if here == "cpu" and target == home.device:
        return "" if late and tensor.is_pinned() else "upload"
    return "cpu" if here == home.device and target == "cpu" and not late else ""


def _target(home: Home, given: tuple[Any, ...]) -> str:
    """The type of device that arguments name; empty for none."""
    for one in given:
        if isinstance(one, home.torch.device):
            return str(one.type)
        if isinstance(one, str):
            return one.partition(":")[0]
        if isinstance(one, home.torch.Tensor):
            return str(one.device.type)
        if isinstance(one, int) and not isinstance(one, bool):
            return home.device
    return ""


def _method(name: str, way: str, text: str = "") -> Call:
    return Call("Tensor", name, (way,), _on_device(way), text or f"Tensor.{name}")


def _explicit(owner: str, name: str, way: str = "synchronize") -> Call:
    return Call(owner, name, (way,), _always(way), f"torch.{owner}.{name}", explicit=True)


CALLS: tuple[Call, ...] = (
    _method("item", "item"),
    _method("tolist", "tolist"),
    _method("numpy", "numpy"),
    _method("__float__", "number", "float(Tensor)"),
    _method("__int__", "number", "int(Tensor)"),
    _method("__complex__", "number", "complex(Tensor)"),
    _method("__index__", "number", "Tensor as an index"),
    _method("__bool__", "condition", "bool(Tensor)"),
    _method("is_nonzero", "condition"),
    _method("__repr__", "print", "repr(Tensor)"),
    _method("__format__", "print", "format(Tensor)"),
    *(_method(name, "nonzero") for name in ("nonzero", "argwhere")),
    _method("masked_select", "mask"),
    *(_method(name, "unique") for name in ("unique", "unique_consecutive")),
    _method("bincount", "bincount"),
    Call("Tensor", "repeat_interleave", ("repeats",), _repeats, "Tensor.repeat_interleave"),
    *(_method(name, "equal") for name in ("equal", "allclose")),
    _method("__contains__", "equal", "... in Tensor"),
    _method("inverse", "linalg"),
    Call("Tensor", "cpu", ("cpu",), _cpu, "Tensor.cpu"),
    Call("Tensor", "to", ("cpu", "upload"), _to, "Tensor.to"),
    Call("Tensor", "cuda", ("upload",), _upload, "Tensor.cuda"),
    Call("Tensor", "xpu", ("upload",), _upload, "Tensor.xpu"),
    Call("Tensor", "copy_", ("cpu", "upload"), _copy, "Tensor.copy_"),
    *(_explicit(name, "synchronize") for name in ("cuda", "xpu", "mps", "accelerator")),
    *(_explicit(f"{name}.{kind}", "synchronize") for name in ("cuda", "xpu") for kind in ("Stream", "Event")),
    _explicit("mps.event.Event", "synchronize"),
    _explicit("distributed", "barrier", "barrier"),
)
"""All that are watched; what a torch does not have is left out.

Methods of tensors, and what is there only to wait. Functions of torch's modules are not among them:
torch and programs keep those, in tables and by name (``torch.utils._device``, TorchScript, ``pickle``).
Nor is indexing: Python fills type slots of a class for good when ``__getitem__`` or ``__setitem__``
is set on it (``resolve_slotdups`` in CPython's ``Objects/typeobject.c``), and a tensor would be a
sequence to C from then on. CUDA reports both by itself, and `unnamed` has them from a trace.
"""

LIBRARY: tuple[tuple[str, str, str, str], ...] = (
    ("nn/utils/clip_grad.py", "", "clip", "clip_grad_norm_(error_if_nonfinite=True)"),
    ("amp/grad_scaler.py", "_maybe_opt_step", "scaler", "GradScaler.step"),
    ("nn/modules/transformer.py", "_detect_is_causal_mask", "causal", "TransformerEncoder"),
    ("distributions/", "", "validate", "torch.distributions"),
    ("storage.py", "cpu", "save", "torch.save"),
)
"""Calls that torch's own Python code makes for the program: beginning of the file's name, function
(any if empty), key of the way, and what the program wrote."""

OTHER = "other"
"""The way of a wait that CUDA reports outside all watched calls."""
