"""Type slots that Python fills for good when an indexing method is set on a class.

Setting ``__getitem__`` on `torch.Tensor` also makes it a sequence in the eyes of C
(`PySequence_Check`), and deleting it does not undo that (``resolve_slotdups`` in CPython's
``Objects/typeobject.c``): from then on ``torch.tensor([a, b])`` of tensors would fail.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from typing import Any

_NUMBER, _SEQUENCE, _MAPPING = 12, 13, 14
"""``tp_as_number`` and its neighbours in a ``PyTypeObject``, in words (``Include/cpython/object.h``)."""
_ITEMS = (3, 5)
"""``sq_item`` and ``sq_ass_item`` in a ``PySequenceMethods``, in words."""
_LENGTH = 0

_check: Any = ctypes.pythonapi.PySequence_Check
_check.argtypes, _check.restype = [ctypes.py_object], ctypes.c_int


class Slots:
    """Keeps a class and its subclasses from becoming sequences.

    Args:
        cls: the class; an instance of it is no sequence for C now.
        instance: an instance of it.

    Raises:
        RuntimeError: if types are not laid out as expected; then no indexing method may be set.
    """

    def __init__(self, cls: type, instance: Any) -> None:
        self._cls = cls
        if sys.implementation.name != "cpython" or ctypes.sizeof(ctypes.c_size_t) != 8:
            raise RuntimeError("not CPython on 64 bits")
        words = _sequence(cls)
        if any(words[item] for item in _ITEMS) or not words[_LENGTH] or _check(instance):
            raise RuntimeError("types are laid out otherwise")
        self._full = [_sequence(one) for one in _classes(cls)]
        self._full = [words for words in self._full if words[_ITEMS[0]] or words[_ITEMS[1]]]
        self._instance = instance

    def keep(self) -> None:
        """Empty the slots again, after an indexing method was set or deleted.

        Raises:
            RuntimeError: if it had no effect.
        """
        full = {ctypes.addressof(words) for words in self._full}
        for one in _classes(self._cls):
            words = _sequence(one)
            if ctypes.addressof(words) not in full and not _defines(one, self._cls):
                for item in _ITEMS:
                    words[item] = 0
        if _check(self._instance):
            raise RuntimeError("a tensor has become a sequence")


def _sequence(cls: type) -> Any:
    """The sequence methods of a class, as words in memory."""
    size: Any = type.__basicsize__
    start, end = id(cls), id(cls) + size
    words = (ctypes.c_size_t * (_MAPPING + 1)).from_address(start)
    if not all(start < words[table] < end - 10 * 8 for table in (_NUMBER, _SEQUENCE, _MAPPING)):
        raise RuntimeError("types are laid out otherwise")
    return (ctypes.c_size_t * 10).from_address(words[_SEQUENCE])


def _classes(cls: type) -> Iterator[type]:
    yield cls
    below: list[type] = type.__subclasses__(cls)
    for one in below:
        yield from _classes(one)


def _defines(cls: type, top: type) -> bool:
    """Whether a class has an indexing method of its own, or from a base other than the top one."""
    above = set(top.__mro__)
    return any(
        name in vars(one)
        for one in cls.__mro__
        if one not in above
        for name in ("__getitem__", "__setitem__")
    )
