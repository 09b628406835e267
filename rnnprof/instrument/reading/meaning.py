"""What each call of the user's program means, and which stages each of the user's functions holds."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

from rnnprof.instrument import rules
from rnnprof.instrument.reading import vocabulary
from rnnprof.instrument.reading.classes import full_name
from rnnprof.instrument.reading.handed import compiled, kept
from rnnprof.instrument.reading.kinds import Kinds
from rnnprof.instrument.reading.project import Function, Project
from rnnprof.instrument.reading.shapes import Shapes
from rnnprof.instrument.reading.syntax import calls, dotted, is_paused, quiet, statements
from rnnprof.instrument.reading.vocabulary import words

OPEN = "(opened)"
"""The stage of a call into a function whose own statements get the stages."""
EVALUATE = "evaluate"
MAJOR = words(
    "init_hidden repackage zero_grad forward loss backward clip update schedule checkpoint evaluate sample"
)
MINOR = ("get_batch", "log")
TRAINS = frozenset({"backward", "update"})
MADE = {"module", "loss", "optimizer", "scheduler", "scaler"}


@dataclass(frozen=True)
class Label:
    """The stage that a statement or call was given, and why.

    Attributes:
        opens: whether the call begins the stage, and the function that it runs goes on to others.
    """

    stage: str
    why: str
    opens: bool = False


class Meaning:
    """What calls mean, by the user's rules, the general ones, and what functions hold.

    Args:
        project: the user's source.
        kinds: what its names hold.
        own: rules of the user's, which come first.
    """

    def __init__(self, project: Project, kinds: Kinds, own: Iterable[rules.Rule] = ()) -> None:
        self.project = project
        self.kinds = kinds
        self.own = tuple(own)
        self.shapes = Shapes(kinds)
        self.contents: dict[int, frozenset[str]] = {}
        self.kept = kept(project)
        self.compiled = compiled(project, kinds)
        self._walked: dict[tuple[int, int], tuple[list[ast.stmt], list[ast.Call]]] = {}
        self._stages = {id(one): stage for one in project.functions if (stage := self._directed(one))}
        while self._grow():
            pass

    # ---- functions --------------------------------------------------------------------------

    def content(self, function: Function) -> frozenset[str]:
        """The stages that a function holds, those of the functions that it calls included."""
        return self.contents.get(id(function), frozenset())

    def _grow(self) -> bool:
        grown = False
        for function in self.project.functions:
            found = self.held(function.body, function)
            if found - self.content(function):
                self.contents[id(function)] = self.content(function) | found
                grown = True
        return grown

    def held(self, body: list[ast.stmt], function: Function) -> frozenset[str]:
        """The stages of some statements of a function."""
        found: set[str] = set()
        each, called = self._nodes(body)
        for statement in each:
            shape = self.shapes.of(statement, function)
            if shape is not None:
                found.add(shape[0])
        for call in called:
            label = self.call(call, function)
            if label is not None and label.stage not in (OPEN, rules.TRANSPARENT):
                found.add(label.stage)
            callee = self.kinds.callee(call, function)
            opened = label is not None and (label.stage == OPEN or label.opens)
            if callee is not None and (opened or id(callee) in self.compiled):
                found |= self.content(callee)
            for passed in self.passed(call, function):
                found |= self.content(passed)
        return frozenset(found)

    def _nodes(self, body: list[ast.stmt]) -> tuple[list[ast.stmt], list[ast.Call]]:
        """The statements and calls of a body, which is asked for again and again."""
        key = id(body[0]) if body else 0, len(body)
        if key not in self._walked:
            self._walked[key] = list(statements(body)), list(calls(body))
        return self._walked[key]

    def passed(self, call: ast.Call, function: Function) -> list[Function]:
        """The user's functions that a call is handed, to be called in it, such as a closure."""
        given = [*call.args, *(one.value for one in call.keywords)]
        found = []
        for one in given:
            if isinstance(one, (ast.Name, ast.Attribute)):
                kind = self.kinds.of(one, function)
                if kind is not None and kind.role == "function" and kind.function is not None:
                    found.append(kind.function)
        return found

    def evaluates(self, function: Function) -> bool:
        """Whether a function runs the model without training it, and says so."""
        content = self.content(function)
        if (
            not content & {"forward", rules.SAMPLE}
            or content & TRAINS
            or isinstance(function.node, ast.Module)
        ):
            return False
        if self.speaks(function):
            return False
        of_module = function.owner is not None and self.kinds.classes.role(function.owner) in (
            "module",
            "loss",
        )
        if of_module and function.name in ("forward", "__call__"):
            return False
        return quiet(function.node) or vocabulary.matches(function.name, vocabulary.EVALUATES)

    def speaks(self, function: Function) -> bool:
        """Whether a function lets the model make text, and measures nothing."""
        content = self.content(function)
        if "forward" not in content or content & (TRAINS | {"loss"}) or isinstance(function.node, ast.Module):
            return False
        return vocabulary.matches(function.name, vocabulary.SPEAKS) or (
            vocabulary.matches(function.name, vocabulary.SAMPLES) and quiet(function.node)
        )

    # ---- calls ------------------------------------------------------------------------------

    def call(self, call: ast.Call, function: Function) -> Label | None:
        """What a call means; None if no rule knows it."""
        text = dotted(call.func)
        full = full_name(call.func, function.source)
        candidates = self._candidates(call, text, full, function)
        mine = rules.match(self.own, candidates)
        if mine is not None:
            return Label(mine.stage, mine.why)
        callee = self.kinds.callee(call, function)
        name = text.rpartition(".")[2]
        kind = self.kinds.of(call.func, function)
        if kind is not None and kind.role in ("module", "loss"):
            closed = callee is None or id(callee) in self.compiled or is_paused(callee.node)
            if callee is not None and not closed and self.content(callee) >= {"forward", "loss"}:
                why = f"{text or 'it'} is a module that computes its loss itself"
                return Label("forward", why, opens=True)
            named = vocabulary.kind_of_variable(name) == "loss"
            only = callee is not None and self.content(callee) & frozenset(MAJOR) == {"loss"}
            if named or only or kind.role == "loss":
                return Label("loss", f"{text or 'it'} is a loss")
            return Label("forward", f"{text or 'it'} is a module")
        holder = self.kinds.of(call.func.value, function) if isinstance(call.func, ast.Attribute) else None
        if name == "forward" and holder is not None and holder.role in ("module", "loss"):
            return Label("forward" if holder.role == "module" else "loss", f"runs a {holder.role}")
        if callee is not None:
            known = self._function(callee, candidates)
            if known is not None:
                return known
        found = rules.match(rules.CALLS, candidates)
        if found is not None and not (callee is not None and name in vocabulary.PLUMBING):
            return Label(found.stage, f"{text}: {found.why}")
        if callee is not None and (stage := self._single(callee)):
            return Label(stage, f"{callee.name}() holds nothing but {stage}")
        if name == "state_dict" and id(call) in self.kept:
            return Label("checkpoint", f"{text}: keeps the model's state")
        if self.makes(call, function) is not None or name in vocabulary.PLUMBING:
            return None
        found = rules.match(rules.NAMED, candidates) if not full.startswith("torch.") else None
        if found is not None:
            return Label(found.stage, f"{text}: {found.why}")
        if holder is not None and holder.role == "module" and callee is None:
            return Label("forward", f"{text}: a method of the model")
        return None

    def makes(self, call: ast.Call, function: Function) -> str | None:
        """The stage of a call that makes a model, loss or optimizer, or an object of the user's."""
        kind = self.kinds.of(call.func, function)
        if kind is not None and kind.role == "class" and kind.made is not None:
            return rules.SET_UP if self.kinds.classes.role(kind.made) in MADE else kind.made.name
        full = full_name(call.func, function.source)
        return rules.SET_UP if vocabulary.kind_of_class(full) in MADE else None

    def _candidates(self, call: ast.Call, text: str, full: str, function: Function) -> list[str]:
        found = [text.lower(), full.lower()]
        kind = self.kinds.of(call.func, function)
        if kind is not None and kind.role:
            found.append(f"<{kind.role}>")
        if isinstance(call.func, ast.Attribute):
            holder = self.kinds.of(call.func.value, function)
            if holder is not None and holder.role:
                found.append(f"<{holder.role}>.{call.func.attr.lower()}")
        return [one for one in found if one]

    def _function(self, callee: Function, candidates: list[str]) -> Label | None:
        directed = self._stages.get(id(callee))
        if directed is not None:
            return Label(directed, f"the comment at {callee.name}()")
        if self.speaks(callee):
            return Label(rules.SAMPLE, f"{callee.name}() runs the model and is named so")
        if self.evaluates(callee):
            return Label(EVALUATE, f"{callee.name}() runs the model without training it")
        content = self.content(callee)
        major = content & frozenset(MAJOR)
        if id(callee) in self.compiled:
            named = callee.name if content & TRAINS else "forward"
            return Label(named, f"{callee.name}() is compiled as a whole")
        if is_paused(callee.node):
            return None
        if len(major & {"forward", "loss", "backward", "update", EVALUATE}) >= 2:
            return Label(OPEN, f"{callee.name}() holds {', '.join(ordered(content))}")
        if len(major) >= 2 and rules.match(rules.CALLS, candidates) is None:
            return Label(OPEN, f"{callee.name}() holds {', '.join(ordered(content))}")
        return None

    def _single(self, callee: Function) -> str | None:
        content = self.content(callee)
        major = content & frozenset(MAJOR)
        if len(major) == 1:
            return next(iter(major))
        minor = content & frozenset(MINOR)
        return next(iter(minor)) if not major and len(minor) == 1 and "log" not in minor else None

    def _directed(self, function: Function) -> str | None:
        if isinstance(function.node, ast.Module):
            return None
        for line in range(function.node.lineno, function.node.body[0].lineno):
            directive = function.source.comments.get(line)
            if directive is not None and directive.word == "stage":
                return directive.name
        return None


def ordered(content: Iterable[str]) -> list[str]:
    """Stages in the order of a training loop."""
    order = ("get_batch", *MAJOR)
    return sorted(content, key=lambda stage: (order.index(stage) if stage in order else len(order), stage))
