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

from rnnprof import environment


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
    assert found == {"threads": 3}


GONE = """
import os, sys, tempfile
from rnnprof import environment
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
