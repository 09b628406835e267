"""What devices can do, against their datasheets; and what an environment may say of it."""

from __future__ import annotations

from typing import Any

import pytest

from rnnprof.analysis.peaks import RATES, Peaks, peaks
from tests.probe_builder import A100

TERA = 1e12


def card(name: str, capability: str, multiprocessors: int, clock: float, memory: float, bits: int) -> Any:
    """What the driver says of a card; clocks in MHz."""
    return {
        "name": name,
        "capability": capability,
        "multiprocessors": multiprocessors,
        "clock_hz": round(clock * 1e6),
        "memory_clock_hz": round(memory * 1e6),
        "memory_bus_bits": bits,
    }


CARDS = [
    # Tesla K80 board specification, half of the card: 8.74 and 2.91 TFLOP/s with boost, 480 GB/s.
    (card("Tesla K80", "3.7", 13, 823.5, 2505, 384), {"float32": 4.37, "float64": 1.455}, 240e9),
    # Tesla P100 datasheet, SXM2.
    (card("Tesla P100-SXM2-16GB", "6.0", 56, 1480.5, 715, 4096),
     {"float32": 10.6, "float64": 5.3, "float16": 21.2, "bfloat16": 10.6}, 732e9),
    # Tesla P40 datasheet: 12 TFLOP/s, 47 TOP/s, 346 GB/s.
    (card("Tesla P40", "6.1", 30, 1531, 3615, 384), {"float32": 12, "int8": 47, "float16": 12}, 346e9),
    # Tesla V100 datasheet, SXM2; its tensor cores add up in float32.
    (card("Tesla V100-SXM2-16GB", "7.0", 80, 1530, 877, 4096),
     {"float32": 15.7, "float64": 7.8, "float16": 125, "bfloat16": 15.7}, 900e9),
    # Tesla T4 datasheet.
    (card("Tesla T4", "7.5", 40, 1590, 5001, 256), {"float32": 8.1, "float16": 65, "int8": 130}, 320e9),
    # A100 datasheet, 40 GB SXM; dense.
    (A100, {"float32": 19.5, "float64": 19.5, "float16": 312, "bfloat16": 312, "int8": 624}, 1555e9),
    # A40 datasheet; dense.
    (card("NVIDIA A40", "8.6", 84, 1740, 7251, 384),
     {"float32": 37.4, "float16": 149.7, "bfloat16": 149.7, "int8": 299.3}, 696e9),
    # GA102 whitepaper, appendix A: dense, added up in float32.
    (card("NVIDIA GeForce RTX 3090", "8.6", 82, 1695, 9751, 384),
     {"float32": 35.6, "float16": 71, "bfloat16": 71, "int8": 284, "float64": 0.556}, 936e9),
    # Jetson AGX Orin technical brief: 5.3 TFLOP/s, 170 sparse TOP/s.
    (card("Orin", "8.7", 16, 1300, 3200, 256), {"float32": 5.3, "int8": 85}, 204.8e9),
    # Ada whitepaper, appendix A: dense, added up in float32.
    (card("NVIDIA GeForce RTX 4090", "8.9", 128, 2520, 10501, 384),
     {"float32": 82.6, "float16": 165.2, "bfloat16": 165.2, "int8": 660.6}, 1008e9),
    # L4 datasheet, half of the sparse figures.
    (card("NVIDIA L4", "8.9", 58, 2040, 6251, 192), {"float32": 30.3, "float16": 121, "int8": 242}, 300e9),
    # L40 and L40S datasheets; dense.
    (card("NVIDIA L40", "8.9", 142, 2490, 9001, 384),
     {"float32": 90.5, "float16": 181, "bfloat16": 181}, 864e9),
    (card("NVIDIA L40S", "8.9", 142, 2520, 9001, 384),
     {"float32": 91.6, "float16": 362, "int8": 733}, 864e9),
    # H100 datasheet, SXM, half of the sparse figures; its tensor cores are rated at 1,830 MHz.
    (card("NVIDIA H100 80GB HBM3", "9.0", 132, 1980, 2619, 5120),
     {"float32": 67, "float64": 67, "float16": 989.5, "bfloat16": 989.5, "int8": 1979}, 3.35e12),
    # H200 datasheet, SXM, half of the sparse figures.
    (card("NVIDIA H200", "9.0", 132, 1980, 3201, 6144),
     {"float32": 67, "float16": 989.5, "bfloat16": 989.5}, 4.8e12),
    # HGX B200 datasheet, half of the sparse figures.
    (card("NVIDIA B200", "10.0", 148, 1965, 3996, 8192),
     {"float32": 75, "float64": 37, "bfloat16": 2250, "int8": 4500}, 7.7e12),
    # RTX Blackwell whitepaper, appendix A: dense, added up in float32.
    (card("NVIDIA GeForce RTX 5090", "12.0", 170, 2407, 14001, 512),
     {"float32": 104.8, "float16": 209.5, "int8": 838}, 1792e9),
]  # fmt: skip


