"""Advice on the batch: fetching it, workers, padding, and a shorter last one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rnnprof.analysis.advice.filling import padding, ragged
from rnnprof.analysis.advice.loading import input as fetching
from rnnprof.analysis.advice.loading import workers
from rnnprof.anatomy import Anatomy, Loader, Padding
from rnnprof.model import Run
from rnnprof.network import Graph
from rnnprof.vitals import Compiled, Crowding, Vitals
from tests.advice_runs import STAGES, a_run, abstains, found, line
from tests.recurrent_calls import layer

SLOW_STEP = {**STAGES, "get_batch": 13.75}
"""A third of the step."""


def loader(**changed: Any) -> Loader:
    given: dict[str, Any] = {
        "workers": 0, "batch_size": 20, "items": 1000, "drop_last": False, "pin_memory": False,
        "persistent": False,
    }  # fmt: skip
    return Loader(**(given | changed))


def crowded(main_waited_ns: int) -> Vitals:
    return Vitals(crowding=Crowding(1_000_000_000, 3, 2_000_000_000, 900_000_000, main_waited_ns))


def loading(*loaders: Loader, **changed: Any) -> Run:
    return a_run(**({"anatomy": Anatomy(loaders=loaders)} | changed))


def test_a_step_that_waits_for_its_batch_is_found() -> None:
    (one,) = found(fetching, a_run(stages=SLOW_STEP))
    assert (one.key, one.stage) == ("input", ("get_batch",))
    assert one.saving == pytest.approx(13.75 / 39.35)
    assert one.evidence == "get_batch takes 13.8 ms of 39.4 ms in a step (34.9 %)."
    assert one.bound == "As if all of get_batch happened beside the step."
    assert one.change.endswith("What is left, a DataLoader with workers can do beside the step.")


@pytest.mark.parametrize(
    ("given", "environment", "said", "unsaid"),
    [
        (
            loader(),
            {},
            "workers (`num_workers=2`), kept by `persistent_workers=True`; on a CPU",
            "pin_memory",
        ),
        (loader(workers=2, persistent=True), {}, "more workers or a larger `prefetch_factor`,", "persistent"),
        (loader(), {"cpus_usable": 1}, "Cut the batch out", "workers"),
        (loader(workers=3), {"cpus_usable": 4, "threads": 2}, "Cut the batch out", "workers"),
    ],
)
def test_what_to_change_goes_by_the_loader(
    given: Loader, environment: dict[str, Any], said: str, unsaid: str
) -> None:
    (one,) = found(fetching, loading(given, stages=SLOW_STEP, environment=environment))
    assert said in one.change
    assert unsaid not in one.change
    assert "The DataLoader has" in one.evidence


def test_an_accelerator_gets_its_batch_without_waiting() -> None:
    (one,) = found(fetching, loading(loader(), stages=SLOW_STEP, device="cuda"))
    assert "Take it from pinned memory (`pin_memory=True`) and copy it with `non_blocking=True`" in one.change
    (one,) = found(fetching, loading(loader(pin_memory=True), stages=SLOW_STEP, device="cuda"))
    assert "Copy it with `non_blocking=True`" in one.change


def test_a_short_fetch_is_no_finding() -> None:
    assert found(fetching, a_run()) == ()
    assert "get_batch" in abstains(fetching, a_run(stages={"forward": 3.0}))


CORES = {"cpus_usable": 4, "threads": 2}


def test_workers_that_crowd_the_training_out_are_found() -> None:
    run = loading(loader(workers=3), environment=CORES, vitals=crowded(150_000_000))
    (one,) = found(workers, run)
    assert one.saving == pytest.approx(0.15)
    assert one.evidence == (
        "3 workers and 2 threads of the training share 4 cores. The thread that trains stood in line for a "
        "core for 15.0 % of the time."
    )
    assert one.change == "Take 2 workers at most, or fewer threads (`torch.set_num_threads`)."


def test_no_thread_waits_for_longer_than_there_was() -> None:
    (one,) = found(workers, loading(loader(workers=3), environment=CORES, vitals=crowded(10**10)))
    assert one.saving == 1.0
    assert one.evidence.endswith("stood in line for a core for 100 % of the time.")


def test_without_vitals_more_workers_than_cores_are_found() -> None:
    (one,) = found(workers, loading(loader(workers=5), environment=CORES))
    assert (one.saving, one.bound) == (None, "")
    assert found(workers, loading(loader(workers=4), environment=CORES)) == ()


def test_workers_that_have_their_cores_are_no_finding() -> None:
    vitals = crowded(150_000_000)
    assert found(workers, loading(loader(workers=2), environment=CORES, vitals=vitals)) == ()
    assert found(workers, loading(loader(), loader(), environment={"cpus_usable": 1}, vitals=vitals)) == ()
    # Beside an accelerator one thread of the main process is at work.
    assert found(workers, loading(loader(workers=3), environment=CORES, vitals=vitals, device="cuda")) == ()


def test_the_cores_must_be_known() -> None:
    assert "How many cores" in abstains(workers, loading(loader(workers=3)))
    unseen = a_run(anatomy=Anatomy(missing=(("loaders", "x"),)))
    for check in (workers, ragged):
        assert abstains(check, unseen).endswith(": x.")


def padded(*rows: Padding, recurrent: Any = (), **changed: Any) -> Run:
    return a_run(**({"anatomy": Anatomy(padding=rows, recurrent=recurrent)} | changed))


def filled(part: int, how: str = "embedding", packed: bool = False) -> Padding:
    return Padding(how, part, 100, packed, line(5, "emb = self.encoder(x)"))


SEQUENCES = layer(time_steps=25, batch=4)
"""A layer through which the 100 indices of `filled` go."""


def test_padding_is_found() -> None:
    (one,) = found(padding, padded(filled(40), filled(20)))
    assert (one.key, one.line, one.title) == ("padding", 5, "30.0 % of the batch is padding")
    assert one.saving == pytest.approx(0.3 * 24 / 26.1)
    assert one.evidence == (
        "60 of 200 words of the input equal the embedding's `padding_idx` in the probed step: one batch is a "
        "sample."
    )
    assert "pack_padded_sequence" not in one.change
    (one,) = found(padding, padded(filled(40), device="cuda"))
    assert "pack_padded_sequence" in one.change


def test_packed_sequences_pay_outside_the_recurrent_layers_only() -> None:
    stages = {**STAGES, ("forward", "rnn"): 6.0, ("backward", "rnn"): 9.0}
    rows = (replace(SEQUENCES, path=("forward", "rnn"), packed_steps=50),)
    (one,) = found(padding, padded(filled(50, packed=True), recurrent=rows, stages=stages))
    assert one.saving == pytest.approx(0.5 * (24 - 15) / 26.1)
    assert one.change.endswith("Compute the decoder and the loss of the packed sequence's `data` alone.")


def test_targets_tell_padding_where_there_are_sequences() -> None:
    assert len(found(padding, padded(filled(40, "targets"), recurrent=(SEQUENCES,)))) == 1
    assert "Nothing tells" in abstains(padding, padded(filled(40, "targets")))
    # What the input shows goes before what the targets leave out.
    assert found(padding, padded(filled(10), filled(80, "targets"), recurrent=(SEQUENCES,))) == ()


def test_padding_of_letters_is_not_that_of_the_words() -> None:
    stages = {**STAGES, ("forward", "rnn"): 6.0, ("backward", "rnn"): 9.0}
    words = layer(path=("forward", "rnn"))
    assert abstains(padding, padded(filled(60), recurrent=(words,))) == (
        "The padding is not that of a layer's sequences."
    )
    spelling = layer(path=("forward",), time_steps=20, batch=5)
    (one,) = found(padding, padded(filled(60), recurrent=(words, spelling), stages=stages))
    assert one.saving == pytest.approx(0.6 * 24 / 26.1)
    letters = replace(spelling, path=("forward", "letters"))
    stages |= {("forward", "letters"): 1.0, ("backward", "letters"): 2.0}
    (one,) = found(padding, padded(filled(60), recurrent=(words, letters), stages=stages))
    assert one.saving == pytest.approx(0.6 * (24 - 15) / 26.1)


def test_sequences_of_several_calls_are_told_by_their_largest() -> None:
    rows = (layer(time_steps=10, batch=4, calls=3),)
    assert len(found(padding, padded(filled(40), recurrent=rows))) == 1
    assert len(found(padding, padded(filled(40), recurrent=(layer(time_steps=1, batch=4, calls=25),)))) == 1
    assert abstains(padding, padded(filled(40), recurrent=(layer(time_steps=10, batch=30),)))


def test_little_padding_is_no_finding() -> None:
    assert found(padding, padded(filled(19))) == ()
    assert "Nothing tells" in abstains(padding, padded())


RAGGED = Anatomy(loaders=(loader(items=1010),))
COMPILED = Vitals(compiled=Compiled(graphs=2, later=1))
CONVOLVING = Graph(9, 0, 0, 99, (("ConvolutionBackward", 2),), False, None)


def test_a_shorter_last_batch_that_is_compiled_again_is_found() -> None:
    (one,) = found(ragged, a_run(anatomy=RAGGED, vitals=COMPILED))
    assert (one.key, one.saving) == ("ragged", None)
    assert one.evidence == (
        "1,010 items in batches of 20 leave one of 10. After the warmup `torch.compile` compiled 1 more "
        "graph, and the shorter batch is a shape that it has not seen."
    )


def test_a_shorter_last_batch_that_cudnn_tries_out_is_found() -> None:
    facts = {"cudnn_benchmark": True}
    (one,) = found(ragged, a_run(anatomy=replace(RAGGED, graph=CONVOLVING), environment=facts))
    assert "`torch.backends.cudnn.benchmark`" in one.evidence
    # It tries out convolutions alone.
    assert found(ragged, a_run(anatomy=RAGGED, environment=facts)) == ()


def test_a_last_batch_that_costs_nothing_is_no_finding() -> None:
    assert found(ragged, a_run(anatomy=RAGGED)) == ()
    for fine in (loader(), loader(items=1010, drop_last=True), loader(items=None), loader(items=7)):
        assert found(ragged, a_run(anatomy=Anatomy(loaders=(fine,)), vitals=COMPILED)) == ()
    assert found(ragged, a_run(anatomy=RAGGED, vitals=Vitals(compiled=Compiled(2, 0)))) == ()
