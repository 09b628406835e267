"""The weights that a program has: its parameters, and other tensors that it asks gradients for."""

from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass
from typing import Any

Key = tuple[int, int, int]
"""Which numbers a tensor has: where its storage is, where it begins there, how many there are."""


def _weights(torch: Any) -> list[Any]:
    """All of them, wherever the program keeps them.

    Every object that Python's garbage collector knows is looked at, which takes some 20 ms for half a
    million of them.

    Args:
        torch: the module.
    """
    tensor, parameter = torch.Tensor, torch.nn.Parameter
    # By its very type: `isinstance` would ask objects of the program's, and a subclass may do anything.
    found = [one for one in gc.get_objects() if type(one) is parameter or type(one) is tensor]
    return [one for one in found if one.requires_grad and one.is_leaf]


def key(tensor: Any) -> Key:
    """Which numbers a tensor has; ``p.data`` and ``p.detach()`` have those of ``p``."""
    # The storage's own address: `data_ptr` would copy one that is copied on write.
    return tensor.untyped_storage()._cdata, tensor.storage_offset(), tensor.numel()


@dataclass(frozen=True)
class Found:
    """A weight whose numbers a tensor has.

    Args:
        index: tells it from others.
        gradient: whether they are those of its gradient.
        elements: how many there are.
        device: type of device.
    """

    index: int
    gradient: bool
    elements: int
    device: str


class Weights:
    """Tells which tensors are weights or gradients of them. It keeps none of them alive.

    Args:
        torch: the module.
    """

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self._reached: dict[int, weakref.ref[Any]] = {}
        self._others: dict[int, weakref.ref[Any]] | None = None
        self._known: dict[Key, tuple[weakref.ref[Any], bool]] = {}

    def reach(self, weight: Any) -> None:
        """Note that a backward pass goes to a weight, whether or not it leaves a gradient there."""
        self._reached[id(weight)] = weakref.ref(weight)

    def renew(self) -> None:
        """Look what gradients the known weights have now."""
        self._known = {}
        for one in (*self._reached.values(), *(self._others or {}).values()):
            weight = one()
            # A copy with an average of the weights has no gradients, and is not trained.
            if weight is None or (weight.grad is None and id(weight) not in self._reached):
                continue
            self._known[key(weight)] = one, False
            # A sparse gradient has no storage.
            if weight.grad is not None and not weight.grad.is_sparse:
                self._known[key(weight.grad)] = one, True

    def search(self) -> bool:
        """Look for all weights that there are, once; False if that has been done.

        A step that changes only what backward has reached before does without.
        """
        if self._others is not None:
            return False
        self._others = {id(one): weakref.ref(one) for one in _weights(self._torch)}
        self.renew()
        return True

    def find(self, tensor: Any) -> Found | None:
        """The weight whose numbers, or whose gradient's numbers, a tensor has; None for no such weight."""
        mine = key(tensor)
        if mine not in self._known:
            return None
        one, gradient = self._known[mine]
        weight = one()
        there = weight.grad if gradient and weight is not None else weight
        # Memory of one that is gone may be another tensor's by now.
        if there is None or key(there) != mine:
            return None
        return Found(id(weight), gradient, mine[2], str(tensor.device.type))
