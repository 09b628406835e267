"""The script and the user's modules beside it, as syntax trees with a table of their functions."""

from __future__ import annotations

import ast
import io
import tokenize
from dataclasses import dataclass, field
from pathlib import Path

from rnnprof.instrument.reading.comments import Directive, directives
from rnnprof.instrument.reading.syntax import SCOPES, Def

FORBIDDEN = {"site-packages", "dist-packages"}


@dataclass(eq=False)
class Class:
    """A class that the user wrote."""

    node: ast.ClassDef
    source: Source
    methods: dict[str, Function] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name, without that of its module."""
        return self.node.name


@dataclass(eq=False)
class Function:
    """A function that the user wrote; the body of a module is one as well."""

    node: Def | ast.Module
    source: Source
    owner: Class | None = None
    parent: Function | None = None
    local: dict[str, Function] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name; that of a module's body is ``<module>``."""
        return "<module>" if isinstance(self.node, ast.Module) else self.node.name

    @property
    def body(self) -> list[ast.stmt]:
        """Its statements."""
        return self.node.body

    @property
    def parameters(self) -> list[str]:
        """The names of its parameters, in order, without those behind ``*`` and ``**``."""
        if isinstance(self.node, ast.Module):
            return []
        arguments = self.node.args
        return [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]

    def __repr__(self) -> str:
        return f"<{self.source.name}:{self.name}>"


@dataclass(eq=False)
class Source:
    """One file of the user's.

    Attributes:
        path: the file.
        name: the module's name as it is imported.
        imports: what a name stands for that an import binds, as a dotted name.
        stars: the modules of which everything is imported.
        comments: the directives in it, by line.
    """

    path: Path
    name: str
    text: str
    tree: ast.Module
    imports: dict[str, str] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    classes: dict[str, Class] = field(default_factory=dict)
    comments: dict[int, Directive] = field(default_factory=dict)

    @property
    def main(self) -> Function:
        """The module's own body."""
        return self.functions[0]


OWN = __name__.partition(".")[0]
"""This package, which is the user's source nowhere, also where it lies beside the script."""


class Project:
    """All of the user's source that can be found from one file.

    Args:
        roots: the folders that imports are looked up in; what lies elsewhere is not the user's.
    """

    def __init__(self, roots: list[Path]) -> None:
        self.roots = roots
        self.sources: dict[Path, Source] = {}
        self.by_name: dict[str, Source] = {}

    def add(self, path: Path, name: str, data: bytes | None = None) -> Source | None:
        """Read a file and what it imports; None if it is no Python that this Python can read."""
        if path in self.sources:
            return self.sources[path]
        source = parse(path, name, path.read_bytes() if data is None else data)
        if source is None:
            return None
        self.sources[path] = source
        self.by_name.setdefault(name, source)
        for module in imported_modules(source):
            self._find(module)
        for module in source.stars:
            starred = self.by_name.get(module)
            if starred is not None:
                source.imports = {**starred.imports, **public(starred), **source.imports}
        return source

    def _find(self, module: str) -> None:
        if module in self.by_name or module.partition(".")[0] == OWN:
            return
        relative = Path(*module.split("."))
        for root in self.roots:
            for path in (root / relative.with_suffix(".py"), root / relative / "__init__.py"):
                if path.is_file() and not FORBIDDEN & set(path.parts):
                    self.add(path, module)
                    return

    @property
    def functions(self) -> list[Function]:
        """Every function of every file, the bodies of modules too."""
        return [function for source in self.sources.values() for function in source.functions]

    def named(self, dotted: str) -> Function | Class | None:
        """What a dotted name of another module stands for, such as ``utils.repackage_hidden``."""
        module, _, name = dotted.rpartition(".")
        source = self.by_name.get(module)
        if source is None:
            return None
        found = top_level(source, name)
        if found is None and name in source.imports and source.imports[name] != dotted:
            return self.named(source.imports[name])
        return found


def top_level(source: Source, name: str) -> Function | Class | None:
    """The function or class of that name in a module."""
    return source.main.local.get(name) or source.classes.get(name)


def decoded(data: bytes) -> str:
    """The text of a source file, in the encoding that it names; line ends stay as they are."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data.decode(encoding)


def public(source: Source) -> dict[str, str]:
    """What a star import binds besides the module's own imports, as dotted names."""
    names = [*source.main.local, *source.classes, *_assigned(source.tree.body)]
    return {name: f"{source.name}.{name}" for name in names if not name.startswith("_")}


def _assigned(body: list[ast.stmt]) -> list[str]:
    return [
        target.id
        for node in body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]


def parse(path: Path, name: str, data: bytes) -> Source | None:
    """Read one file; None if it has a syntax error, which Python itself will report."""
    try:
        tree = ast.parse(data, str(path))
        text = decoded(data)
    except (SyntaxError, ValueError, LookupError):
        return None
    source = Source(path, name, text, tree, comments=directives(text))
    main = Function(tree, source)
    source.functions.append(main)
    _collect(tree.body, source, main, None)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                local = alias.asname or alias.name.partition(".")[0]
                source.imports[local] = alias.name if alias.asname else local
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(node, package)
            for alias in node.names:
                if alias.name == "*":
                    source.stars.append(origin)
                else:
                    source.imports[alias.asname or alias.name] = f"{origin}.{alias.name}"
    return source


def _collect(body: list[ast.stmt], source: Source, parent: Function, owner: Class | None) -> None:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            function = Function(node, source, owner, parent)
            source.functions.append(function)
            if owner is not None:
                owner.methods[node.name] = function
            else:
                parent.local[node.name] = function
            _collect(node.body, source, function, None)
        elif isinstance(node, ast.ClassDef):
            made = Class(node, source)
            source.classes.setdefault(node.name, made)
            _collect(node.body, source, parent, made)
        elif not isinstance(node, SCOPES):
            for name in ("body", "orelse", "finalbody"):
                _collect(getattr(node, name, []), source, parent, owner)
            for part in (*getattr(node, "handlers", []), *getattr(node, "cases", [])):
                _collect(part.body, source, parent, owner)


def _origin(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".") if package else []
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


def imported_modules(source: Source) -> list[str]:
    """The modules that a file may import: each dotted name, and what it begins with."""
    found: dict[str, None] = {}
    for node in ast.walk(source.tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = source.name if source.path.name == "__init__.py" else source.name.rpartition(".")[0]
            origin = _origin(node, package)
            names = [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            found.update(dict.fromkeys(".".join(parts[: i + 1]) for i in range(len(parts))))
    return [name for name in found if name]
