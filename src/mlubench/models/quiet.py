"""Keep the libraries' own notices and bars away; ours are enough."""

import logging as standard_logging
import os
import warnings

from transformers.utils import logging


def quiet() -> None:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    # It says at every product that it rounds.
    standard_logging.getLogger("bitsandbytes").setLevel(standard_logging.ERROR)
    warnings.filterwarnings(
        "ignore", message="`is_gradient_checkpointing`", category=FutureWarning
    )  # PEFT reads it
