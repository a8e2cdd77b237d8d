"""Folders of a tiny vision model and a tiny chat model with random weights, of the classes that real ones have."""

from pathlib import Path

import torch
from transformers import (
    BitImageProcessorPil,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPVisionModel,
    Dinov2Config,
    Dinov2Model,
    LlamaForCausalLM,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)

from support.families import llama_config, qwen_tokenizer, vision_config

# Takes texts, as the templates of most chat models do.
TEXT_CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] + '\n' + m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def save_vision(folder: Path) -> Path:
    """A CLIP tower for pictures of 16 pixels a side."""
    torch.manual_seed(0)
    CLIPVisionModel(vision_config()).save_pretrained(folder)
    size = {"height": 16, "width": 16}
    CLIPImageProcessorPil(size=size, crop_size=size).save_pretrained(folder)
    return folder


# Of the models below: two layers that see, and three that read.
SEES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 8,
}
READS = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "vocab_size": 50,
    "max_position_embeddings": 16,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
SIDE = {"height": 16, "width": 16}


def save_clip(folder: Path) -> Path:
    """The whole of a CLIP, which sees and reads."""
    torch.manual_seed(0)
    sees = {**SEES, "intermediate_size": 48}
    config = CLIPConfig(text_config=READS, vision_config=sees, projection_dim=16)
    CLIPModel(config).save_pretrained(folder)
    CLIPImageProcessorPil(size=SIDE, crop_size=SIDE).save_pretrained(folder)
    return folder


def save_siglip(folder: Path) -> Path:
    """The whole of a SigLIP, which sees and reads."""
    torch.manual_seed(0)
    sees = {**SEES, "intermediate_size": 48}
    SiglipModel(SiglipConfig(text_config=READS, vision_config=sees)).save_pretrained(folder)
    SiglipImageProcessorPil(size=SIDE).save_pretrained(folder)
    return folder


def save_dinov2(folder: Path) -> Path:
    """A DINOv2, which only sees."""
    torch.manual_seed(0)
    Dinov2Model(Dinov2Config(**SEES, mlp_ratio=2)).save_pretrained(folder)
    BitImageProcessorPil(size={"shortest_edge": 16}, crop_size=SIDE).save_pretrained(folder)
    return folder


def save_language(folder: Path, *, seed: int = 0) -> Path:
    """A chat model of Llama's shape."""
    tokenizer = qwen_tokenizer()
    tokenizer.chat_template = TEXT_CHATML
    torch.manual_seed(seed)
    LlamaForCausalLM(llama_config(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
