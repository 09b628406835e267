"""The backward pass, divided among the modules whose forward pass it undoes.

On a CPU the engine runs in the calling thread, and runs the nodes of the graph in the reverse order
of their creation. So the node of a module's output begins that module's part of the pass, and the
node of its input ends it: hooks before these nodes are all it takes. The accumulation of a
parameter's gradient runs right after the node that made it, so it belongs to the same module.
"""

from __future__ import annotations

from _thread import get_ident
from collections import OrderedDict
from itertools import islice
from types import SimpleNamespace
from typing import Any

from rnnprof import active
from rnnprof.instrument.dynamo import compiling, stand_in
from rnnprof.instrument.patches import Patches
from rnnprof.instrument.worth import MAX_NODES, Model

BACKWARD = "backward"
_REMEMBERED = 1024


class Place:
    """What a backward pass is at from some node on; the hook on that node.

    Args:
        divider: what divides the passes.
        model: the model that the module belongs to.
        path: names of the module and of those around it, outermost first; empty for what belongs
            to none of them.
    """

    __slots__ = ("divider", "model", "path")

    def __init__(self, divider: Divider, model: Model, path: tuple[str, ...]) -> None:
        self.divider = divider
        self.model = model
        self.path = path

    def __call__(self, gradients: Any) -> None:
        divider = self.divider
        if divider.base is not None and self.model.divided and get_ident() == divider.track.owner:
            divider.move(self.path)


class Divider:
    """Divides backward passes that run inside the stage `backward`.

    Args:
        torch: the module of that name.
        patches: where the engine's entry is patched, so that a pass's end is seen.
    """

    def __init__(self, torch: Any, patches: Patches) -> None:
        self.base: Any = None
        self.track: Any = None
        self._open: list[Any] = []
        self._trying: list[Model] = []
        self._since = 0
        self._tensor = torch.Tensor
        self._noted: set[int] = set()
        self._passes = 0
        # All ways into the engine go through this name, also functions imported before this patch.
        run = vars(torch.autograd).get("_engine_run_backward")
        self.created: Any = getattr(torch.autograd, "_get_sequence_nr", None)
        self.works = run is not None and self.created is not None
        if self.works:
            patches.set(torch.autograd, "_engine_run_backward", self._around(run))
            stand_in(Place.__call__)
            register = getattr(torch.autograd.Function, "_register_hook", None)
            if register is not None:
                patches.set(torch.autograd.Function, "_register_hook", staticmethod(_quicker(register)))

    def _around(self, run: Any) -> Any:
        callback = compiling()

        def run_backward(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            if callback() is not None:
                return run(*args, **kwargs)
            begun = self._begin()
            try:
                return run(*args, **kwargs)
            finally:
                if begun:
                    self._end()

        return stand_in(run_backward, run)

    def __reduce__(self) -> tuple[Any, ...]:
        # Whoever pickles a class by value gets its patched method, and what belongs to this process.
        return SimpleNamespace, ()

    # ---- the forward pass: notes ------------------------------------------------------------

    def before(self, place: Place, given: tuple[Any, ...], named: dict[str, Any]) -> int:
        """Note a module's inputs: what their nodes do, belongs to what is around the module.

        Args:
            place: what is around the module.
            given: its positional arguments.
            named: its arguments by name.

        Returns:
            The number of the first node that the module may make.
        """
        try:
            self._note_all(given, place, 0)
            if named:
                self._note_all(named, place, 0)
        except Exception:
            place.model.divided = False
        first: int = self.created()
        return first

    def after(self, place: Place, result: Any, first: int) -> None:
        """Note a module's outputs.

        Args:
            place: the module's own.
            result: what it returned.
            first: the number of the first node that it may have made.
        """
        # Users' containers may do anything when they are looked into; the call is more important.
        try:
            self._note_all((result,), place, first)
        except Exception:
            place.model.divided = False

    def _note_all(self, values: Any, place: Place, first: int, depth: int = 3) -> None:
        tensor = self._tensor
        for value in islice(values.values() if isinstance(values, dict) else values, MAX_NODES):
            # A subclass of Tensor may mean anything by its attributes.
            if type(value) is tensor:
                # To ask an altered view for its node could make a new one.
                if value.requires_grad and not (value._version and value._is_view()):
                    self._note(value, place, first)
            elif depth and isinstance(value, (tuple, list, dict)):
                self._note_all(value, place, first, depth - 1)

    def _note(self, tensor: Any, place: Place, first: int) -> None:
        node = tensor.grad_fn
        # The first to note a node knows it best: of outputs the innermost module.
        if node is None or (number := node._sequence_nr()) < first or number in self._noted:
            return
        model = place.model
        if model.passes != self._passes:
            model.passes = self._passes
            model.nodes = 0
            # The engine's own threads compute elsewhere.
            model.divided = model.divided and tensor.is_cpu
            if model.trial and model not in self._trying:
                self._trying.append(model)
        model.nodes += 1
        if model.nodes > MAX_NODES:
            model.divided = False
        if model.divided:
            self._noted.add(number)
            # While it is on trial a pass is only timed: half a division would mislead.
            if not model.trial:
                node.register_prehook(place)

    # ---- the backward pass ------------------------------------------------------------------

    def _begin(self) -> bool:
        self._passes += 1
        if len(self._noted) > _REMEMBERED:
            self._noted.clear()
        profile = active.current()
        if profile is None or self.base is not None:
            return False
        track = profile.track
        stage = track.current
        if stage is None or stage.name != BACKWARD or stage.parent is None or get_ident() != track.owner:
            return False
        if stage.special:
            # What looks into the step would see its labels cross the engine's own.
            return False
        self.track = track
        self.base = stage
        if self._trying:
            self._since = track.recorder.now()
        return True

    def _end(self) -> None:
        try:
            self._leave(0)
            if self._trying:
                ns = self.track.recorder.now() - self._since
                while self._trying:
                    self._trying.pop().tried(ns)
        except Exception:
            # A clock that has died must not undo the pass.
            self._trying.clear()
        finally:
            self.base = None
            self._open.clear()

    def move(self, path: tuple[str, ...]) -> None:
        """Let the time from now on belong to this place."""
        opened = self._open
        if self.track.current is not (opened[-1] if opened else self.base):
            # A stage of the user's own is open inside: its time stays its own.
            return
        same = 0
        while same < len(opened) and same < len(path) and opened[same].name == path[same]:
            same += 1
        try:
            self._leave(same)
            for name in path[same:]:
                stage = self.track.stage(name)
                stage.__enter__()
                if self.track.current is not stage:
                    return
                opened.append(stage)
        except Exception:
            # A hook that raises would end the user's backward pass.
            self.base = None

    def _leave(self, depth: int) -> None:
        opened = self._open
        while len(opened) > depth:
            stage = opened.pop()
            if self.track.current is stage:
                stage.__exit__(None, None, None)


def _quicker(register: Any) -> Any:
    """What torch calls to keep a node's hook: most of its time goes to a handle to remove it by."""

    def _register_hook(hooks: Any, hook: Any) -> Any:
        if hooks is None and type(hook) is Place:
            return OrderedDict(rnnprof=hook), None
        return register(hooks, hook)

    return stand_in(_register_hook, register)
