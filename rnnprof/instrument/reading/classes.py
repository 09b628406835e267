"""The classes that the user wrote: what their instances are, and which function a method is."""

from __future__ import annotations

import ast

from rnnprof.instrument.reading.project import Class, Function, Project, Source
from rnnprof.instrument.reading.syntax import dotted
from rnnprof.instrument.reading.vocabulary import PLUMBING, kind_of_class, words

MODULES = ("Module", "LightningModule", "RNNBase", "RNNCellBase", "PreTrainedModel")
COMMON = words(
    """
    forward step train eval update add log write read save load close reset run fit call backward zero_grad
    __call__ __init__ next state_dict load_state_dict render sample
    """
)
LOSSES = ("Loss", "Criterion")


def full_name(node: ast.expr, source: Source) -> str:
    """The dotted name with imports resolved: ``nn.LSTM`` is ``torch.nn.LSTM``."""
    name = dotted(node)
    first, dot, rest = name.partition(".")
    origin = source.imports.get(first)
    return f"{origin}{dot}{rest}" if origin is not None else name


class Classes:
    """Looks up classes of the user's, through their bases.

    Args:
        project: the user's source.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._methods: dict[str, list[Function]] = {}
        for source in project.sources.values():
            for made in source.classes.values():
                for name, function in made.methods.items():
                    self._methods.setdefault(name, []).append(function)

    def only(self, name: str) -> Function | None:
        """The method of that name, if just one class has it and it is no name that anything may have."""
        found = self._methods.get(name, [])
        return found[0] if len(found) == 1 and name not in COMMON and name not in PLUMBING else None

    def method(self, made: Class, name: str) -> Function | None:
        """A method by name, also from the user's own base classes."""
        seen: set[int] = set()
        queue = [made]
        while queue:
            one = queue.pop(0)
            if id(one) in seen:
                continue
            seen.add(id(one))
            if name in one.methods:
                return one.methods[name]
            queue += [base for node in one.node.bases if (base := self._find(node, one.source)) is not None]
        return None

    def role(self, made: Class, seen: frozenset[int] = frozenset()) -> str:
        """What the instances of a class are: ``module``, ``loss``, ``optimizer``, ..., or ``object``."""
        for node in made.node.bases:
            full = full_name(node, made.source)
            base = self._find(node, made.source)
            role = kind_of_class(full)
            if base is not None and id(base) not in seen:
                role = self.role(base, seen | {id(made)})
            elif full.rpartition(".")[2] in MODULES:
                role = "module"
            elif full.endswith("optim.Optimizer"):
                role = "optimizer"
            if role and role != "object":
                return "loss" if role == "module" and made.name.endswith(LOSSES) else role
        return "object"

    def _find(self, node: ast.expr, source: Source) -> Class | None:
        name = dotted(node)
        if name in source.classes:
            return source.classes[name]
        found = self._project.named(full_name(node, source))
        return found if isinstance(found, Class) else None
