"""Rules of the user's: in ``pyproject.toml`` and on the command line."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rnnprof.errors import UsageError
from rnnprof.instrument.rules import TRANSPARENT, Rule

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LONGEST = 80
"""Characters of a stage's name; a table has to show it."""


def own_rules(folder: Path, given: Iterable[str] = ()) -> tuple[Rule, ...]:
    """The user's rules, those of the command line first.

    Args:
        folder: the script's; the ``pyproject.toml`` in it, or in the nearest folder around it that
            has one, may hold a table ``[tool.rnnprof.stages]`` with a stage for each pattern of
            calls. No other is read, whether that one holds the table or not.
        given: ``PATTERN=STAGE`` from the command line.

    Returns:
        The rules in the order in which they are tried.

    Raises:
        UsageError: a rule or the file makes no sense.
    """
    found = []
    for text in given:
        pattern, equals, stage = text.rpartition("=")
        if not equals or not pattern.strip() or not stage.strip():
            raise UsageError(f"--rule {text!r}: write PATTERN=STAGE, such as --rule 'my_clip*=clip'")
        found.append(_rule(pattern, stage, "a rule on the command line", f"--rule {text!r}"))
    return (*found, *_from_file(folder))


def _rule(pattern: str, stage: Any, why: str, where: str) -> Rule:
    if not isinstance(stage, str) or not stage.strip():
        raise UsageError(f"{where}: a stage is a name, such as 'clip'; '-' goes on in the stage before")
    if len(stage) > LONGEST:
        raise UsageError(f"{where}: the stage's name is longer than {LONGEST} characters")
    name = stage.strip()
    return Rule(TRANSPARENT if name == "-" else name, (pattern.strip().lower(),), why)


def _from_file(folder: Path) -> list[Rule]:
    for place in (folder, *folder.parents):
        path = place / "pyproject.toml"
        if not path.is_file():
            continue
        try:
            with path.open("rb") as file:
                tool = tomllib.load(file).get("tool", {})
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be read: {error}") from None
        settings = tool.get("rnnprof", {}) if isinstance(tool, dict) else None
        if not isinstance(settings, dict) or not isinstance(settings.get("stages", {}), dict):
            raise UsageError(f"{path}: [tool.rnnprof.stages] is a table of patterns and stages")
        unknown = [key for key in settings if key != "stages"]
        if unknown:
            raise UsageError(f"{path}: [tool.rnnprof] knows `stages` alone, not {unknown[0]!r}")
        stages = settings.get("stages", {})
        return [
            _rule(pattern, stage, f"a rule in {path.name}", str(path)) for pattern, stage in stages.items()
        ]
    return []
