"""The arguments of an operator, as torch's profiler writes them down: shapes, strides, types, numbers.

``args`` of a ``cpu_op`` has one entry for each argument in four lists (``torch/csrc/profiler``,
``util.cpp`` and ``kineto_shim.cpp``): ``Input Dims`` and ``Input Strides`` (nested for a list of
tensors), ``Input type`` (the name of the C++ type, ``TensorList``, ``Scalar`` or empty) and
``Concrete Inputs`` (numbers as text). Of the tensors in a list no type is written, and of a list of
more than 30 tensors nothing at all. Whatever is not as it should be is an argument that is not there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

Dims = tuple[int, ...]

DTYPES: Mapping[str, tuple[str, int]] = {
    "float": ("float32", 4),
    "double": ("float64", 8),
    "c10::Half": ("float16", 2),
    "c10::BFloat16": ("bfloat16", 2),
    "c10::Float8_e4m3fn": ("float8_e4m3fn", 1),
    "c10::Float8_e4m3fnuz": ("float8_e4m3fnuz", 1),
    "c10::Float8_e5m2": ("float8_e5m2", 1),
    "c10::Float8_e5m2fnuz": ("float8_e5m2fnuz", 1),
    "c10::Float8_e8m0fnu": ("float8_e8m0fnu", 1),
    "c10::complex<float>": ("complex64", 8),
    "c10::complex<double>": ("complex128", 16),
    "bool": ("bool", 1),
    "unsigned char": ("uint8", 1),
    "signed char": ("int8", 1),
    "short": ("int16", 2),
    "short int": ("int16", 2),
    "int": ("int32", 4),
    "long": ("int64", 8),
    "long int": ("int64", 8),
    "long long": ("int64", 8),
    "__int64": ("int64", 8),
}
"""Torch's name and the size in bytes of each type, by its name in C++ (which compilers spell apart)."""

SIZES: Mapping[str, int] = dict(DTYPES.values())
"""Bytes of one element, by torch's name of its type."""

