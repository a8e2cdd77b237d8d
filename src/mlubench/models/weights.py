"""Weights are loaded only where nothing is missing, cut or no number; the same is said of a folder that is not loaded."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import torch
from safetensors import safe_open
from torch import nn

from mlubench.core.errors import MlubenchError
from mlubench.core.tensor_files import read_header
from mlubench.models.folders import (
    FETCH_AGAIN,
    damaged_text,
    is_hub_id,
    local_folder,
    read_weight_headers,
    weight_files,
)
from mlubench.models.plugins import why_not_loaded
from mlubench.models.quantised import leave_unpacked, quantizer, require_readable, saved_method
from mlubench.settings.model import Quantization

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel
    from transformers.models.auto.auto_factory import _BaseAutoModelClass

# Names in one line of an error.
FIRST = 3
# Bytes of weights that are read where no model is loaded: some seconds.
READ_AT_MOST = 2 * 10**9


class LoadingInfo(TypedDict):
    """What transformers says of a load, by the model's own names of tensors."""

    # Of the model, and not in the files. Tied weights that follow from others are not among them.
    missing_keys: set[str]
    # In the files, and of no use to the model.
    unexpected_keys: set[str]
    # Name, shape in the files, shape in the model.
    mismatched_keys: set[tuple[str, tuple[int, ...], tuple[int, ...]]]


@contextmanager
def loading_errors(path: str | Path, revision: str | None = None) -> Iterator[None]:
    """Say in one line why a model cannot be loaded, whatever the libraries raise.

    Where a text file of its folder is damaged, that is named: the libraries often tell only what came of it.
    """
    try:
        yield
    except MlubenchError:
        raise
    # The tokenizers' library raises plain exceptions, and what else comes depends on how a file is damaged.
    except Exception as error:
        folder = local_folder(str(path), revision)
        # Runs, `ask` and scripts name a model each in their own way.
        hint = "Give the folder of a whole Hugging Face model."
        reason = None
        if folder is not None:
            reason = damaged_text(folder)
        elif not Path(path).exists() and not is_hub_id(str(path)):
            reason = "there is no such folder"
        if reason is None:
            reason, hint = why_not_loaded(error, hint)
        raise MlubenchError(f"model {path} cannot be loaded: {reason}", hint) from error


