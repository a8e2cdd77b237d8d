"""More real families at tiny sizes with random weights, from their own classes; those of `families.py` come first."""

import importlib
import sys
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken
from transformers import (
    Gemma2Config,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3ImageProcessorPil,
    Gemma3Processor,
    Gemma3TextConfig,
    GemmaConfig,
    GotOcr2ImageProcessorPil,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    InternVLConfig,
    InternVLForConditionalGeneration,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionImageProcessorPil,
    Mistral3Config,
    Mistral3ForConditionalGeneration,
    MistralConfig,
    MllamaConfig,
    MllamaForConditionalGeneration,
    MllamaImageProcessorPil,
    MllamaProcessor,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    PixtralImageProcessorPil,
    PixtralVisionConfig,
    Qwen2Config,
    SiglipImageProcessorPil,
    SiglipVisionConfig,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessorPil,
)

from mlubench.models.processors import pictures_only
from support.families import WIDTH, llama_tokenizer, qwen_tokenizer, text_config

# A picture of this side is 16 patches of a tower.
SIDE = 16
PATCH = 4


def _chat(before: str, image: str, after: str, answer: str) -> str:
    """A template: `before` and `after` stand around the user's turn, `answer` is where the assistant's begins."""
    return (
        "{% for m in messages %}{% if m.role == 'user' %}{{ '" + before + "' }}"
        "{% for c in m.content if c.type == 'image' %}{{ '" + image + "' }}{% endfor %}"
        "{% for c in m.content if c.type == 'text' %}{{ c.text }}{% endfor %}{{ '" + after + "' }}"
        "{% else %}{{ '" + answer + "' + m.content[0].text + eos_token }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '" + answer + "' }}{% endif %}"
    )


def _siglip(**more: Any) -> SiglipVisionConfig:
    return SiglipVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=PATCH,
        vision_use_head=False,
        initializer_range=0.2,
        **more,
    )


def llava_onevision(folder: Path) -> Any:
    """A SigLIP tower whose tiles are put together, and Qwen2."""
    tokenizer = qwen_tokenizer(image_token="<image>", video_token="<video>")
    pinpoints = [[SIDE, SIDE], [SIDE, 2 * SIDE], [2 * SIDE, SIDE], [2 * SIDE, 2 * SIDE]]
    pictures = LlavaOnevisionImageProcessorPil(
        size={"height": SIDE, "width": SIDE}, image_grid_pinpoints=pinpoints
    )
    from transformers import LlavaOnevisionProcessor

    pictures_only(LlavaOnevisionProcessor)(
        pictures,
        tokenizer,
        chat_template=_chat(
            "<|im_start|>user ", "<image>\n", "<|im_end|>\n", "<|im_start|>assistant\n"
        ),
        num_image_tokens=16,
        vision_feature_select_strategy="full",
    ).save_pretrained(folder)
    config = LlavaOnevisionConfig(
        vision_config=_siglip(),
        text_config=text_config(Qwen2Config, tokenizer),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=pinpoints,
    )
    return LlavaOnevisionForConditionalGeneration(config)


def internvl(folder: Path) -> Any:
    """A tower of InternVL, whose pictures are cut into patches, and Qwen2."""
    tokenizer = qwen_tokenizer(
        start_image_token="<img>",
        end_image_token="</img>",
        context_image_token="<IMG_CONTEXT>",
        video_token="<video>",
    )
    pictures = GotOcr2ImageProcessorPil(
        size={"height": SIDE, "width": SIDE}, crop_to_patches=True, max_patches=4
    )
    from transformers import InternVLProcessor

    pictures_only(InternVLProcessor)(
        pictures,
        tokenizer,
        chat_template=_chat(
            "<|im_start|>user\n", "<IMG_CONTEXT>\n", "<|im_end|>\n", "<|im_start|>assistant\n"
        ),
        image_seq_length=4,
    ).save_pretrained(folder)
    vision = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "image_size": [SIDE, SIDE],
        "patch_size": [PATCH, PATCH],
        "initializer_range": 0.2,
        "layer_scale_init_value": 1.0,
    }
    config = InternVLConfig(
        vision_config=vision,
        text_config=text_config(Qwen2Config, tokenizer),
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
    )
    return InternVLForConditionalGeneration(config)


