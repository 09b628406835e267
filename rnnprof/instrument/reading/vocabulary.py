"""What classes make and names say in programs that train with torch, as data."""

from __future__ import annotations

import functools
from fnmatch import fnmatchcase


def words(text: str) -> tuple[str, ...]:
    """The words of a text, so that a table of them can be read."""
    return tuple(text.split())


KINDS: tuple[tuple[str, str], ...] = (
    ("torch.nn.modules.loss.*", "loss"),
    ("torch.nn.*Loss", "loss"),
    ("torch.nn.Parameter", "parameter"),
    ("torch.nn.parameter.Parameter", "parameter"),
    ("torch.nn.ParameterList", "parameters"),
    ("torch.nn.utils.*", ""),
    ("torch.nn.init.*", ""),
    ("torch.nn.functional.*", ""),
    ("torch.nn.*.DistributedDataParallel", "module"),
    ("torch.nn.[A-Z]*", "module"),
    ("torch.nn.modules.*.[A-Z]*", "module"),
    ("torchvision.models.*", "module"),
    ("torch.hub.load", "module"),
    ("transformers.*.from_pretrained", "module"),
    ("torchcrf.CRF", "module"),
    ("torch.optim.lr_scheduler.*", "scheduler"),
    ("torch.optim.swa_utils.*", ""),
    ("torch.optim.*", "optimizer"),
    ("*.GradScaler", "scaler"),
    ("*.DataLoader", "loader"),
    ("*.BucketIterator", "loader"),
    ("*.BPTTIterator", "loader"),
)
"""What calling the thing of that full name gives; the first that matches decides."""

VARIABLES: tuple[tuple[str, str], ...] = (
    ("*scheduler*", "scheduler"),
    ("*lr_sched*", "scheduler"),
    ("*scaler*", "scaler"),
    ("*optim*", "optimizer"),
    ("opt", "optimizer"),
    ("opt_*", "optimizer"),
    ("*_opt", "optimizer"),
    ("*criterion*", "loss"),
    ("*loss_fn*", "loss"),
    ("lossfn", "loss"),
    ("*loss_func*", "loss"),
    ("*lossfunc*", "loss"),
    ("*_loader*", "loader"),
    ("*loader", "loader"),
    ("*dataloader*", "loader"),
    ("*data_iter*", "loader"),
    ("*_iterator*", "loader"),
    ("*_batches", "loader"),
    ("batches", "loader"),
)
"""What a variable of that name holds, where its assignments do not tell."""

STATES = words(
    """
    *hidden* state states rnn_state* lstm_state* init_state* h_state* c_state* encoder_state* decoder_state*
    memory mems cell h c h[0-9] c[0-9] h_[0-9] c_[0-9] h_t c_t ht hx cx hx_* h_prev c_prev hprev*
    """
)
"""Names of recurrent states."""

EVALUATES = words(
    """
    *eval* *valid* test test_* *_test *_dev dev *check_accuracy* *estimate_loss* *perplexity*
    """
)
"""Names of functions that measure the model on other data."""

SAMPLES = words(
    """
    *sample* *generat* *translat* *infer* *predict* *beam* *greedy* *decode*
    """
)
"""Names of functions that let the model speak, where they turn gradients off."""

SPEAKS = ("*sample*", "*generat*", "*translat*", "*beam*", "*greedy*")
"""Those of them that no part of a training step has."""

PLUMBING = words(
    """
    abs all any append arange argmax argmin as_tensor autocast bernoulli bitwise_and bitwise_not bmm
    bool buffers cat children chunk clamp clone contiguous copy copy_ count cumprod cumsum data
    default_timer detach device dict dim div dot double dropout einsum embedding empty enable_grad
    endswith enumerate eq exp expand expand_as extend eye fill_ filter flatten flip float
    FloatTensor format format_map full full_like gather ge gelu get getattr gt half hasattr id index
    index_fill index_select inference_mode insert int is_available isinstance items iter join keys
    le len list ljust log log_softmax logical_not long LongTensor lower lt manual_seed map
    masked_fill masked_select matmul max mean min mm modules monotonic mul multinomial named_buffers
    named_parameters narrow ne new_full new_ones new_tensor new_zeros no_grad nonzero norm
    nullcontext numel one_hot ones ones_like outer pack_padded_sequence pad pad_packed_sequence
    parameters perf_counter permute pop pow process_time rand randint randn random range relu remove
    repeat replace requires_grad_ reshape reversed rjust roll round scatter set set_grad_enabled
    setattr sigmoid silu size softmax softplus sort sorted split sqrt squeeze squeeze_ stack
    startswith state_dict std str strip sub sum super synchronize t tanh Tensor tensor time time_ns
    topk transpose tril triu tuple type type_as unbind unfold unsqueeze upper values var Variable
    view where zero_ zeros zeros_like zip
    """
)
"""Names of small operations that make no stage of their own: they go on in the stage before them."""


@functools.cache
def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a name, in lower case, matches any pattern."""
    return any(fnmatchcase(name.lower(), pattern) for pattern in patterns)


def is_state(name: str) -> bool:
    """Whether a variable is named like a recurrent state; ``C`` is a matrix, ``c`` may be one."""
    last = name.rpartition(".")[2]
    return not last.isupper() and matches(last, STATES)


@functools.cache
def kind_of_class(full_name: str) -> str:
    """What calling the thing of that full name gives; ``""`` if unknown."""
    return next((kind for pattern, kind in KINDS if fnmatchcase(full_name, pattern)), "")


@functools.cache
def kind_of_variable(name: str) -> str:
    """What a variable of that name holds; ``""`` if the name does not tell."""
    last = name.rpartition(".")[2].lower()
    return next((kind for pattern, kind in VARIABLES if fnmatchcase(last, pattern)), "")
