"""Folders of a tiny vision model and a tiny chat model with random weights, of the classes that real ones have."""

from pathlib import Path

import torch
from transformers import CLIPImageProcessorPil, CLIPVisionModel, LlamaForCausalLM

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


def save_language(folder: Path) -> Path:
    """A chat model of Llama's shape."""
    tokenizer = qwen_tokenizer()
    tokenizer.chat_template = TEXT_CHATML
    torch.manual_seed(0)
    LlamaForCausalLM(llama_config(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
