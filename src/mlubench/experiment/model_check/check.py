"""The steps of the check in their order, and what came of each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mlubench.core.errors import MlubenchError, first_line
from mlubench.experiment.model_check import asking, experts, serving, training
from mlubench.experiment.model_check.findings import Finding, ModelCheck, NotOfferedError
from mlubench.experiment.model_check.subject import Subject, make_subject
from mlubench.models.devices import pick_device
from mlubench.models.examination import require_trainable
from mlubench.models.mllm import MLLM
from mlubench.models.quantised import parameter_count, require_quantizer
from mlubench.settings.model import Quantization


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is tried."""

    name: str
    # Returns what it saw; raises where it does not work.
    run: Callable[[Subject], str]
    # Whether every run needs it, or only some.
    needed: bool = True


LOAD = "load"
STEPS = (
    Step("parts", asking.parts),
    Step("prompt and answer", asking.prompt),
    Step("words alone", asking.words_alone, needed=False),
    Step("features", asking.features),
    Step("picture in the loss", asking.seen),
    Step("batch", asking.batches),
    Step("generation", asking.generation),
    Step("generation and training", asking.taught),
    Step("running batch", serving.running_batch, needed=False),
    Step("kept features", training.kept_features),
    Step("packed answers", training.packed),
    Step("training: language", training.training_in("language")),
    Step("training: projector", training.training_in("projector"), needed=False),
    Step("training: vision", training.training_in("vision"), needed=False),
    Step("training: all", training.training_in("all"), needed=False),
    Step("experts in a batch", experts.mixed),
)


def check_model(
    path: str,
    *,
    device: str = "auto",
    dtype: str = "auto",
    quantization: Quantization = "none",
    tell: Callable[[Finding], None] = lambda finding: None,
) -> ModelCheck:
    """Load a model and walk the whole path of a run with it. `tell` is told of each finding as it is made.

    Raises UsageError for a device that is not here, and for a quantisation whose package is not.
    """
    pick_device(device)
    require_quantizer(quantization)
    try:
        mllm = MLLM.load(path, device=device, dtype=dtype, quantization=quantization)
        require_trainable(path, mllm.processor, mllm.base)
    except MlubenchError as error:
        failed = Finding(LOAD, "fails", error.what, error.hint)
        tell(failed)
        left = [Finding(step.name, "not tried", "the model is not loaded") for step in STEPS]
        return ModelCheck(path, "", (failed, *left))
    findings = [Finding(LOAD, "works", _described(mllm))]
    tell(findings[0])
    with TemporaryDirectory() as folder:
        subject = make_subject(mllm, Path(folder))
        for step in STEPS:
            findings.append(_try(step, subject))
            tell(findings[-1])
    return ModelCheck(path, mllm.base.config.model_type, tuple(findings))


def _described(mllm: MLLM) -> str:
    count = parameter_count(mllm.base)
    held = str(mllm.base.dtype).removeprefix("torch.")
    if mllm.quantization != "none":
        held += f", the language model's matrices in {mllm.quantization},"
    return f"{type(mllm.base).__name__}, {count:,} parameters in {held} on {mllm.device}"


def _try(step: Step, subject: Subject) -> Finding:
    try:
        return Finding(step.name, "works", step.run(subject))
    except NotOfferedError as error:
        return Finding(step.name, "missing", error.what, error.hint)
    except MlubenchError as error:
        wrong = error.what
        do = error.hint
    # What a library raises over a model that it does not take is what this check is for.
    except Exception as error:  # noqa: BLE001
        wrong = f"{type(error).__name__}: {first_line(error)}"
        do = ""
    return Finding(step.name, "fails" if step.needed else "missing", wrong, do)