def _idefics_like(folder: Path, config_class: Any, model_class: Any, processor: Any) -> Any:
    tokenizer = processor.tokenizer
    processor.save_pretrained(folder)
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": SIDE,
        "patch_size": PATCH,
        "initializer_range": 0.2,
    }
    config = config_class(
        vision_config=vision,
        text_config=text_config(LlamaConfig, tokenizer, pad_token_id=tokenizer.pad_token_id),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    return model_class(config)


def _idefics_tokenizer() -> Any:
    tokenizer = llama_tokenizer()
    rows = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    names = ["<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>", *rows]
    tokenizer.add_special_tokens({"additional_special_tokens": names})
    return tokenizer


_IDEFICS_CHAT = _chat("<|im_start|>User:", "<image>", "<end_of_utterance>\n", "Assistant: ")


def idefics3(folder: Path) -> Any:
    """Pictures in tiles with a whole one behind them, each row of tiles marked. SmolVLM is of this family too."""
    pictures = Idefics3ImageProcessorPil(
        size={"longest_edge": 2 * SIDE}, max_image_size={"longest_edge": SIDE}
    )
    processor = Idefics3Processor(
        pictures, _idefics_tokenizer(), image_seq_len=4, chat_template=_IDEFICS_CHAT
    )
    return _idefics_like(folder, Idefics3Config, Idefics3ForConditionalGeneration, processor)


def smolvlm(folder: Path) -> Any:
    """SmolVLM2. Its processor needs the package num2words."""
    from transformers import SmolVLMProcessor

    pictures = SmolVLMImageProcessorPil(
        size={"longest_edge": 2 * SIDE}, max_image_size={"longest_edge": SIDE}
    )
    processor = pictures_only(SmolVLMProcessor)(
        pictures,
        _idefics_tokenizer(),
        video_processor=None,
        chat_template=_IDEFICS_CHAT,
        image_seq_len=4,
    )
    return _idefics_like(folder, SmolVLMConfig, SmolVLMForConditionalGeneration, processor)


def _paligemma(folder: Path, text_class: Any) -> Any:
    tokenizer = llama_tokenizer()
    pictures = SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    pictures.image_seq_length = 16
    # The processor itself puts the first token and a new line.
    template = (
        "{% for m in messages %}{% for c in m.content if c.type == 'image' %}<image>{% endfor %}"
        "{% for c in m.content if c.type == 'text' %}{{ c.text }}{% endfor %}"
        "{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    )
    PaliGemmaProcessor(pictures, tokenizer, chat_template=template).save_pretrained(folder)
    config = PaliGemmaConfig(
        vision_config=_siglip(),
        text_config=text_config(text_class, tokenizer, head_dim=16),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        projection_dim=WIDTH,
        hidden_size=WIDTH,
    )
    return PaliGemmaForConditionalGeneration(config)


def paligemma(folder: Path) -> Any:
    """The prompt is seen from both sides, the answer from one."""
    return _paligemma(folder, GemmaConfig)


def paligemma2(folder: Path) -> Any:
    """PaliGemma on Gemma 2, every other layer of which looks a window back."""
    return _paligemma(folder, Gemma2Config)


def gemma3(folder: Path) -> Any:
    """Picture tokens see one another, and most layers look a window back."""
    tokenizer = llama_tokenizer(
        boi_token="<start_of_image>",
        eoi_token="<end_of_image>",
        image_token="<image_soft_token>",
    )
    turns = ["<start_of_turn>", "<end_of_turn>"]
    tokenizer.add_special_tokens(
        {"additional_special_tokens": turns}, replace_extra_special_tokens=False
    )
    pictures = Gemma3ImageProcessorPil(size={"height": SIDE, "width": SIDE})
    Gemma3Processor(
        pictures,
        tokenizer,
        chat_template=_chat(
            "<start_of_turn>user\n",
            "<start_of_image>",
            "<end_of_turn>\n",
            "<start_of_turn>model\n",
        ),
        image_seq_length=4,
    ).save_pretrained(folder)
    text = text_config(
        Gemma3TextConfig,
        tokenizer,
        head_dim=16,
        query_pre_attn_scalar=16,
        sliding_window=24,
        layer_types=["sliding_attention", "full_attention"],
    )
    config = Gemma3Config(
        vision_config=_siglip(),
        text_config=text,
        mm_tokens_per_image=4,
        boi_token_index=tokenizer.boi_token_id,
        eoi_token_index=tokenizer.eoi_token_id,
        image_token_index=tokenizer.image_token_id,
    )
    model = Gemma3ForConditionalGeneration(config)
    # transformers begins with zeros here, and so with pictures that nobody can tell apart.
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight, std=0.3)
    return model


def _pixtral_processor() -> Any:
    """Pixtral's processor. Its module imports torchvision for nothing that is used here, and without it is hidden."""
    import transformers
    from transformers.models.pixtral import image_processing_pil_pixtral

    name = "transformers.models.pixtral.image_processing_pixtral"
    sys.modules.setdefault(name, image_processing_pil_pixtral)
    found = importlib.import_module(
        "transformers.models.pixtral.processing_pixtral"
    ).PixtralProcessor
    transformers.PixtralProcessor = found
    transformers.models.pixtral.PixtralProcessor = found
    return found


def _pixtral_parts(folder: Path, merge: int) -> tuple[Any, PixtralVisionConfig]:
    """The tokenizer, and a tower that sees pictures of any shape. The processor is saved."""
    tokenizer = llama_tokenizer()
    tokenizer.add_special_tokens(
        {"additional_special_tokens": ["[IMG]", "[IMG_BREAK]", "[IMG_END]", "[INST]", "[/INST]"]}
    )
    pictures = PixtralImageProcessorPil(
        size={"longest_edge": 6 * PATCH}, patch_size={"height": PATCH, "width": PATCH}
    )
    _pixtral_processor()(
        pictures,
        tokenizer,
        patch_size=PATCH,
        spatial_merge_size=merge,
        chat_template=_chat("[INST]", "[IMG]", "[/INST]", ""),
    ).save_pretrained(folder)
    vision = PixtralVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=6 * PATCH,
        patch_size=PATCH,
        initializer_range=0.2,
    )
    return tokenizer, vision


