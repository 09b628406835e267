"""What statements are for, told by where their values go: into the model, into the loss, or nowhere.

What makes the model's input belongs to the batch; what is made of the model's output, and ends in
what `backward` is called on, belongs to forward or loss.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from rnnprof.instrument.reading.kinds import Kinds
from rnnprof.instrument.reading.meaning import OPEN, Label
from rnnprof.instrument.reading.project import Function
from rnnprof.instrument.reading.syntax import bound, calls, dotted, own_expressions, read, statements, walk
from rnnprof.instrument.reading.vocabulary import PLUMBING, is_state, matches

MODEL = ("forward", "loss", OPEN)
LOSSES = ("*loss*", "nll*", "*_nll", "kl", "kl_*", "*_kl", "kld*", "bce*", "mse*", "*_mse", "*penalty*")
"""Names of parts of a loss."""
WORK = (ast.Call, ast.BinOp, ast.Subscript, ast.Compare, ast.UnaryOp)


@dataclass
class Item:
    """A statement with what it reads and binds."""

    statement: ast.stmt
    reads: set[str]
    binds: set[str]


def items(body: list[ast.stmt]) -> list[Item]:
    """The statements of a body, those inside others too, in the order of the source."""
    found = []
    for statement in statements(body):
        reads: set[str] = set().union(*map(read, own_expressions(statement)), set())
        binds = bound(statement)
        if isinstance(statement, ast.AugAssign):
            reads |= binds
        found.append(Item(statement, reads, binds))
    return found


def follow(
    body: list[ast.stmt], labels: dict[int, Label], kinds: Kinds, function: Function, is_loss: bool = False
) -> None:
    """Label the statements whose values go into the model or the loss.

    Args:
        body: the statements of a step or of a function in it.
        labels: the labels that rules gave, by the statement's ``id``; more are added.
        kinds: what names hold.
        function: the function that the statements are in.
        is_loss: whether what the function returns is the loss.
    """
    listed = items(body)
    receivers: set[str] = set()
    needed: set[str] = set()
    for item in listed:
        label = labels.get(id(item.statement))
        if label is not None and label.stage == "backward":
            receivers |= _receivers(item.statement)
        if label is not None and label.stage in (*MODEL, "backward"):
            needed |= item.reads
        if is_loss and isinstance(item.statement, ast.Return):
            receivers |= item.reads
            if label is None and _works(item.statement):
                labels[id(item.statement)] = Label("loss", "is the loss that the function returns")
    needed |= receivers
    if receivers and not any(_stage(labels, item) in ("forward", OPEN) for item in listed):
        _guess_forward(listed, labels, receivers, set(needed))
    tainted = _from_the_model(listed, labels, kinds, function)
    for i in range(len(listed) - 1, -1, -1):
        item = listed[i]
        stage = _stage(labels, item)
        if stage is not None:
            if stage == "get_batch":
                needed |= item.reads
            continue
        if not item.binds & needed:
            if id(item.statement) in tainted and _compares(item.statement):
                labels[id(item.statement)] = Label("log", "measures what the model gave")
            continue
        needed |= item.reads
        if not _works(item.statement) or _only_counts(item.statement):
            continue
        if item.binds & receivers:
            labels[id(item.statement)] = Label("loss", "makes what backward is called on")
        elif id(item.statement) in tainted and _named_loss(item.binds):
            labels[id(item.statement)] = Label("loss", "is computed from the model's output and named loss")
        elif id(item.statement) in tainted:
            late = tainted[id(item.statement)]
            labels[id(item.statement)] = Label(
                "loss" if late else "forward",
                "turns the loss into what backward is called on"
                if late
                else "is computed from the model's output",
            )
        elif _is_fresh(item.statement) and all(is_state(name) for name in item.binds):
            labels[id(item.statement)] = Label(
                "init_hidden", "makes the hidden state that the model begins with"
            )
        else:
            labels[id(item.statement)] = Label("get_batch", "makes what the model is given")


def _guess_forward(
    listed: list[Item], labels: dict[int, Label], receivers: set[str], needed: set[str]
) -> None:
    """Nothing in the step is known to run a model: the last unknown function before the loss does."""
    found: list[Item] = []
    for item in reversed(listed):
        if item.binds & needed and _stage(labels, item) is None:
            needed |= item.reads
            if _calls_unknown(item.statement):
                found.append(item)
        elif item.binds & needed:
            needed |= item.reads
    if len(found) > 1 and found[0].binds & receivers:
        found = found[1:]
    if found:
        labels[id(found[0].statement)] = Label("forward", "gives what the loss is computed from")


def _calls_unknown(statement: ast.stmt) -> bool:
    names = [
        dotted(call.func).rpartition(".")[2] for one in own_expressions(statement) for call in calls(one)
    ]
    return any(name and name.rstrip("_") not in PLUMBING for name in names)


def _compares(statement: ast.stmt) -> bool:
    """``right = (scores.argmax(dim=1) == targets).sum()``."""
    names = {
        dotted(call.func).rpartition(".")[2] for one in own_expressions(statement) for call in calls(one)
    }
    compared = any(isinstance(node, ast.Compare) for one in own_expressions(statement) for node in walk(one))
    return (
        isinstance(statement, (ast.Assign, ast.AugAssign))
        and bool(names)
        and (compared or bool(names & {"argmax", "eq", "topk"}))
    )


def _named_loss(binds: set[str]) -> bool:
    return bool(binds) and all(matches(name.rpartition(".")[2], LOSSES) for name in binds)


def _is_fresh(statement: ast.stmt) -> bool:
    """Whether a statement makes a tensor of constants or noise, or is given a function's result."""
    named = [
        dotted(call.func).rpartition(".")[2] for one in own_expressions(statement) for call in calls(one)
    ]
    return bool(named) and not any(name in ("cat", "stack", "tensor", "from_numpy") for name in named)