@pytest.mark.parametrize(("properties", "tera", "speed"), CARDS, ids=lambda value: str(value)[:30])
def test_cards_against_their_datasheets(properties: Any, tera: dict[str, float], speed: float) -> None:
    found = peaks({"device_properties": properties}, "cuda")
    assert found is not None
    assert found.flops == pytest.approx(found.flops | {dtype: n * TERA for dtype, n in tera.items()}, rel=0.1)
    assert found.bytes == pytest.approx(speed, rel=0.1)
    assert (found.name, found.tf32, found.measured) == (properties["name"], False, False)


TF32_CARDS = [
    (A100, 156), (CARDS[6][0], 74.8), (CARDS[7][0], 35.6), (CARDS[9][0], 82.6), (CARDS[11][0], 90.5),
    (CARDS[12][0], 183), (CARDS[13][0], 494.7), (CARDS[15][0], 1130), (CARDS[16][0], 104.8),
]  # fmt: skip
"""Dense TF32, from the same sources."""


@pytest.mark.parametrize(("properties", "tera"), TF32_CARDS, ids=lambda value: str(value)[:30])
@pytest.mark.parametrize(
    "allowed", [{"cudnn_tf32": True}, {"matmul_tf32": True}, {"matmul_precision": "high"}]
)
def test_float32_may_be_rounded_to_tf32(properties: Any, tera: float, allowed: dict[str, Any]) -> None:
    found = peaks({"device_properties": properties, **allowed}, "cuda")
    assert found is not None
    assert found.flops["float32"] == pytest.approx(tera * TERA, rel=0.1)
    assert found.tf32


@pytest.mark.parametrize(
    ("properties", "allowed"),
    [
        (A100, {"cudnn_tf32": False, "matmul_tf32": False, "matmul_precision": "highest"}),
        (CARDS[3][0], {"cudnn_tf32": True}),
    ],
)
def test_where_it_may_not_or_cannot(properties: Any, allowed: dict[str, Any]) -> None:
    found = peaks({"device_properties": properties, **allowed}, "cuda")
    assert found is not None
    assert (found.flops["float32"] < 20 * TERA, found.tf32) == (True, False)


def test_every_capability_has_float32_and_whole_powers() -> None:
    for capability, rates in RATES.items():
        assert rates["float32"] >= 128, capability
        assert all(rate % 4 == 0 for rate in rates.values()), capability


def test_cards_of_turing_without_tensor_cores() -> None:
    found = peaks({"device_properties": card("NVIDIA GeForce GTX 1650", "7.5", 14, 1665, 4001, 128)}, "cuda")
    assert found is not None
    assert found.flops["float16"] == 2 * found.flops["float32"]
    assert "int8" not in found.flops


def test_what_was_measured_wins() -> None:
    measured = {"flops": {"float32": 9e12, "complex64": 3e12}, "bytes": 1e12}
    found = peaks({"device_properties": A100, "cudnn_tf32": True, "peaks": measured}, "cuda")
    assert found is not None
    assert (found.flops["float32"], found.flops["complex64"], found.bytes) == (9e12, 3e12, 1e12)
    assert found.flops["float16"] == 108 * 1.41e9 * 2048
    assert (found.tf32, found.measured) == (False, True)
    on_cpu = peaks({"device": "CPU (8 threads)", "peaks": {"flops": {"float32": 2e12}}}, "cpu")
    assert on_cpu == Peaks("CPU (8 threads)", {"float32": 2e12}, None, measured=True)
    named = {"device": "cpu", "cpu": "AMD EPYC", "peaks": {"bytes": 2e10}}
    assert peaks(named, "cpu") == Peaks("AMD EPYC", {}, 2e10, measured=True)
    assert peaks(named, "xpu") == Peaks("cpu", {}, 2e10, measured=True)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"device_properties": None},
        {"device_properties": [A100]},
        {"device_properties": {"name": "NVIDIA X", "capability": "99.0"}},
        {"device_properties": {**A100, "clock_hz": 0, "memory_bus_bits": "wide"}},
        {"device_properties": {**A100, "clock_hz": 10**400, "memory_clock_hz": float("nan")}},
        {"device_properties": {**A100, "multiprocessors": True, "memory_bus_bits": -1}},
        # On ROCm torch's capability is that of the GCN architecture.
        {"device_properties": {**A100, "name": "AMD Instinct MI250X", "capability": "9.0"}},
        {"peaks": 3},
        {"peaks": {"flops": {"float32": 0}, "bytes": False}},
        {"peaks": {"flops": 3, "bytes": None}},
    ],
)
def test_what_is_not_known(environment: dict[str, Any]) -> None:
    assert peaks(environment, "cuda") is None


def test_a_table_is_of_cuda_alone() -> None:
    assert peaks({"device_properties": A100}, "cpu") is None
    assert peaks({"device_properties": A100}, "xpu") is None


def test_mixed_types_add_up() -> None:
    found = Peaks("", {"float32": 1e12, "bfloat16": 4e12}, None)
    assert found.least_seconds({"float32": 10**12, "bfloat16": 2 * 10**12}) == 1.5
    assert found.least_seconds({"float32": 10**12, "int64": 0}) == 1.0
    assert found.least_seconds({"float32": 10**12, "int64": 1}) is None
    assert found.least_seconds({"float32": 0}) is None
