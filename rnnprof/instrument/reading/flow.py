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
from rnnprof.instrument.reading.syntax import bound, own_expressions, read, statements, walk
from rnnprof.instrument.reading.traits import (
    calls_unknown,
    compares,
    is_fresh,
    named_loss,
    of_backward,
    only_counts,
    summands,
    works,
)
from rnnprof.instrument.reading.vocabulary import is_state

MODEL = ("forward", "loss", OPEN)


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
            receivers |= of_backward(item.statement)
        if label is not None and label.stage in (*MODEL, "backward"):
            needed |= item.reads
        if is_loss and isinstance(item.statement, ast.Return):
            receivers |= item.reads
            if label is None and works(item.statement):
                labels[id(item.statement)] = Label("loss", "is the loss that the function returns")
    needed |= receivers
    if receivers and not any(_stage(labels, item) in ("forward", OPEN) for item in listed):
        _guess_forward(listed, labels, receivers, set(needed))
    tainted = _from_the_model(listed, labels, kinds, function)
    summed: set[str] = set()
    for i in range(len(listed) - 1, -1, -1):
        item = listed[i]
        stage = _stage(labels, item)
        if item.binds & (receivers | summed):
            summed |= summands(item.statement)
        if stage is not None:
            if stage == "get_batch":
                needed |= item.reads
            continue
        if not item.binds & needed:
            if id(item.statement) in tainted and compares(item.statement):
                labels[id(item.statement)] = Label("log", "measures what the model gave")
            continue
        needed |= item.reads
        if not works(item.statement) or only_counts(item.statement):
            continue
        if item.binds & receivers:
            labels[id(item.statement)] = Label("loss", "makes what backward is called on")
        elif id(item.statement) in tainted and (item.binds & summed or named_loss(item.binds)):
            labels[id(item.statement)] = Label(
                "loss", "is computed from the model's output, and is part of a loss"
            )
        elif id(item.statement) in tainted:
            late = tainted[id(item.statement)]
            labels[id(item.statement)] = Label(
                "loss" if late else "forward",
                "turns the loss into what backward is called on"
                if late
                else "is computed from the model's output",
            )
        elif is_fresh(item.statement) and all(is_state(name) for name in item.binds):
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
            if calls_unknown(item.statement):
                found.append(item)
        elif item.binds & needed:
            needed |= item.reads
    if len(found) > 1 and found[0].binds & receivers:
        found = found[1:]
    if found:
        labels[id(found[0].statement)] = Label("forward", "gives what the loss is computed from")


def _stage(labels: dict[int, Label], item: Item) -> str | None:
    label = labels.get(id(item.statement))
    return label.stage if label is not None else None


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
        of_backward(one)
        for one in statements(body)
        if (known := labels.get(id(one))) and known.stage == "backward"
    ]
    return bool(bound(statement) & set().union(*receivers, set()))
