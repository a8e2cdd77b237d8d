"""Runs `mlubench run`, with the words of a line, in a fresh child for each line: for the tests that kill runs."""

import json

from mlubench.cli.main import main
from support.forking import fork_for_each_line


def run(line: str) -> None:
    """`line` is a list of words as JSON."""
    main(["run", *json.loads(line)])


if __name__ == "__main__":
    # So that no child has to. They are imported and not used: a thread that runs here would be missing in a child.
    import transformers

    import mlubench.experiment.sequence
    import mlubench.unlearning.trainer  # noqa: F401

    assert transformers.LlavaForConditionalGeneration
    assert transformers.CLIPVisionModel
    assert transformers.LlamaModel

    fork_for_each_line(run)
