"""Reversible changes of attributes, and the objects that they are meant for."""

from __future__ import annotations

import weakref
from types import SimpleNamespace
from typing import Any

_ABSENT: Any = object()


class Patches:
    """Attributes that were replaced, and what stood there before.

    Use it as a context manager, or call `undo`. If someone else has replaced an attribute on top
    in the meantime, theirs stays, and what it calls underneath is still ours: so whatever is
    put in place must do nothing of its own any more once its owner has been closed.
    """

    def __init__(self) -> None:
        self._done: list[tuple[Any, str, Any, Any]] = []

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Replace an attribute.

        Args:
            owner: a class, a module, or another object with a ``__dict__``.
            name: the attribute's name; it may be inherited or absent.
            value: what is to stand there.
        """
        # From `vars`, so that a staticmethod stays one and an inherited attribute is not copied.
        before = vars(owner).get(name, _ABSENT)
        setattr(owner, name, value)
        self._done.append((owner, name, before, value))

    def undo(self) -> None:
        """Put everything back, the latest first; a second call does nothing."""
        while self._done:
            owner, name, before, value = self._done.pop()
            if vars(owner).get(name, _ABSENT) is not value:
                continue
            if before is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, before)

    def __enter__(self) -> Patches:
        return self

    def __exit__(self, *error: Any) -> None:
        self.undo()


class Known(dict[int, Any]):
    """What is known of some objects, by identity, for as long as they live.

    A pickler that takes classes by value takes their patched methods along, and this with them:
    there, in another process, nothing is known.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[int, Any] = {}

    def remember(self, thing: Any, what: Any = None) -> None:
        """Know something of an object.

        Args:
            thing: the object; it must allow weak references.
            what: what is known of it.
        """
        number = id(thing)
        self._kept[number] = weakref.ref(
            thing, lambda _: (self.pop(number, None), self._kept.pop(number, None))
        )
        self[number] = what

    def clear(self) -> None:
        """Forget everything."""
        super().clear()
        self._kept.clear()

    def __reduce__(self) -> tuple[Any, ...]:
        return Known, ()


def underneath(cls: type, name: str) -> Any:
    """Where a class's method is found without the patch that is about to be put on it.

    Args:
        cls: the class.
        name: the method's name.

    Returns:
        An object that has the plain function as the attribute of that name. An inherited one is
        looked up at each call, for others patch it as well: `Module.__call__` torch.fx, while it
        traces.
    """
    own = vars(cls).get(name)
    if own is not None:
        return SimpleNamespace(**{name: own})
    return next(base for base in cls.__mro__[1:] if name in vars(base))
