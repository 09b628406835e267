"""What a run says of its machine, and what it must not say."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnprof import accelerator_facts, environment


def test_what_is_collected_is_json_and_names_the_machine() -> None:
    found = environment.collect()
    assert json.loads(json.dumps(found)) == found
    assert {"rnnprof", "python", "platform", "cpu_count", "command", "pid"} <= found.keys()


def test_torch_is_described_once_it_is_there() -> None:
    torch = pytest.importorskip("torch")
    found = environment.at_end()
    assert found["torch"] == str(torch.__version__)
    assert found["threads"] == torch.get_num_threads()


@pytest.mark.parametrize(
    ("given_", "shown"),
    [
        (
            ["--lr", "20", "--tokens", "35", "--tokenizer=bpe"],
            ["--lr", "20", "--tokens", "35", "--tokenizer=bpe"],
        ),
        (["--author", "me", "--keyframes", "3"], ["--author", "me", "--keyframes", "3"]),
        (["--api-key", "abc", "x"], ["--api-key", "***", "x"]),
        (["--wandb_api_key=abc"], ["--wandb_api_key=***"]),
        (["--token", "abc", "--hf-token=abc"], ["--token", "***", "--hf-token=***"]),
        (["--password", "--verbose", "a"], ["--password", "--verbose", "a"]),
        (["--secret", "s", "--key", "k", "--auth=a"], ["--secret", "***", "--key", "***", "--auth=***"]),
        (["API_TOKEN=abc"], ["API_TOKEN=***"]),
        (["hf_abcdefghijklmnopqrstuvwxyz"], ["***"]),
        (["sk-proj-abcdefghijklmnop1234"], ["***"]),
        (["AKIAABCDEFGHIJKLMNOP"], ["***"]),
        (["https://me:hunter2@example.org/x"], ["https://***@example.org/x"]),
        (["0123456789abcdef0123456789abcdef"], ["***"]),
        (["--data", "corpora/wikitext-2", "model_lstm_emsize200_nhid200.pt"], None),
    ],
)
def test_secrets_stay_out_of_the_command_line(given_: list[str], shown: list[str] | None) -> None:
    assert environment.hide_secrets(given_) == (given_ if shown is None else shown)


@given(st.lists(st.text()))
def test_any_command_line_keeps_its_length(arguments: list[str]) -> None:
    assert len(environment.hide_secrets(arguments)) == len(arguments)


def test_each_fact_fails_on_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError("no such thing")

    monkeypatch.setattr(os, "getloadavg", fails, raising=False)
    monkeypatch.setattr(platform, "platform", fails)
    monkeypatch.setattr(sys, "executable", None)
    monkeypatch.setattr(sys, "argv", ["main.py"])
    monkeypatch.setenv("RANK", "9" * 30)
    found = environment.collect()
    assert found["command"] == ["python", "main.py"]
    assert not {"load_average", "platform", "rank"} & found.keys()
    assert "load_average_at_end" not in environment.at_end()


def test_a_torch_that_is_half_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(get_num_threads=lambda: 3))
    found = environment.at_end()
    assert found.pop("load_average_at_end", None) is None or hasattr(os, "getloadavg")
    assert found.pop("peak_resident_bytes", None) is None or sys.platform == "linux"
    assert found == {"threads": 3}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no /proc")
def test_the_most_that_was_resident() -> None:
    assert 1 << 20 < environment.at_end()["peak_resident_bytes"] < 1 << 40


def cuda(used: tuple[int, ...] = (0,), **properties: object) -> SimpleNamespace:
    """A torch that is made up, with two devices."""
    found = SimpleNamespace(
        name="NVIDIA H100",
        major=9,
        minor=0,
        multi_processor_count=132,
        total_memory=85_000_000_000,
        **properties,
    )
    return SimpleNamespace(
        __version__="2.11.0",
        _C=SimpleNamespace(_cuda_hasPrimaryContext=lambda index: index in used),
        cuda=SimpleNamespace(
            is_initialized=lambda: True,
            device_count=lambda: 2,
            current_device=lambda: 0,
            get_device_name=lambda index: f"device {index}",
            get_device_properties=lambda index: found,
        ),
        version=SimpleNamespace(cuda="12.9", hip=None),
        backends=SimpleNamespace(
            cuda=SimpleNamespace(),
            cudnn=SimpleNamespace(benchmark=False, enabled=True),
            mkldnn=SimpleNamespace(is_available=lambda: True, enabled=False),
        ),
        get_float32_matmul_precision=lambda: "high",
    )


def at_end(monkeypatch: pytest.MonkeyPatch, torch: object) -> dict[str, object]:
    monkeypatch.setitem(sys.modules, "torch", torch)
    found = environment.at_end()
    assert json.loads(json.dumps(found)) == found
    return found


def test_a_cuda_device_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    more = {"clock_rate": 1_980_000, "memory_clock_rate": 2_619_000, "memory_bus_width": 5120}
    found = at_end(monkeypatch, cuda(L2_cache_size=52_428_800, **more))
    assert found["device_properties"] == {
        "index": 0,
        "name": "NVIDIA H100",
        "capability": "9.0",
        "multiprocessors": 132,
        "memory_bytes": 85_000_000_000,
        "clock_hz": 1_980_000_000,
        "memory_clock_hz": 2_619_000_000,
        "memory_bus_bits": 5120,
        "l2_bytes": 52_428_800,
    }
    assert {key: found[key] for key in ("device", "cuda", "devices_in_use", "matmul_precision")} == {
        "device": "device 0",
        "cuda": "12.9",
        "devices_in_use": 1,
        "matmul_precision": "high",
    }
    assert found["cudnn_benchmark"] is False
    assert found["cudnn_enabled"] is True
    assert found["onednn_enabled"] is False


def test_a_torch_without_onednn_does_not_say_whether_it_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = cuda()
    torch.backends.mkldnn.is_available = lambda: False
    assert "onednn_enabled" not in at_end(monkeypatch, torch)


def test_what_a_torch_does_not_know_of_a_device_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = cuda(used=(1,))
    found = at_end(monkeypatch, torch)
    assert found["device"] == "device 1"
    assert found["device_properties"].keys() == {  # type: ignore[attr-defined]
        "index", "name", "capability", "multiprocessors", "memory_bytes"
    }  # fmt: skip
    assert not {"matmul_tf32", "cudnn_tf32", "cudnn", "driver"} & (found.keys() - {"driver"})
    del torch._C
    assert at_end(monkeypatch, torch)["device"] == "device 0"
    assert "devices_in_use" not in environment.at_end()


class Settings:
    """Settings as torch has them: some raise, as where both ways of setting them were used."""

    def __init__(self, **known: object) -> None:
        self._known = known

    def __getattr__(self, name: str) -> object:
        value = self._known.get(name, AttributeError(name))
        if isinstance(value, Exception):
            raise value
        return value


@pytest.mark.parametrize(
    ("matmul", "cudnn", "expected"),
    [
        (Settings(allow_tf32=False), Settings(allow_tf32=True), (False, True)),
        (Settings(allow_tf32=True), Settings(allow_tf32=True, rnn=Settings()), (True, True)),
        (Settings(fp32_precision="tf32"), Settings(rnn=Settings(fp32_precision="tf32")), (True, True)),
        (Settings(fp32_precision="ieee"), Settings(rnn=Settings(fp32_precision="none")), (False, False)),
        (Settings(allow_tf32=RuntimeError("mixed")), Settings(rnn=RuntimeError("none")), (None, None)),
    ],
)
def test_how_exactly_it_computes(
    monkeypatch: pytest.MonkeyPatch, matmul: Settings, cudnn: Settings, expected: tuple[bool | None, ...]
) -> None:
    torch = cuda()
    torch.backends = SimpleNamespace(cuda=SimpleNamespace(matmul=matmul), cudnn=cudnn)
    found = at_end(monkeypatch, torch)
    assert (found.get("matmul_tf32"), found.get("cudnn_tf32")) == expected


def test_asking_the_real_torch_neither_warns_nor_raises() -> None:
    torch = pytest.importorskip("torch")
    found = {
        "matmul": accelerator_facts._exact(torch, lambda: torch.backends.cuda.matmul),
        "rnn": accelerator_facts._exact(
            torch, lambda: torch.backends.cudnn.rnn, lambda: torch.backends.cudnn
        ),
    }
    assert all(isinstance(value, bool) for value in found.values())


@pytest.mark.parametrize(
    ("modules", "device"),
    [
        ({}, "cpu"),
        ({"mps": SimpleNamespace(current_allocated_memory=lambda: 8)}, "mps"),
        ({"mps": SimpleNamespace(current_allocated_memory=lambda: 0)}, "cpu"),
        ({"xpu": SimpleNamespace(is_initialized=lambda: True, get_device_name=lambda: "Arc")}, "Arc"),
        ({"xpu": SimpleNamespace(is_initialized=lambda: True)}, "xpu"),
        ({"xpu": SimpleNamespace(is_initialized=lambda: False)}, "cpu"),
    ],
)
def test_other_accelerators_are_named(
    monkeypatch: pytest.MonkeyPatch, modules: dict[str, object], device: str
) -> None:
    torch = SimpleNamespace(cuda=SimpleNamespace(is_initialized=lambda: False), **modules)
    assert at_end(monkeypatch, torch)["device"] == device


GONE = """
import os, sys, tempfile
from rnnprof import accelerator_facts, environment
os.chdir(folder := tempfile.mkdtemp())
os.rmdir(folder)
assert "python" in environment.collect()
"""


@pytest.mark.skipif(os.name != "posix", reason="a folder in use may be removed")
def test_a_folder_that_is_gone_and_warnings_that_are_errors() -> None:
    options = ["-X", "warn_default_encoding", "-W", "error"]
    done = subprocess.run([sys.executable, *options, "-c", GONE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_fact_depends_on_the_default_encoding() -> None:
    show = "import json; from rnnprof import environment; print(json.dumps(sorted(environment.collect())))"
    options = ["-X", "warn_default_encoding", "-W", "error"]
    plain, strict = (
        subprocess.run([sys.executable, *some, "-c", show], capture_output=True, text=True, check=True).stdout
        for some in ([], options)
    )
    assert strict == plain
