"""The rules by which a stage is called compute-, bandwidth- or launch-bound."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rnnprof.analysis.bounds import Evidence, verdict

EVIDENCE = Evidence(share=0.3, compute=0.1, memory=0.2, idle=None, launch="", lacking="")


@pytest.mark.parametrize(
    ("changed", "word", "reason"),
    [
        ({}, "", "no bound explains half of the time"),
        ({"share": None}, "", "its time is not known"),
        ({"share": 0.009, "compute": 0.9}, "", "less than 1 % of the step"),
        ({"compute": 0.5}, "compute", "50.0 % of the peak FLOP/s"),
        ({"compute": 0.499}, "", "no bound explains half of the time"),
        ({"compute": 0.8, "memory": 0.9}, "bandwidth", "90.0 % of the memory bandwidth"),
        ({"compute": 0.8, "memory": 0.8}, "compute", "80.0 % of the peak FLOP/s"),
        ({"compute": 0.8, "memory": 3.0}, "compute", "80.0 % of the peak FLOP/s"),
        ({"memory": 1.05}, "bandwidth", "105 % of the memory bandwidth"),
        ({"memory": 3.0}, "", "300 % of the memory bandwidth: caches serve a part of the bytes"),
        ({"compute": 1.2}, "", "120 % of the peak FLOP/s: the device can do more than is known"),
        ({"idle": 0.6, "compute": 0.9}, "compute", "90.0 % of the peak FLOP/s"),
        ({"idle": 0.6, "launch": "x", "compute": 0.9}, "launch", "the device is idle for 60.0 % of the time"),
        ({"launch": "x"}, "launch", "the device waits for the host: x"),
        ({"launch": "x", "memory": 0.6}, "bandwidth", "60.0 % of the memory bandwidth"),
        ({"compute": None, "lacking": "its peak is not known"}, "", "its peak is not known"),
        ({"compute": None, "memory": 0.6, "lacking": "x"}, "bandwidth", "60.0 % of the memory bandwidth"),
    ],
)
def test_verdicts(changed: dict[str, Any], word: str, reason: str) -> None:
    assert verdict(replace(EVIDENCE, **changed)) == (word, reason)
