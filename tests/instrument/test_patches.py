"""Attributes that are replaced come back exactly."""

from __future__ import annotations

import types

import pytest

from rnnprof.instrument.patches import Patches


class Base:
    def inherited(self) -> str:
        return "inherited"


class Owner(Base):
    value = 1

    @staticmethod
    def static() -> str:
        return "static"

    @classmethod
    def of_class(cls) -> str:
        return "class"


def test_everything_comes_back_as_it_was() -> None:
    before = dict(vars(Owner))
    with Patches() as patches:
        for name in ("value", "static", "of_class", "inherited", "new"):
            patches.set(Owner, name, lambda *_: "ours")
        assert Owner().inherited() == Owner.static() == "ours"
        patches.set(Owner, "value", "again")
    assert dict(vars(Owner)) == before
    assert all(vars(Owner)[name] is before[name] for name in before)
    assert (Owner.static(), Owner.of_class(), Owner().inherited()) == ("static", "class", "inherited")


def test_a_module_and_an_exception() -> None:
    module = types.ModuleType("m")
    with pytest.raises(KeyError), Patches() as patches:
        patches.set(module, "absent", 1)
        raise KeyError
    assert not hasattr(module, "absent")
    patches.undo()


def test_a_later_patch_of_someone_else_stays() -> None:
    module = types.ModuleType("m")
    module.one = module.two = "original"  # type: ignore[attr-defined]
    patches = Patches()
    patches.set(module, "one", "ours")
    patches.set(module, "two", "ours")
    module.one = "theirs"  # type: ignore[attr-defined]
    patches.undo()
    assert (module.one, module.two) == ("theirs", "original")