def _stage(labels: dict[int, Label], item: Item) -> str | None:
    label = labels.get(id(item.statement))
    return label.stage if label is not None else None


def _receivers(statement: ast.stmt) -> set[str]:
    """The names of what `backward` is called on."""
    found: set[str] = set()
    for expression in own_expressions(statement):
        for call in calls(expression):
            if isinstance(call.func, ast.Attribute) and call.func.attr == "backward":
                found |= read(call.func.value)
                found |= set().union(*map(read, call.args), set())
            elif (
                isinstance(call.func, ast.Attribute)
                and call.func.attr in ("grad", "manual_backward")
                and call.args
            ):
                found |= read(call.args[0])
    return found


def _from_the_model(
    listed: list[Item], labels: dict[int, Label], kinds: Kinds, function: Function
) -> dict[int, bool]:
    """The unlabelled statements that work with the model's parameters or with what it gave.

    Returns:
        For each, by its ``id``, whether it works with the loss.
    """
    given: set[str] = set()
    lossy: set[str] = set()
    found = {}
    for item in listed:
        stage = _stage(labels, item)
        if stage in MODEL:
            given |= item.binds
            lossy = lossy | item.binds if stage == "loss" else lossy - item.binds
        elif stage is not None:
            given -= item.binds
        elif item.reads & given or _reads_parameter(item, kinds, function):
            found[id(item.statement)] = bool(item.reads & lossy)
            given |= item.binds
            lossy |= item.binds if item.reads & lossy else set()
        elif not isinstance(item.statement, ast.AugAssign):
            given -= item.binds
    return found


def _reads_parameter(item: Item, kinds: Kinds, function: Function) -> bool:
    for expression in own_expressions(item.statement):
        for node in [expression, *walk(expression)]:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                kind = kinds.of(node, function)
                if kind is not None and kind.role in ("parameter", "parameters"):
                    return True
    return False


def _only_counts(statement: ast.stmt) -> bool:
    """Whether this is a loop over ``range`` and the like, whose header does no work."""
    return isinstance(statement, ast.For) and all(
        (
            isinstance(call.func, ast.Name)
            and call.func.id in ("range", "enumerate", "zip", "reversed", "len", "min", "max")
        )
        or (isinstance(call.func, ast.Attribute) and call.func.attr in ("size", "numel", "dim"))
        for call in calls(statement.iter)
    )


def _works(statement: ast.stmt) -> bool:
    """Whether a statement computes something, and does not just move names."""
    return isinstance(statement, ast.AugAssign) or any(
        isinstance(node, WORK)
        for expression in own_expressions(statement)
        for node in [expression, *walk(expression)]
    )


def makes_loss_around(
    statement: ast.stmt, labels: dict[int, Label], parts: dict[int, Label], body: list[ast.stmt]
) -> bool:
    """Whether a statement holds the model's call and the loss: ``loss = ((model(x) - y) ** 2).mean()``."""
    label = labels.get(id(statement))
    if label is None or label.stage != "forward" or not isinstance(statement, ast.Assign):
        return False
    value = statement.value
    if id(value) in parts or not isinstance(value, (ast.Call, ast.BinOp, ast.UnaryOp)):
        return False
    receivers = [
        _receivers(one)
        for one in statements(body)
        if (known := labels.get(id(one))) and known.stage == "backward"
    ]
    return bool(bound(statement) & set().union(*receivers, set()))
