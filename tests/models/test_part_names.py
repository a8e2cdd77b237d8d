"""The parts of a model are found in the model itself, whatever its family calls them."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForImageTextToText, GPT2Config, GPT2LMHeadModel

from mlubench.core.errors import UsageError
from mlubench.models.adapters import add_adapter, remove_adapters
from mlubench.models.families import PARTS, parts_of
from mlubench.models.part_names import PartNames, find_part_names
from mlubench.settings.training import LoraConfig
from support.families import ALL_FAMILIES

LLAVA = PartNames(
    ("model.vision_tower",), ("model.multi_modal_projector",), ("model.language_model",)
)
QWEN2 = PartNames(
    ("model.visual.patch_embed", "model.visual.blocks"),
    ("model.visual.merger",),
    ("model.language_model",),
)
# A projector for each deeper layer that is fed, and positions that are learned.
QWEN3 = PartNames(
    ("model.visual.patch_embed", "model.visual.pos_embed", "model.visual.blocks"),
    ("model.visual.merger", "model.visual.deepstack_merger_list"),
    ("model.language_model",),
)
IDEFICS = PartNames(("model.vision_model",), ("model.connector",), ("model.text_model",))
MLLAMA = PartNames(
    ("model.vision_model",), ("model.multi_modal_projector",), ("model.language_model",)
)
FOUND = {
    **dict.fromkeys(ALL_FAMILIES, LLAVA),
    "qwen2_vl": QWEN2,
    "qwen2_5_vl": QWEN2,
    "qwen3_vl": QWEN3,
    "qwen3_vl_moe": QWEN3,
    "idefics3": IDEFICS,
    "smolvlm": IDEFICS,
    "mllama": MLLAMA,
}


@pytest.fixture
def shape_of(family_folder):
    """Makes a family's model without weights."""

    def make(name: str) -> torch.nn.Module:
        config = AutoConfig.from_pretrained(family_folder(name))
        with torch.device("meta"):
            return AutoModelForImageTextToText.from_config(config)

    return make


@pytest.mark.parametrize("name", FOUND)
def test_the_parts_of_every_family_are_found(shape_of, name: str) -> None:
    model = shape_of(name)
    assert find_part_names(model) == FOUND[name]
    rest = {n for n, _ in model.named_parameters() if parts_of(model).part_of(n) is None}
    assert rest <= {"lm_head.weight", "model.image_newline"}


def test_a_larger_family_of_today_is_found_without_a_row() -> None:
    """Llama 4 holds its parts at the top, and its language model within another."""
    text = {"num_hidden_layers": 2, "hidden_size": 32, "intermediate_size": 32, "vocab_size": 50}
    vision = {"num_hidden_layers": 1, "hidden_size": 32, "intermediate_size": 32}
    config = AutoConfig.for_model("llama4", text_config=text, vision_config=vision)
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    assert find_part_names(model) == PartNames(
        ("vision_model",), ("multi_modal_projector",), ("language_model.model",)
    )


@pytest.mark.parametrize("name", ["llava", "qwen3_vl", "idefics3"])
def test_the_parts_are_the_same_under_adapters(load_family, name: str) -> None:
    """Also where parts are trained whole, which PEFT puts a module of its own around."""
    mllm = load_family(name)
    before = find_part_names(mllm.base)
    add_adapter(mllm, "first", LoraConfig(r=2, alpha=2), "all", seed=0)
    assert find_part_names(mllm.base) == before
    add_adapter(mllm, "second", LoraConfig(r=2, alpha=2), "all", seed=0, full=PARTS)
    assert find_part_names(mllm.base) == before
    remove_adapters(mllm)
    assert find_part_names(mllm.base) == before


def test_what_lacks_a_tower_says_so() -> None:
    model = GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=1, n_embd=8, vocab_size=9))
    with pytest.raises(UsageError, match=r"'gpt2' is not known: no .* is found in its GPT2LMHead"):
        find_part_names(model)
