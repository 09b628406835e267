"""What the names of a program hold: a module, a loss, an optimizer, parameters, gradients, an object."""

from __future__ import annotations

import ast

from rnnprof.instrument.reading.classes import Classes, full_name
from rnnprof.instrument.reading.kind import ELEMENT, MANY, Kind, by_name
from rnnprof.instrument.reading.project import Class, Function, Project, top_level
from rnnprof.instrument.reading.syntax import COMPREHENSIONS, dotted, is_property
from rnnprof.instrument.reading.vocabulary import kind_of_class, words

SAME = words(
    """
    to cuda cpu train eval half double float bfloat16 type apply requires_grad_ module share_memory
    data detach clone compile values
    """
)
"""Methods and attributes that give the same kind of thing as they are asked of."""
WRAPS = words(
    """
    DataParallel DistributedDataParallel FullyShardedDataParallel compile deepcopy copy tqdm track
    trange enumerate iter list tuple set sorted filter reversed islice cycle
    """
)
"""Functions that give the same kind of thing as their first argument."""
OF_MODULE = {
    "parameters": "parameters",
    "named_parameters": "named_parameters",
    "trainable_parameters": "parameters",
}


class Kinds:
    """The kinds of all names in a project.

    Args:
        project: the user's source.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.classes = Classes(project)
        self.names: dict[tuple[int, str], Kind] = {}
        self._attributes: dict[str, Kind | None] = {}
        self._own: dict[tuple[int, str], Kind] = {}
        self.returns: dict[int, Kind] = {}

    @property
    def known(self) -> int:
        """Of how many names and returns something is known."""
        return len(self.names) + len(self.returns) + len(self._own) + len(self._attributes)

    # ---- looking up -------------------------------------------------------------------------

    def of(self, node: ast.expr, function: Function) -> Kind | None:
        """The kind of an expression inside a function; None if unknown."""
        if isinstance(node, ast.Name):
            return self._name(node.id, function)
        if isinstance(node, ast.Attribute):
            return self._attribute(node, function)
        if isinstance(node, ast.Call):
            return self._called(node, function)
        if isinstance(node, (ast.Tuple, ast.List)):
            parts = tuple(self.of(one, function) for one in node.elts)
            first = parts[0] if parts else None
            if isinstance(node, ast.List) and len(set(parts)) == 1:
                return MANY.get(first.role, first) if first is not None else None
            return Kind("tuple", parts=parts)
        if isinstance(node, ast.Subscript):
            inner = self.of(node.value, function)
            if inner is not None and inner.role == "tuple" and isinstance(node.slice, ast.Constant):
                index = node.slice.value
                if isinstance(index, int) and -len(inner.parts) <= index < len(inner.parts):
                    return inner.parts[index]
            return ELEMENT.get(inner.role, inner) if inner is not None else None
        if isinstance(node, ast.Dict):
            values = {self.of(one, function) for one in node.values}
            return values.pop() if len(values) == 1 else None
        if isinstance(node, ast.IfExp):
            return self.of(node.body, function) or self.of(node.orelse, function)
        if isinstance(node, ast.BoolOp):
            return next((kind for value in node.values if (kind := self.of(value, function))), None)
        if isinstance(node, COMPREHENSIONS) and not isinstance(node, ast.DictComp):
            for generator in node.generators:
                self.bind_each(generator.target, generator.iter, function)
            kind = self.of(node.elt, function)
            return MANY.get(kind.role, kind) if kind is not None else None
        if isinstance(node, ast.BinOp):
            left, right = self.of(node.left, function), self.of(node.right, function)
            return left if left == right or (left and left.role == "parameters") else None
        return None

    def callee(self, call: ast.Call, function: Function) -> Function | None:
        """The user's function that a call runs; for a class, None."""
        return self.target(call.func, function)

    def target(self, node: ast.expr, function: Function) -> Function | None:
        """The user's function that an expression names."""
        kind = self.of(node, function)
        if kind is not None and kind.function is not None:
            return kind.function
        if isinstance(node, ast.Attribute):
            holder = self.of(node.value, function)
            if holder is not None and holder.made is not None:
                return self.classes.method(holder.made, node.attr)
            if holder is None and kind is None:
                return self.classes.only(node.attr)
        if kind is not None and kind.made is not None and kind.role != "class":
            return self.classes.method(kind.made, "__call__") or self.classes.method(kind.made, "forward")
        return None

    def _name(self, name: str, function: Function) -> Kind | None:
        scope: Function | None = function
        while scope is not None:
            found = self.names.get((id(scope), name))
            if found is not None:
                return found
            if name in scope.local:
                return Kind("function", function=scope.local[name])
            scope = scope.parent
        source = function.source
        made = top_level(source, name)
        if made is None and name in source.imports:
            made = self.project.named(source.imports[name])
            if made is None:
                return self._imported(source.imports[name])
        if isinstance(made, Class):
            return Kind("class", made=made)
        if isinstance(made, Function):
            return Kind("function", function=made)
        return by_name(name)

    def _imported(self, dotted_name: str) -> Kind | None:
        module, _, name = dotted_name.rpartition(".")
        source = self.project.by_name.get(module)
        return self.names.get((id(source.main), name)) if source is not None else None

    def _attribute(self, node: ast.Attribute, function: Function) -> Kind | None:
        if node.attr == "grad":
            return Kind("gradient")
        if node.attr == "module":
            inner = self.of(node.value, function)
            if inner is not None and inner.role == "module":
                return inner
        full = full_name(node, function.source)
        named = self.project.named(full)
        if isinstance(named, Class):
            return Kind("class", made=named)
        if isinstance(named, Function):
            return Kind("function", function=named)
        imported = self._imported(full)
        if imported is not None:
            return imported
        holder = self.of(node.value, function)
        if holder is not None and holder.made is not None:
            own = self._own.get((id(holder.made), node.attr))
            if own is not None:
                return own
            method = self.classes.method(holder.made, node.attr)
            if method is not None and is_property(method.node):
                return self.returns.get(id(method))
            if method is not None:
                return Kind("function", function=method)
        if holder is not None and holder.role in ("parameter", "gradient") and node.attr in SAME:
            return holder
        return self._attributes.get(node.attr) or by_name(node.attr)

    # ---- calls ------------------------------------------------------------------------------

    def _called(self, call: ast.Call, function: Function) -> Kind | None:
        full = full_name(call.func, function.source)
        last = full.rpartition(".")[2]
        kind = self.of(call.func, function)
        if kind is not None and kind.role == "class" and kind.made is not None:
            return Kind(self.classes.role(kind.made), made=kind.made)
        if kind is not None and kind.function is not None:
            return self.returns.get(id(kind.function))
        role = kind_of_class(full)
        if role:
            return Kind(role)
        if full == "torch.autograd.grad":
            return Kind("gradients")
        if last in WRAPS and call.args:
            inner = self.of(call.args[1 if last == "filter" and len(call.args) > 1 else 0], function)
            return Kind("loader") if inner is None and last in ("tqdm", "track") else inner
        if last == "prepare" and call.args:
            parts = tuple(self.of(one, function) for one in call.args)
            return Kind("tuple", parts=parts) if len(parts) > 1 else parts[0]
        if isinstance(call.func, ast.Attribute):
            holder = self.of(call.func.value, function)
            if call.func.attr in OF_MODULE:
                return Kind(OF_MODULE[call.func.attr])
            if holder is not None and call.func.attr in SAME:
                return holder
            if call.func.attr == "requires_grad_":
                return Kind("parameter")
        given = {one.arg: one.value for one in call.keywords}.get("requires_grad")
        return Kind("parameter") if isinstance(given, ast.Constant) and given.value is True else None

    def element(self, kind: Kind | None) -> Kind | None:
        """What a loop over a thing of that kind is given."""
        if kind is None:
            return None
        if kind.role == "named_parameters":
            return Kind("tuple", parts=(None, Kind("parameter")))
        if kind.role == "tuple":
            return kind.parts[0] if kind.parts and len(set(kind.parts)) == 1 else None
        if kind.role == "loader":
            return None
        return ELEMENT.get(kind.role, kind)

    # ---- binding ----------------------------------------------------------------------------

    def bind(self, target: ast.expr, kind: Kind | None, function: Function) -> None:
        """Note what an assignment's target holds, unless it is known already."""
        if kind is None:
            return
        if isinstance(target, (ast.Tuple, ast.List)):
            parts = kind.parts if kind.role == "tuple" else ()
            for one, part in zip(target.elts, parts, strict=False):
                self.bind(one, part, function)
            return
        if isinstance(target, ast.Name):
            self.names.setdefault((id(self._scope(target.id, function)), target.id), kind)
        elif isinstance(target, ast.Attribute):
            holder = self.of(target.value, function)
            if holder is not None and holder.made is not None:
                self._own.setdefault((id(holder.made), target.attr), kind)
            if kind.role in ("function", "tuple"):
                return
            known = self._attributes.setdefault(target.attr, kind)
            if known is not None and known.role != kind.role:
                self._attributes[target.attr] = None

    def bind_each(self, target: ast.expr, iterable: ast.expr, function: Function) -> None:
        """Note what a loop's target holds, also over ``enumerate`` and ``zip``."""
        name = dotted(iterable.func) if isinstance(iterable, ast.Call) else ""
        given = iterable.args if isinstance(iterable, ast.Call) else []
        if name == "enumerate" and given and isinstance(target, ast.Tuple) and len(target.elts) == 2:
            self.bind_each(target.elts[1], given[0], function)
        elif name == "zip" and isinstance(target, ast.Tuple):
            for one, values in zip(target.elts, given, strict=False):
                self.bind(one, self.element(self.of(values, function)), function)
        else:
            self.bind(target, self.element(self.of(iterable, function)), function)

    def bind_parameter(self, node: ast.expr, function: Function, role: str = "parameter") -> None:
        """Note that a variable holds a parameter, or a list of them: its gradient is asked for."""
        while isinstance(node, ast.Attribute) and node.attr == "data":
            node = node.value
        if isinstance(node, ast.Name) and self.of(node, function) is None:
            self.bind(node, Kind(role), function)

    def _scope(self, name: str, function: Function) -> Function:
        for node in function.body:
            if isinstance(node, ast.Global) and name in node.names:
                return function.source.main
        return function
