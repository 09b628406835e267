"""What a run says of its machine, and what it must not say."""

from __future__ import annotations

import json

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