_LIST = "TensorList"
_MOST_DIMS = 64  # more than torch allows
_MOST = 2**62
_NUMBER = re.compile(r"-?\d{1,18}")
_FLAG = re.compile(r"True|False")


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor, as the trace tells of it.

    Args:
        dims: its shape.
        distinct: number of its elements that have a place of their own in memory: a dimension that
            was expanded (stride 0) counts once.
        dtype: type of number, as torch names it; empty where the trace does not say.
        sparse: whether it has no strides: how much it holds, its shape does not tell.
    """

    dims: Dims
    distinct: int
    dtype: str
    sparse: bool = False

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.dims)

    @property
    def bytes(self) -> int:
        """What reading it once moves, in bytes."""
        return self.distinct * SIZES.get(self.dtype, 0)


class Call:
    """One call of an operator.

    Args:
        name: of the operator, such as ``aten::mm``.
        args: what the trace has of it.
        known: type of number that a tensor of a shape was last seen with, for those in lists.
        around: type of number of the operator around it; empty where there is none.
    """

    def __init__(
        self, name: str, args: Any, known: Mapping[Dims, str] | None = None, around: str = ""
    ) -> None:
        self.name = name
        args = args if isinstance(args, dict) else {}
        dims, strides, types, self._texts = (
            value if isinstance(value := args.get(key), list) else []
            for key in ("Input Dims", "Input Strides", "Input type", "Concrete Inputs")
        )
        self.tensors: list[list[Tensor]] = [
            _tensors(kind, dims[place], strides[place] if place < len(strides) else None)
            for place, kind in enumerate(types[: len(dims)])
        ]
        """The tensors of each argument; none for one that is no tensor, or not known."""

        first = types.index(_LIST) if _LIST in types else len(self.tensors)
        self.lists = types.count(_LIST)
        """How many of its arguments are lists of tensors."""

        self.lost = first < len(self.tensors) and not self.tensors[first]
        """Whether its first list of tensors is one of which the trace says nothing."""

        typed = [one for tensors in self.tensors for one in tensors if one.dtype]
        # One without dimensions, such as a Python number, gives way to those that have some.
        main = next((one.dtype for one in typed if one.dims and _floats(one.dtype)), "")
        for tensors in self.tensors:
            for index, one in enumerate(tensors):
                if not one.dtype:
                    found = main or (known or {}).get(one.dims) or around or "float32"
                    tensors[index] = replace(one, dtype=found)
        listed = (one.dtype for tensors in self.tensors for one in tensors if _floats(one.dtype))
        self.dtype = main or next(listed, "") or (typed[0].dtype if typed else around)
        """The type that it computes in: of its first argument of floating-point numbers, if any."""

        self.sparse = any(one.sparse for tensors in self.tensors for one in tensors)
        """Whether one of its arguments is sparse, so that shapes do not tell its work."""

    @cached_property
    def size(self) -> int:
        """Bytes of one number of the type that it computes in."""
        return SIZES.get(self.dtype, 0)

    def text(self, place: int) -> str:
        """An argument that is no tensor, as text; empty where it is not known."""
        text = self._texts[place] if 0 <= place < len(self._texts) else ""
        return text if isinstance(text, str) else ""


class Arguments:
    """The arguments of a call by the names that they have in the operator's schema.

    Args:
        call: the call.
        names: the operator's first arguments, in order.
    """

    def __init__(self, call: Call, names: tuple[str, ...]) -> None:
        self.call = call
        self.names = names
        self._places = {name: place for place, name in enumerate(names)}

    def all(self, name: str) -> list[Tensor]:
        """The tensors of an argument: one, those of a list, or none."""
        place = self._places.get(name, -1)
        return self.call.tensors[place] if 0 <= place < len(self.call.tensors) else []

    def dims(self, name: str) -> Dims | None:
        """The shape of a tensor; None where it is none, or not known."""
        tensors = self.all(name)
        return tensors[0].dims if len(tensors) == 1 else None

    def number(self, name: str) -> int | None:
        """A whole number; None where it is not known."""
        text = self.call.text(self._places.get(name, -1))
        return int(text) if _NUMBER.fullmatch(text) else None

    def numbers(self, name: str) -> Dims | None:
        """A list of whole numbers; None where it is not known."""
        text = self.call.text(self._places.get(name, -1))
        return tuple(map(int, _NUMBER.findall(text)))[:_MOST_DIMS] if text.startswith("[") else None

    def flags(self, name: str) -> tuple[bool, ...]:
        """One truth value or a list of them; none where it is not known."""
        return tuple(one == "True" for one in _FLAG.findall(self.call.text(self._places.get(name, -1))))


def _floats(dtype: str) -> bool:
    return dtype.startswith(("float", "bfloat", "complex"))


def _tensors(kind: object, dims: object, strides: object) -> list[Tensor]:
    if kind == _LIST and isinstance(dims, list):
        along = strides if isinstance(strides, list) and len(strides) == len(dims) else [None] * len(dims)
        # A list of scalars (of the optimizer's step counts, say) is a list of empty shapes.
        found = [_tensor("", *one) for one in zip(dims, along, strict=True)]
        return [one for one in found if one is not None]
    if not isinstance(kind, str) or kind not in DTYPES:
        return []
    one = _tensor(DTYPES[kind][0], dims, strides)
    return [] if one is None else [one]


def _tensor(dtype: str, dims: object, strides: object) -> Tensor | None:
    if not isinstance(dims, list) or len(dims) > _MOST_DIMS or not all(map(_is_size, dims)):
        return None
    sparse = strides == [] != dims
    if not isinstance(strides, list) or len(strides) != len(dims):
        strides = [1] * len(dims)
    # A dimension of size 0 makes a tensor empty, whatever its stride.
    distinct = prod(size for size, by in zip(dims, strides, strict=True) if by != 0 or not size)
    return Tensor(tuple(dims), distinct, dtype, sparse)


def _is_size(size: object) -> bool:
    return isinstance(size, int) and not isinstance(size, bool) and 0 <= size < _MOST
