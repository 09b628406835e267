"""What a rewriter asks of a plan."""

from __future__ import annotations

import ast

from rnnprof.instrument.places import nodes
from rnnprof.instrument.reading.hints import BY_COMMENT
from rnnprof.instrument.reading.meaning import EVALUATE, OPEN
from rnnprof.instrument.reading.plan import Plan
from rnnprof.instrument.reading.project import Function, Source
from rnnprof.instrument.reading.syntax import calls, own_expressions, statements

NO_STAGES = (OPEN, EVALUATE)
"""Labels of calls whose time goes elsewhere."""


class Asks:
    """Questions to a plan.

    Args:
        plan: what was decided.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def stage(self, statement: ast.stmt) -> str | None:
        """The stage that begins with a statement.

        Args:
            statement: of the source that was planned.

        Returns:
            Its name; None where the stage before goes on, or the time of a call goes elsewhere.
        """
        label = self._plan.labels.get(id(statement))
        return None if label is None or label.stage in NO_STAGES else label.stage

    def directed(self, statement: ast.stmt) -> str | None:
        """The stage that a comment gives a whole loop.

        Args:
            statement: the loop.

        Returns:
            Its name; None without such a comment.
        """
        label = self._plan.labels.get(id(statement))
        return label.stage if label is not None and label.why == BY_COMMENT else None

    def stages_in(self, loop: ast.For | ast.While | ast.AsyncFor, header: bool) -> set[str] | None:
        """The one stage of a loop.

        Args:
            loop: with all that it holds.
            header: whether what the loop itself evaluates counts too.

        Returns:
            A set of one name; the empty set for a loop that holds none; None for one that holds
            several, or a step, a lane or an opened function, and so has to be marked inside.
        """
        found: set[str] = set()
        inside = list(statements([*loop.body, *loop.orelse]))
        for statement in [loop, *inside] if header else inside:
            label = self._plan.labels.get(id(statement))
            found |= {label.stage} if label is not None else set()
        evaluated = [one for each in [loop, *inside] for one in nodes(own_expressions(each))]
        parts = [self._plan.parts[id(one)] for one in evaluated if id(one) in self._plan.parts]
        found |= {part.stage for part in parts}
        planned = any(part.opens for part in parts) or any(
            id(one) in self._plan.steps or id(one) in self._plan.lanes for one in inside
        )
        return None if len(found) > 1 or planned or found & set(NO_STAGES) else found

    def trains(self, statement: ast.stmt, function: Function) -> bool:
        """Whether a statement backpropagates, not counting functions that say so themselves.

        Args:
            statement: of the source that was planned.
            function: the one that it stands in.

        Returns:
            True if a call in it does, or what a call runs or is handed to run.
        """
        return self.stage(statement) == "backward" or any(
            self._backpropagates(call, function)
            for expression in own_expressions(statement)
            for call in calls(expression)
        )

    def _backpropagates(self, call: ast.Call, function: Function) -> bool:
        meaning = self._plan.meaning
        label = self._plan.parts.get(id(call)) or meaning.call(call, function)
        if label is not None and label.stage == "backward":
            return True
        callees = [*meaning.passed(call, function), meaning.kinds.callee(call, function)]
        return any(
            one is not None and id(one.node) not in self._plan.opened and "backward" in meaning.content(one)
            for one in callees
        )

    def is_part_of_model(self, function: Function) -> bool:
        """Whether a function is a method of a model, other than the one that a call of it runs.

        Args:
            function: any of the user's.

        Returns:
            True for a model's methods, but False for its ``forward``.
        """
        role = self._plan.meaning.kinds.classes.role(function.owner) if function.owner is not None else ""
        return role == "module" and function.name != "forward"

    def models(self, source: Source) -> list[ast.Call]:
        """The calls in a file that run a model, outside the models themselves.

        Args:
            source: the file.

        Returns:
            The calls, function by function, in the order of the source.
        """
        meaning = self._plan.meaning
        found = []
        for function in source.functions:
            owner = function.owner
            if owner is not None and meaning.kinds.classes.role(owner) in ("module", "loss"):
                continue
            for call in calls(function.body):
                kind = meaning.kinds.of(call.func, function)
                known = self._plan.parts.get(id(call))
                runs = known is not None and known.stage == "forward"
                own = kind.function if kind is not None else None
                # A function is none; of a method, the hooks are shown the object.
                shows = own is None or own.owner is not None
                if (kind is not None and kind.role == "module") or (runs and shows):
                    found.append(call)
        return found
