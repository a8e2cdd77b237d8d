"""Keep the libraries' own notices and bars away; ours are enough."""

import os
import warnings

from transformers.utils import logging


def quiet() -> None:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.filterwarnings(
        "ignore", message="`is_gradient_checkpointing`", category=FutureWarning
    )  # PEFT reads it