def pixtral(folder: Path) -> Any:
    """Pixtral: LLaVA's class with a tower that sees pictures of any shape."""
    tokenizer, vision = _pixtral_parts(folder, merge=1)
    config = LlavaConfig(
        vision_config=vision,
        text_config=text_config(MistralConfig, tokenizer, head_dim=16, sliding_window=None),
        image_token_index=tokenizer.convert_tokens_to_ids("[IMG]"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
    )
    return LlavaForConditionalGeneration(config)


def mistral3(folder: Path) -> Any:
    """Mistral Small 3.1: Pixtral's tower, four patches a token."""
    tokenizer, vision = _pixtral_parts(folder, merge=2)
    config = Mistral3Config(
        vision_config=vision,
        text_config=text_config(MistralConfig, tokenizer, head_dim=16, sliding_window=None),
        image_token_index=tokenizer.convert_tokens_to_ids("[IMG]"),
        spatial_merge_size=2,
    )
    return Mistral3ForConditionalGeneration(config)


def mllama(folder: Path) -> Any:
    """Llama 3.2 Vision: the text looks at the picture in layers of its own."""
    tokenizer = llama_tokenizer()
    # The picture's token comes last, behind the head's vocabulary, as published.
    tokenizer.add_tokens([AddedToken("<|image|>", special=True)])
    vocabulary = tokenizer.convert_tokens_to_ids("<|image|>")
    pictures = MllamaImageProcessorPil(size={"height": SIDE, "width": SIDE}, max_image_tiles=4)
    MllamaProcessor(
        pictures,
        tokenizer,
        chat_template=_chat("{{ bos_token }}USER: ", "<|image|>", "", " ASSISTANT: ").replace(
            "{{ '{{ bos_token }}USER: ' }}", "{{ bos_token + 'USER: ' }}"
        ),
    ).save_pretrained(folder)
    vision = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_global_layers": 1,
        "attention_heads": 2,
        "intermediate_size": 64,
        "vision_output_dim": 64,
        "image_size": SIDE,
        "patch_size": PATCH,
        "intermediate_layers_indices": [0],
        "initializer_range": 0.2,
    }
    text = {
        "vocab_size": vocabulary,
        "hidden_size": WIDTH,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "cross_attention_layers": [1],
        "max_position_embeddings": 2048,
        "initializer_range": 0.15,
        "pad_token_id": tokenizer.pad_token_id,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
    }
    config = MllamaConfig(vision_config=vision, text_config=text, image_token_index=vocabulary)
    model = MllamaForConditionalGeneration(config)
    # transformers begins with gates that are shut, and so with a text that sees no picture.
    for name, parameter in model.named_parameters():
        if name.endswith("_gate"):
            torch.nn.init.ones_(parameter)
    return model
