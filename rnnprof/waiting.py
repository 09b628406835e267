"""The ways in which a program makes the host wait for the device, and what to do instead.

Data alone: `traces.probe` finds them in a step, `analysis` puts them into words.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Way:
    """One way to make the host wait.

    Args:
        key: its name in a run, such as ``item``.
        call: as a program writes it, such as ``tensor.item()``.
        why: why the host waits, one short sentence.
        instead: what to write instead, one short sentence; empty where there is nothing better.
    """

    key: str
    call: str
    why: str
    instead: str


_NUMBER = "The number is on the device: the host waits until all work before it is done."
_LOSS = "Keep it on the device (total += loss.detach()), and read it every N steps."
_LENGTH = "How long the result is, is known only when the device has counted."

WAYS: tuple[Way, ...] = (
    Way("item", "tensor.item()", _NUMBER, _LOSS),
    Way("number", "float(tensor)", _NUMBER, _LOSS),
    Way(
        "tolist",
        "tensor.tolist()",
        "The numbers are on the device: the host waits until all work before them is done.",
        "Keep the tensor on the device, and read it every N steps.",
    ),
    Way(
        "print",
        'print(tensor), f"{tensor}"',
        "To write the numbers down, the host must have them.",
        "Print every N steps.",
    ),
    Way(
        "condition",
        "if tensor > x",
        "Which way the program goes depends on a number that the device has yet to compute.",
        "Choose on the device with torch.where(condition, a, b), or look every N steps.",
    ),
    Way(
        "cpu",
        'tensor.cpu(), tensor.to("cpu")',
        "The host waits for the copy, and so for all work before it.",
        "Copy every N steps, or leave the tensor on the device.",
    ),
    Way(
        "numpy",
        "tensor.numpy()",
        "NumPy computes on the host, which waits for the tensor.",
        "Compute with torch on the device.",
    ),
    Way(
        "upload",
        "tensor.to(device)",
        "A copy from ordinary memory makes the host wait until the device has it.",
        "Take the batch from pinned memory (pin_memory=True), and copy it with non_blocking=True.",
    ),
    Way(
        "nonzero",
        "tensor.nonzero(), torch.where(mask)",
        _LENGTH,
        "Multiply with the mask, or use torch.where(mask, a, b).",
    ),
    Way(
        "mask",
        "tensor[mask], torch.masked_select(tensor, mask)",
        "How many places the mask has, is known only when the device has counted.",
        "Multiply with the mask, or use torch.where(mask, a, b).",
    ),
    Way("unique", "torch.unique(tensor)", _LENGTH, "Do it where the data is prepared, outside the step."),
    Way(
        "bincount",
        "torch.bincount(tensor)",
        "How long the result is, depends on the largest number.",
        "Add up with zeros.index_add_(0, tensor, ones) into a tensor of fixed length.",
    ),
    Way(
        "repeats",
        "torch.repeat_interleave(tensor, repeats)",
        "How long the result is, depends on the sum of the repeats.",
        "Give output_size=.",
    ),
    Way(
        "one_hot",
        "torch.nn.functional.one_hot(tensor)",
        "Without num_classes the largest number is looked for first.",
        "Give num_classes.",
    ),
    Way(
        "equal",
        "torch.equal(a, b), torch.allclose(a, b), x in tensor",
        "The answer is a Python bool: the host waits for the comparison.",
        "Compare every N steps, or keep (a == b).all() on the device.",
    ),
    Way(
        "linalg",
        "torch.linalg.inv(tensor)",
        "The host looks whether it went well.",
        "Use the variant that does not look, such as torch.linalg.inv_ex.",
    ),
    Way(
        "save",
        "torch.save(...)",
        "What is saved is first copied to the host.",
        "Save every N steps, or once an epoch.",
    ),
    Way(
        "clip",
        "clip_grad_norm_(..., error_if_nonfinite=True)",
        "The host looks at the norm to know whether to raise an error.",
        "Leave error_if_nonfinite out, and look at the norm every N steps.",
    ),
    Way(
        "scaler",
        "GradScaler.step(optimizer)",
        "The host looks whether a gradient overflowed, to leave out the update.",
        "With bfloat16 no scaler is needed.",
    ),
    Way(
        "causal",
        "TransformerEncoder(x, mask)",
        "The mask is compared with a causal one, and the host waits for the answer.",
        "Say so with the mask: is_causal=True (or False).",
    ),
    Way(
        "validate",
        "torch.distributions",
        "The distribution checks its arguments, and the host waits for the answer.",
        "Give validate_args=False once the program works.",
    ),
    Way(
        "synchronize",
        "torch.cuda.synchronize()",
        "The host waits until the device has done everything.",
        "Leave it out: it only serves timing, and rnnprof needs none.",
    ),
    Way(
        "barrier",
        "torch.distributed.barrier()",
        "The host waits for all processes.",
        "Leave it out: the gradients' exchange keeps the processes together.",
    ),
    Way("other", "another call that waits", "CUDA reports that the host waited in this line.", ""),
)
"""All that are known."""


def way(key: str) -> Way | None:
    """The way of that name, or None for one that only a newer rnnprof knows."""
    return next((one for one in WAYS if one.key == key), None)
