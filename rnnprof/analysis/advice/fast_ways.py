"""Why a recurrent layer is not computed by cuDNN or oneDNN: torch's own conditions.

They are those of ``use_cudnn``, ``use_miopen``, ``use_mkldnn`` and both ``lstm`` in torch's
aten/src/ATen/native/RNN.cpp, as far as they concern training; tried on a CPU with torch 2.13. On a
CPU there is only a way for LSTM. In evaluation mode cuDNN is taken all the same: then backward
fails, which is no question of speed.
"""

from __future__ import annotations

from dataclasses import dataclass

from rnnprof import units
from rnnprof.model import Json
from rnnprof.network import Recurrent

FULL = 0.6
"""Part of a packed batch that must be words for padding it to be worth a try: on one core of a CPU (torch
2.13, LSTMs of 64 to 500), unpacked it then took a quarter to four fifths of the time; with half of it
words, once more than packed."""
BFLOAT16 = "for that torch must be built with cuDNN 9.13 and the card have compute capability 8.0, or newer"
CUDNN_TYPES = frozenset(("float16", "float32", "float64"))
ONEDNN_TYPES = frozenset(("float32", "bfloat16"))


@dataclass(frozen=True)
class Hindrance:
    """Why a layer does not take the fast way.

    Args:
        library: whose way it is.
        reason: one sentence.
        change: what to write instead.
    """

    library: str
    reason: str
    change: str


def hindrance(one: Recurrent, environment: Json) -> Hindrance | None:
    """Tell why a layer is computed operator by operator.

    Args:
        one: a layer of `torch.nn`, trained, that is.
        environment: the run's facts.

    Returns:
        The first reason that holds; None where this torch has no other way, or no reason is seen.
    """
    if one.device == "cuda" and "cudnn" in environment:
        return _cudnn(one, environment)
    if one.device == "cpu" and one.kind == "lstm" and "onednn_enabled" in environment:
        return _onednn(one, environment)
    return None


def _cudnn(one: Recurrent, environment: Json) -> Hindrance | None:
    if environment.get("cudnn_enabled") is False:
        return Hindrance(
            "cuDNN",
            "`torch.backends.cudnn.enabled` is False.",
            "Leave `torch.backends.cudnn.enabled` on for the layer; where it was turned off for a second "
            "derivative or for backward in evaluation mode, turn it off around those calls only.",
        )
    if one.dtype not in CUDNN_TYPES:
        why = BFLOAT16 if one.dtype == "bfloat16" else "that cuDNN does not take"
        return Hindrance(
            "cuDNN",
            f"its input is {one.dtype}, and {why}.",
            "Compute this layer in float16 or float32, the rest of the model as before.",
        )
    if one.projection_size:
        # cuDNN has projections: then it is MIOpen, which torch calls cuda as well.
        return Hindrance(
            "MIOpen",
            f"it has projections (`proj_size={one.projection_size}`), which MIOpen has not.",
            "Leave out `proj_size`, or put an `nn.Linear` behind the layer, if the model allows it.",
        )
    return None


def _onednn(one: Recurrent, environment: Json) -> Hindrance | None:
    if environment["onednn_enabled"] is False:
        return Hindrance(
            "oneDNN",
            "`torch.backends.mkldnn.enabled` is False.",
            "Leave `torch.backends.mkldnn.enabled` on.",
        )
    if one.dtype not in ONEDNN_TYPES:
        return Hindrance(
            "oneDNN",
            f"it is in {one.dtype}, and with a gradient torch takes oneDNN's only for float32 and bfloat16.",
            "Compute in float32, if the accuracy suffices.",
        )
    if one.projection_size:
        return Hindrance(
            "oneDNN",
            f"it has projections (`proj_size={one.projection_size}`), and for these torch does not take it.",
            "Leave out `proj_size`: on a CPU a layer as narrow as the projection, or an `nn.Linear` behind "
            "the layer, may well be faster.",
        )
    words, places = one.packed_steps, one.calls * one.time_steps * one.batch
    # Without packing a backward direction would begin in the padding, and compute something else.
    if words is not None and one.directions == 1 and places and words >= FULL * places:
        return Hindrance(
            "oneDNN",
            f"it gets a packed sequence{' of different lengths' * (words < places)}. Padded to one length, "
            f"{units.fraction(min(words / places, 1.0))} of it would still be words.",
            "Give it the padded batch, as long as its longest sequence, and leave out the padding in the "
            "loss (`ignore_index`); the last state of a sequence is then its output at its last word.",
        )
    return None
