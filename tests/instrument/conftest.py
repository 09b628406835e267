"""What the tests of hooks share."""

from __future__ import annotations

from typing import Any

import pytest

from rnnprof.testing import FakeClock


@pytest.fixture
def loop(clock: FakeClock) -> Any:
    """A loop with its model, loss and optimizer."""
    # Needs torch, which not every test here does.
    from tests.instrument.attach_loop import Loop

    return Loop(clock)


@pytest.fixture
def no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of these tests stands still in a pass: it would never seem long enough to divide."""
    monkeypatch.setattr("rnnprof.instrument.worth.TRIAL", 0)
