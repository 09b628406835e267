"""Fixtures for all tests."""

from __future__ import annotations

import sys
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


@pytest.fixture(autouse=True)
def _nothing_stays_compiled() -> Iterator[None]:
    """What one test compiles would keep the probe of the next one from looking."""
    yield
    frames = sys.modules.get("torch._dynamo.eval_frame")
    if frames is not None:
        frames.cached_backends.clear()
