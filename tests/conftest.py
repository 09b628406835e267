"""Fixtures for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rnnprof import active
from rnnprof.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    """A clock that the test advances."""
    return FakeClock()


@pytest.fixture(autouse=True)
def _no_profile_left_open() -> Iterator[None]:
    """A test that leaves a profile open would change the next one."""
    yield
    left = active.current()
    if left is not None:
        active.deactivate(left)
        pytest.fail(f"the test left a profile open ({left.describe()})")
