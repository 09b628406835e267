"""What a statement does to parameters, gradients and hidden states, told by its shape and not by names."""

from __future__ import annotations

import ast

from rnnprof.instrument.reading.kinds import Kinds
from rnnprof.instrument.reading.project import Function
from rnnprof.instrument.reading.syntax import bound, calls, dotted, own_expressions, walk
from rnnprof.instrument.reading.vocabulary import is_state

CLEARS = {"zero_", "detach_"}
HARMLESS = {"requires_grad_", "retain_grad", "register_hook", "share_memory_"}
FRESH = {"zeros", "new_zeros", "zeros_like", "randn", "rand", "ones", "new_ones"}
DETACHES = {"detach", "detach_", "data"}
WRAPPERS = {"Variable", "tuple", "list", "clone", "contiguous", "to", "requires_grad_", *DETACHES}
NORMS = {"norm", "vector_norm", "_foreach_norm", "pow", "square"}


class Shapes:
    """Recognises the parts of a training loop that are written by hand.

    Args:
        kinds: what the project's names hold.
    """

    def __init__(self, kinds: Kinds) -> None:
        self.kinds = kinds

    def of(self, statement: ast.stmt, function: Function) -> tuple[str, str] | None:
        """The stage of a simple statement and why, or None."""
        if isinstance(statement, ast.Assign):
            found = self._assignment(statement, function)
        elif isinstance(statement, ast.AugAssign) and _is_rate(statement.target):
            found = "schedule", "sets the learning rate"
        elif isinstance(statement, ast.AugAssign):
            found = self._change(statement.target, statement.value, function)
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            found = self._in_place(statement.value, function)
        else:
            found = None
        if found is None and any(self._reads_norm(one) for one in own_expressions(statement)):
            return "clip", "measures the gradients' norm"
        return found

    def _assignment(self, statement: ast.Assign, function: Function) -> tuple[str, str] | None:
        target, value = statement.targets[0], statement.value
        if isinstance(target, ast.Attribute) and target.attr == "grad":
            empty = isinstance(value, ast.Constant) or dotted(value).endswith(("zeros_like()", "zeros()"))
            return ("zero_grad", "drops the old gradients") if empty else ("clip", "changes gradients")
        if isinstance(target, ast.Attribute) and target.attr == "data":
            return self._change(target.value, value, function)
        if self._shifted(target, value, function):
            return "update", "changes a parameter by its gradient"
        if _is_rate(target) and isinstance(value, (ast.BinOp, ast.Call, ast.IfExp, ast.Name)):
            return "schedule", "sets the learning rate"
        if isinstance(value, (ast.ListComp, ast.Call)) and self._functional_update(value, function):
            return "update", "computes new parameters from gradients"
        return self._state(statement)

    def _shifted(self, target: ast.expr, value: ast.expr, function: Function) -> bool:
        """Whether this is ``p = p - lr * p.grad``."""
        if not isinstance(value, ast.BinOp) or not isinstance(value.op, (ast.Sub, ast.Add)):
            return False
        return dotted(target) == dotted(value.left) and self._mentions_gradient(value.right, function)

    def _functional_update(self, value: ast.expr, function: Function) -> bool:
        """Whether this is ``[p - lr * g for p, g in zip(parameters, gradients)]``."""
        for node in [value, *walk(value)]:
            if isinstance(node, (ast.ListComp, ast.GeneratorExp)):
                self.kinds.of(node, function)
                change = node.elt
                if isinstance(change, ast.BinOp) and isinstance(change.op, ast.Sub):
                    return self._mentions_gradient(change.right, function)
        return False

    def _change(self, target: ast.expr, value: ast.expr, function: Function) -> tuple[str, str] | None:
        if self._is_gradient(target, function):
            return "clip", "changes gradients"
        if self._mentions_gradient(value, function) and not isinstance(value, ast.Constant):
            kind = self.kinds.of(target, function)
            if _calls_norm(value) and (kind is None or kind.role != "parameter"):
                return None
            return "update", "changes a parameter by its gradient"
        return None

    def _in_place(self, call: ast.Call, function: Function) -> tuple[str, str] | None:
        """A call such as ``p.data.add_(-lr, p.grad.data)``, or ``p.grad.zero_()``."""
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if name.startswith("_foreach_") and name.endswith("_") and call.args:
            if self._is_gradient(call.args[0], function):
                return (
                    ("zero_grad", "drops the old gradients")
                    if name == "_foreach_zero_"
                    else ("clip", "changes gradients")
                )
            if any(self._mentions_gradient(one, function) for one in call.args[1:]):
                return "update", "changes parameters by their gradients"
            return None
        if not isinstance(call.func, ast.Attribute) or not name.endswith("_") or name in HARMLESS:
            return None
        if name.endswith("__"):
            return None
        if name == "detach_" and not self._is_gradient(call.func.value, function):
            return "repackage", "detaches the hidden state"
        if self._is_gradient(call.func.value, function):
            return (
                ("zero_grad", "drops the old gradients") if name in CLEARS else ("clip", "changes gradients")
            )
        given = [*call.args, *(one.value for one in call.keywords)]
        chained = call.func.value if isinstance(call.func.value, ast.Call) else None
        if any(self._mentions_gradient(one, function) for one in given):
            return "update", "changes a parameter by its gradient"
        if (
            chained is not None
            and isinstance(chained.func, ast.Attribute)
            and chained.func.attr.endswith("_")
        ):
            return self._in_place(chained, function)
        return None

    def _state(self, statement: ast.Assign) -> tuple[str, str] | None:
        """``hidden = hidden.detach()``, ``h = [s.detach() for s in h]``, ``hidden = torch.zeros(...)``."""
        if any(isinstance(target, ast.Subscript) for target in statement.targets):
            return None
        targets = bound(statement)
        value = statement.value
        called = {dotted(one.func).rpartition(".")[2] for one in calls(value)}
        attributes = {one.attr for one in walk(value) if isinstance(one, ast.Attribute)}
        attributes |= {value.attr} if isinstance(value, ast.Attribute) else set()
        used = {dotted(one) for one in [value, *walk(value)] if isinstance(one, (ast.Name, ast.Attribute))}
        if (called | attributes) & DETACHES and called <= WRAPPERS and targets & used:
            return "repackage", "detaches what the next step begins with"
        states = bool(targets) and all(is_state(name) for name in targets)
        if states and called & FRESH and not (targets & used):
            return "init_hidden", "makes a fresh hidden state"
        if states and (called | attributes) & DETACHES and called <= WRAPPERS:
            return "repackage", "detaches the hidden state"
        return None

    def _is_gradient(self, node: ast.expr, function: Function) -> bool:
        while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
            if isinstance(node, ast.Attribute) and node.attr == "grad":
                return True
            node = node.func if isinstance(node, ast.Call) else node.value
        kind = self.kinds.of(node, function)
        return kind is not None and kind.role in ("gradient", "gradients")

    def _mentions_gradient(self, node: ast.expr, function: Function) -> bool:
        for one in [node, *walk(node)]:
            if isinstance(one, ast.Attribute) and one.attr == "grad":
                return True
            if isinstance(one, ast.Name):
                kind = self.kinds.of(one, function)
                if kind is not None and kind.role in ("gradient", "gradients"):
                    return True
        return False

    def _reads_norm(self, node: ast.expr) -> bool:
        """``p.grad.norm()`` or ``torch.norm(p.grad)``."""
        return any(
            dotted(call.func).rpartition(".")[2] in NORMS
            and any(isinstance(one, ast.Attribute) and one.attr == "grad" for one in [call, *walk(call)])
            for call in calls(node)
        )


def _is_rate(target: ast.expr) -> bool:
    """``group["lr"]``, or a variable ``lr``."""
    return (isinstance(target, ast.Name) and target.id in ("lr", "learning_rate")) or (
        isinstance(target, ast.Subscript)
        and isinstance(target.slice, ast.Constant)
        and target.slice.value == "lr"
    )


def _calls_norm(node: ast.expr) -> bool:
    return any(dotted(call.func).rpartition(".")[2] in (*NORMS, "sum", "item", "max") for call in calls(node))
