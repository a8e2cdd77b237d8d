"""How large a model and its adapters are, read off the real classes on torch's meta device: no weight is ever loaded."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mlubench.core.errors import MlubenchError, first_line
from mlubench.models.adapters import add_adapter, remove_adapters
from mlubench.models.families import parts_of
from mlubench.models.mllm import MLLM
from mlubench.models.plugins import register_model_classes, why_not_loaded
from mlubench.models.published import PUBLISHED
from mlubench.models.quantised import held_bytes
from mlubench.models.real.tower import EfficientNetLiteConfig
from mlubench.models.toy.base import build_model, build_processor
from mlubench.models.weights import loading_errors
from mlubench.settings.model import ModelConfig, Quantization, RealConfig, ToyConfig
from mlubench.settings.training import LoraConfig
from mlubench.types import Benchmark, Part, Scope

if TYPE_CHECKING:
    from transformers import BaseImageProcessor, PreTrainedConfig


@dataclass(frozen=True, slots=True)
class Shape:
    """A model without weights, and what can be read off it."""

    mllm: MLLM
    # Where the shape is from, as people read it.
    source: str
    # Whether it is the very model's. A toy whose vocabulary is not learned yet is not.
    exact: bool = True
    # Makes the tower's input of a picture, for a published model, whose processor is not here.
    image_processor: "BaseImageProcessor | None" = None
    # How its language model's matrices are to be held.
    quantization: Quantization = "none"

    @property
    def parameters(self) -> int:
        """How many there are; tied ones count once."""
        return sum(p.numel() for p in self.mllm.base.parameters())

    @property
    def bytes(self) -> int:
        """What they take in the run's dtype, or in fewer bits."""
        return held_bytes(self.mllm.base, self.mllm.parts, self.quantization)

    @property
    def saved_bytes(self) -> int:
        """What its files take, which are read in full whatever it is held in."""
        return held_bytes(self.mllm.base, self.mllm.parts, "none")

    @property
    def bytes_in_four_bits(self) -> int | None:
        """What it would take in four bits; None where it is held in fewer bits already."""
        if self.quantization != "none":
            return None
        return held_bytes(self.mllm.base, self.mllm.parts, "4bit")

    @property
    def dtype(self) -> str:
        """The run's dtype, as settings name it."""
        return str(self.mllm.base.dtype).removeprefix("torch.")

    @property
    def hidden(self) -> int:
        """The width of the language model's states."""
        return int(self.mllm.base.config.get_text_config().hidden_size)


def folder_shape(folder: Path, dtype: str) -> Shape:
    """The shape that a folder's config.json describes. Raises MlubenchError when it describes none."""
    from transformers import AutoConfig

    register_model_classes()
    with loading_errors(folder):
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        return Shape(_on_meta(config, dtype), "its config.json")


def published_shape(model: ModelConfig) -> Shape | None:
    """The shape of a published model by the last part of its path; None for one that is not in the table."""
    published = PUBLISHED.get(Path(model.path or "").name)
    if published is None:
        return None
    return Shape(
        _on_meta(published.config(), model.dtype),
        "the built-in table of published models",
        image_processor=published.image_processor(),
    )


def real_shape(real: RealConfig, dtype: str) -> Shape:
    """The shape of a base of pretrained parts. Raises MlubenchError for a user's folder that describes no such part."""
    from transformers import LlavaConfig

    register_model_classes()
    vision = _part_config(real.vision) if real.vision else EfficientNetLiteConfig()
    language = _part_config(real.language) if real.language else _smollm2_135m()
    try:
        # The picture's own token comes with the assembly.
        language.vocab_size += 1
        whole = LlavaConfig(
            vision_config=getattr(vision, "vision_config", vision),
            text_config=language,
            vision_feature_layer=-1,
            # The own tower has no token before those of its patches.
            vision_feature_select_strategy="default" if real.vision else "full",
            tie_word_embeddings=language.tie_word_embeddings,
        )
        whole.dtype = torch.bfloat16  # as it is saved
        return Shape(_on_meta(whole, dtype), "model.real")
    # Models that are no such part lack one thing or another.
    except (ValueError, AttributeError, KeyError) as error:
        raise MlubenchError(
            f"{real.vision or 'the own tower'} and {real.language or 'the own language model'} make no LLaVA: "
            f"{first_line(error)}",
            "Give a vision model by model.real.vision and a chat model by model.real.language.",
        ) from error


def _part_config(folder: Path) -> "PreTrainedConfig":
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        reason, hint = why_not_loaded(error, "Give a Hugging Face folder.")
        raise MlubenchError(f"part {folder} has no usable config.json: {reason}", hint) from error


def _smollm2_135m() -> "PreTrainedConfig":
    """SmolLM2-135M. The numbers are those in the header of its GGUF."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
    )


def toy_shape(toy: ToyConfig, benchmark: Benchmark | None, dtype: str) -> Shape:
    """The tiny LLaVA's shape. Its vocabulary is learned from the benchmark; without one it is taken at its limit."""
    samples = benchmark.samples if benchmark is not None else []
    answers = [sample.truth for sample in samples]
    questions = sorted({sample.question for sample in samples})
    processor = build_processor(toy, answers, questions)
    with torch.device("meta"):
        model = build_model(toy, processor.tokenizer)
        if benchmark is None:
            # Without texts the tokenizer has learned next to nothing.
            # New rows are not made from the mean of the old ones, which would need weights.
            model.resize_token_embeddings(toy.vocabulary, mean_resizing=False)
    model = model.to(_torch_dtype(dtype, auto=torch.float32))
    model.requires_grad_(False)
    return Shape(MLLM(model, processor, parts_of(model)), "model.toy", exact=benchmark is not None)


def _on_meta(config: "PreTrainedConfig", dtype: str) -> MLLM:
    """A model without weights, and without a processor, which sizes do not ask for."""
    from transformers import AutoModelForImageTextToText

    torch_dtype = _torch_dtype(dtype, auto=config.dtype or torch.float32)
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config, dtype=torch_dtype)
    model.requires_grad_(False)
    return MLLM(model, None, parts_of(model))


def _torch_dtype(name: str, *, auto: torch.dtype) -> torch.dtype:
    """The dtype of this name; `auto` for the name "auto", which stands for the model's own."""
    if name == "auto":
        return auto
    dtype: torch.dtype = getattr(torch, name)
    return dtype


@contextmanager
def with_adapter(
    shape: Shape, lora: LoraConfig, scope: Scope, full: Sequence[Part] = ()
) -> Iterator[MLLM]:
    """The model with a run's adapter mounted, trainable and without weights too; taken off again at the end."""
    # Mounting an adapter sets torch's seed, which a question about sizes must leave alone.
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        add_adapter(shape.mllm, "default", lora, scope, seed=0, full=full)
    try:
        yield shape.mllm
    finally:
        remove_adapters(shape.mllm)


def in_base_precision(mllm: MLLM) -> None:
    """Bring the mounted adapter to the base's precision, in which experts answer. It is float32 to be trained."""
    dtype = mllm.base.dtype
    for parameter in mllm.model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(dtype)


def trained_bytes(mllm: MLLM) -> int:
    """What the trainable parameters take, in the dtype that they are trained in."""
    return sum(p.numel() * p.element_size() for p in mllm.model.parameters() if p.requires_grad)
