"""The data loaders of torch's that a batch is fetched from."""

from __future__ import annotations

import dis
import sys
from collections.abc import Mapping
from types import FrameType, FunctionType
from typing import Any

from rnnprof.anatomy import Loader
from rnnprof.network import MOST_ROWS
from rnnprof.traces.probe.ground import Ground, NotSeen

PLAIN = frozenset({"len", "min", "max", "int"})
"""Functions that a dataset's own ``__len__`` may call to be called by us."""


class LoadersLook:
    """Looks for `Anatomy.loaders`: batches that are fetched within the step."""

    fields = ("loaders",)

    def __init__(self) -> None:
        # An iterator may be gone, and another one have its number: what is said of it tells them apart.
        self._found: dict[tuple[int, Loader], None] = {}

    def start(self, ground: Ground) -> None:
        """The probed step is about to begin."""
        module = sys.modules.get("torch.utils.data.dataloader")
        iterator = getattr(module, "_BaseDataLoaderIter", None)
        if iterator is not None:
            ground.standins.glance(iterator, "__next__", self._fetched)

    def stop(self) -> None:
        """The step is over."""

    def found(self) -> Mapping[str, Any]:
        """Those that a batch came from.

        Raises:
            NotSeen: no batch did, which does not say that the program has no loader: a fetch before
                the step is not seen.
        """
        if not self._found:
            raise NotSeen("no batch of a DataLoader was fetched within the step")
        return {"loaders": tuple(loader for _, loader in self._found)[:MOST_ROWS]}

    def _fetched(self, iterator: Any, frame: FrameType) -> None:
        if iterator is not None:
            self._found[id(iterator._dataset), _about(iterator)] = None


def _about(iterator: Any) -> Loader:
    sampler = iterator._index_sampler
    own = getattr(sampler, "__dict__", {})
    size = own.get("batch_size") if iterator._auto_collation else None
    return Loader(
        workers=int(iterator._num_workers),
        batch_size=size if type(size) is int else None,
        items=_items(iterator._dataset),
        drop_last=bool(own.get("drop_last", iterator._drop_last)),
        pin_memory=bool(iterator._pin_memory),
        persistent=bool(iterator._persistent_workers),
    )


def _items(dataset: Any) -> int | None:
    """Its length, if nothing of the program's can come of asking: ``return len(self.lines)`` is plain."""
    length = getattr(type(dataset), "__len__", None)
    if length is None:
        return None
    if isinstance(length, FunctionType) and not _is_plain(length, type(dataset)):
        return None
    items = len(dataset)
    return items if type(items) is int else None


def _is_plain(function: FunctionType, kind: type) -> bool:
    if (function.__module__ or "").startswith("torch.utils.data."):
        return True
    for one in dis.get_instructions(function):
        name = one.argval
        if one.opname in ("LOAD_GLOBAL", "LOAD_NAME") and name not in PLAIN:
            return False
        if one.opname in ("LOAD_ATTR", "LOAD_METHOD") and hasattr(kind, name):
            return False
        if one.opname.startswith(("STORE_ATTR", "STORE_GLOBAL", "STORE_SUBSCR", "DELETE", "IMPORT")):
            return False
    return True
