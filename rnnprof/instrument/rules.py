"""What calls mean in a training loop, as data.

A pattern is matched against the ways in which a call can be written down, in lower case:

- as it stands in the source, ``self.optimizer.step``; a call inside it is ``()``, an index ``[]``;
- with imports resolved, ``torch.nn.utils.clip_grad_norm_``;
- with the kind of the object that it acts on, ``<optimizer>.step``; calling the object itself is
  ``<module>``. The kinds are those of `vocabulary.KINDS`.

A pattern without a dot is matched against the last part alone, the function's own name. ``*``
stands for anything (`fnmatch`). The first rule that matches decides.
"""

from __future__ import annotations

import fnmatch
import functools
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """Calls of one stage.

    Attributes:
        stage: its name; ``TRANSPARENT`` for calls that go on in the stage before them.
        patterns: of the calls, in lower case, as the module's docstring has them.
        why: the words in which ``--explain`` gives the reason.
    """

    stage: str
    patterns: tuple[str, ...]
    why: str


def _rules(*rows: tuple[str, str, str]) -> tuple[Rule, ...]:
    return tuple(Rule(stage, tuple(patterns.split()), why) for stage, why, patterns in rows)


SET_UP = "build_model"
SAMPLE = "sample"
TRANSPARENT = "-"
"""The stage of calls that go on in the stage before them."""

CALLS = _rules(
    (
        "arguments",
        "reads the arguments",
        """argparse.* *.add_argument* *.parse_args *.parse_known_args *.add_parser* *.set_defaults""",
    ),
    ("zero_grad", "drops the old gradients", """*.zero_grad zero_grad"""),
    (
        "backward",
        "back-propagates",
        """*.backward torch.autograd.grad torch.autograd.backward *.manual_backward torch.func.grad""",
    ),
    (
        "clip",
        "limits the gradients",
        """*clip_grad* *clip*gradient* *gradient_clip* *grad_clip* *grad*norm_clip* <scaler>.unscale_""",
    ),
    ("update", "changes the parameters", """<optimizer>.step <scaler>.step <scaler>.update"""),
    (
        "schedule",
        "sets the learning rate",
        """<scheduler>.step <scheduler>.step_* adjust_l* *adjust_learning_rate* *adjust_lr* *get_lr* *set_lr*
        *update_lr* *warmup_lr*""",
    ),
    (
        "set_mode",
        "switches the model's mode",
        """<module>.train <module>.eval <module>.requires_grad_""",
    ),
    (
        "log",
        "reports progress",
        """print *.item *.tolist *.numpy *.add_scalar* *.add_histogram* *.write sys.stdout.* *.flush
        wandb.* self.log *run.log *experiment.log *.set_description* *.set_postfix* *pbar.*
        *progress*.* *logger.* logging.* *.log_dict
        log_metrics* log_stat* log_info* log_message* log_progress* log_loss* log_step* log_epoch* log_result*
        *_log *write_log* *log_interval* *report_* *print_* *_print* *show_*
        *meter*.update *loss*.update *acc*.update *avg*.update *metric*.update *stat*.update *compute_metrics*
        *accuracy* *f1_score* *perplexity* plt.* matplotlib.* plot_* *.plot *.plot_* vis.* *viz.*
        *time_since* *timesince* *as_minutes* *asminutes* *seconds_to* *format_time*""",
    ),
    (
        "checkpoint",
        "saves the model",
        """torch.save *.save *.save_pretrained *save_checkpoint* *save_model* *model_save
        *save_state* *save_weights* *checkpoint* *pickle.dump export_*""",
    ),
    (
        "init_hidden",
        "makes a fresh hidden state",
        """*init_hidden* *inithidden* *init_state* *initstate* *begin_state* *zero_state* *init_rnn_state*
        *initial_state* *initialize_hidden* *reset_hidden* *reset_state* *init_cell* *hidden_init*
        *get_init_h*""",
    ),
    (
        "repackage",
        "detaches the hidden state",
        """*repackage* *detach*hidden* *detach*state* *hidden*detach *truncate_state*""",
    ),
    (
        "loss",
        "compares with the targets",
        """<loss> <loss>.forward torch.nn.functional.*loss* torch.nn.functional.*cross_entropy*
        torch.nn.functional.*kl_div* torch.nn.functional.*nll* torch.nn.functional.margin_ranking*""",
    ),
    (
        SET_UP,
        "prepares the model",
        """<module>.to <module>.cuda <module>.cpu <module>.apply <module>.half <module>.double <module>.float
        *.load_state_dict *.flatten_parameters""",
    ),
    (
        "get_batch",
        "fetches the batch",
        """*get_batch* *getbatch* *next_batch* *nextbatch* *make_batch* *sample_batch* *random*batch*
        *fetch_batch* *load_batch* *prepare_batch* *random*example* *random*pair* *random*chunk*
        *random_training* *random_sample* next *.to *.cuda *.pin_memory torch.from_numpy *collate*
        *prepare_sequence* <loader> *_to_device *to_cuda* *batch_to* *batch2* *tensorsfrompair*
        *tensor_from* *tensorfrom* *line_to_tensor* *linetotensor* *copy_to_gpu*""",
    ),
)
"""Calls that mean one stage whatever the user's functions of that name hold."""

NAMED = _rules(
    (
        "loss",
        "its name says loss",
        """*loss *loss_fn *loss_func* *lossfunc* *criterion *loss_function *loss_and_* *.nll *nll_* *_nll
        *nllloss *crossentropy* *cross_entropy* *neg_log_likelihood* *objective *calc_loss* *compute_loss*
        *loss_compute* *mse""",
    ),
    (
        "forward",
        "its name says model",
        """*.forward *model *.net net network *.network *_net *rnn *lstm *gru *encoder *decoder
        *generator *actor *critic *policy *backbone
        *discriminator *classifier *tagger *seq2seq *forward_pass* *run_model* *transformer""",
    ),
    (
        "get_batch",
        "its name says batch",
        """*batch *load_data* *get_data* *get_input* *make_input* *prepare_data* *to_tensor *totensor
        *_tensors *one_hot* *onehot* *pad_sequence* *encode_input* *char_tensor* *get_sample*""",
    ),
    (
        "set_mode",
        "switches the model's mode",
        """*model.train *module.train *net.train *model.eval *net.eval""",
    ),
    ("clip", "its name says clip", """*clip_param* *clip_by* *clipping*"""),
    (
        "update",
        "its name says update",
        """*optimizer.step *updater *update_param* *sgd_step* *apply_grad* sgd *sgd_update* *update_weights*
        *optim_step*""",
    ),
    ("schedule", "its name says schedule", """*scheduler.step *sched.step *lr_decay* *decay_l*"""),
)
"""Calls that mean a stage by their name, where nothing better is known of them."""


def match(rules: tuple[Rule, ...], candidates: list[str]) -> Rule | None:
    """The first rule of which a pattern matches a way to write the call.

    Args:
        rules: in the order in which they are tried.
        candidates: the ways to write the call, in lower case.

    Returns:
        The rule; None if none matches.
    """
    for rule in rules:
        whole, last = _compiled(rule.patterns)
        for candidate in candidates:
            if whole.match(candidate) or last.match(candidate.rpartition(".")[2]):
                return rule
    return None


@functools.cache
def _compiled(patterns: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """The patterns for a whole candidate, and those for its last part."""
    whole = [one for one in patterns if "." in one or "<" in one]
    return _any_of(whole), _any_of([one for one in patterns if one not in whole])


def _any_of(patterns: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(fnmatch.translate, patterns)) or r"(?!)")