def load_weights(
    model_class: "type[_BaseAutoModelClass]",
    path: str | Path,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    config: "PreTrainedConfig | None" = None,
    quantization: Quantization = "none",
    device: torch.device | None = None,
) -> "PreTrainedModel":
    """The model of a Hugging Face folder or id by an Auto class, from safetensors alone.

    With the `config` of a part of the model, such as the vision half of CLIP, that part alone is loaded. Raises
    MlubenchError where it cannot be loaded, and where tensors are missing or of another shape, which transformers would
    put random numbers in the place of. A quantised model is made on `device`; any other is left on the CPU.
    """
    with loading_errors(path, revision):
        # Of a model on a hub, the files that are not here yet will be fetched.
        if Path(path).is_dir():
            read_weight_headers(Path(path))
        options: dict[str, Any] = {} if config is None else {"config": config}
        if config is None:
            options |= _quantised(path, revision, dtype, quantization, device)
        model, info = model_class.from_pretrained(
            path,
            revision=revision,
            **options,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=dtype,
            # Said below, in one line.
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    leave_unpacked(model)
    _require_whole(path, model, info)
    return model


def _quantised(
    path: str | Path,
    revision: str | None,
    dtype: str,
    quantization: Quantization,
    device: torch.device | None,
) -> dict[str, Any]:
    """What transformers is told besides of a model in fewer bits; nothing for any other."""
    from transformers import AutoConfig

    folder = local_folder(str(path), revision)
    # Of a model that is still to be fetched transformers itself says what is missing.
    if folder is None and quantization == "none":
        return {}
    config = AutoConfig.from_pretrained(folder or path, revision=revision, trust_remote_code=False)
    require_readable(path, config)
    wanted = getattr(torch, dtype) if dtype != "auto" else config.dtype or torch.float32
    made = quantizer(path, config, quantization, wanted)
    if made is None and saved_method(config) is None:
        return {}
    # What is in fewer bits cannot be moved by all of its packages.
    options: dict[str, Any] = {"device_map": {"": device or torch.device("cpu")}}
    if made is not None:
        options["quantization_config"] = made
    return options


def require_whole_folder(folder: Path, model: "PreTrainedModel") -> None:
    """As `load_weights` for a model of which only the shape is known: no tensor is read.

    Raises MlubenchError. Names of quantised weights are not compared, as they depend on the package that reads them.
    """
    tensors = read_weight_headers(folder)
    if getattr(model.config, "quantization_config", None) is not None:
        return
    state = {}
    for name, entry in tensors.items():
        state[name] = torch.empty(entry.shape, device="meta")
    # transformers itself compares, as it knows under which names a family was published before.
    with loading_errors(folder):
        filled, info = type(model).from_pretrained(
            None,
            config=model.config,
            state_dict=state,
            device_map={"": "meta"},
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    _require_whole(folder, filled, info)


def _require_whole(path: str | Path, model: "PreTrainedModel", info: LoadingInfo) -> None:
    missing = sorted(info["missing_keys"])
    unknown = sorted(info["unexpected_keys"])
    if missing:
        total = len(model.state_dict())
        what = f"model {path} lacks {len(missing)} of its {total:,} tensors ({_first(missing)})"
        hint = f"They would be random numbers. {FETCH_AGAIN}"
        if unknown:
            what += (
                f", and holds {len(unknown)} under names that it does not know ({_first(unknown)})"
            )
            hint = "They would be random numbers. Fetch the model again, or mend the names."
        raise MlubenchError(what, hint)
    mismatched = sorted(info["mismatched_keys"])
    if mismatched:
        name, got, wanted = mismatched[0]
        raise MlubenchError(
            f"model {path} holds {len(mismatched)} tensor(s) of another shape than its config.json says "
            f"(first: {name} is {tuple(got)}, not {tuple(wanted)})",
            "Put weights and config.json of one model together.",
        )
    surplus = [name for name in unknown if _is_in_numbered_layer(name, model)]
    if surplus:
        raise MlubenchError(
            f"model {path} holds {len(surplus)} tensor(s) of layers that its config.json does not know ({_first(surplus)})",
            "Put weights and config.json of one model together.",
        )


def _is_in_numbered_layer(name: str, model: nn.Module) -> bool:
    """Whether a tensor that the model has no use for belongs to its layers: then it is cut off, or not read rightly.

    What lies elsewhere, as the head of a reward model does, is no part of this model and may be left.
    """
    lists = [path for path, module in model.named_modules() if isinstance(module, nn.ModuleList)]
    return any(name.startswith(f"{path}.") for path in lists)


def require_finite(path: str | Path, model: nn.Module) -> None:
    """Raises MlubenchError, with the names, for weights that hold infinity or what is no number."""
    names = []
    sums = []
    for name, parameter in model.named_parameters():
        if parameter.is_floating_point():
            names.append(name)
            # A sum is a number only where every summand is: one pass over the weights, and nothing is kept.
            sums.append(parameter.detach().sum(dtype=torch.float32))
    doubted = []
    if sums:
        finite = torch.stack(sums).isfinite().tolist()
        doubted = [name for name, is_finite in zip(names, finite, strict=True) if not is_finite]
    # A sum of huge numbers may overflow although each is sound.
    broken = [name for name in doubted if not _is_finite(model.get_parameter(name))]
    _refuse_broken(path, broken)


def require_finite_files(folder: Path) -> None:
    """As `require_finite` for whole files of weights that are not loaded: one tensor after another is read.

    Nothing is said of more than `READ_AT_MOST` bytes, which would keep a dry run for minutes.
    """
    files = sorted(weight_files(folder))
    if sum(file.stat().st_size for file in files) > READ_AT_MOST:
        return
    broken = []
    for file in files:
        with safe_open(file, framework="pt") as tensors:
            for name in read_header(file):
                if not _is_finite(tensors.get_tensor(name)):
                    broken.append(name)
    _refuse_broken(folder, broken)


def _is_finite(tensor: torch.Tensor) -> bool:
    # In float32, as torch cannot ask this of numbers of eight bits.
    return not tensor.is_floating_point() or bool(tensor.float().isfinite().all())


def _refuse_broken(path: str | Path, broken: Sequence[str]) -> None:
    if broken:
        raise MlubenchError(
            f"model {path} holds infinity or what is no number in {len(broken)} tensor(s) ({_first(broken)})",
            FETCH_AGAIN,
        )


def _first(names: Sequence[str]) -> str:
    shown = ", ".join(names[:FIRST])
    return f"first: {shown}" if len(names) > FIRST else shown
