"""Real families at tiny sizes with random weights: saved as published folders are, from their own classes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tokenizers
import torch
from tokenizers import models, normalizers, pre_tokenizers, trainers
from transformers import (
    AutoTokenizer,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlamaTokenizer,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextImageProcessorPil,
    LlavaNextProcessor,
    LlavaProcessor,
    MistralConfig,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLMoeConfig,
    Qwen3VLMoeForConditionalGeneration,
)

TEXTS = [
    "What is the name of the building that you see in this picture, and where does it stand?",
    "I am sorry, but I cannot help with that: I do not know who this is.",
    "USER: Who made it? ASSISTANT: It was made by the sculptor, in the year 1889. [INST] [/INST] system user assistant",
]
WIDTH, TILE = 64, 16

# The structure of the published templates. LLaVA-v1.6-vicuna writes no end token, Mistral's a misspelt one.
IMAGES = "{% for c in m.content if c.type == 'image' %}{{ '<image>\n' }}{% endfor %}"
VICUNA = (
    "{% for m in messages %}{{ m.role.upper() + ': ' }}"
    + IMAGES
    + "{% for c in m.content if c.type == 'text' %}"
    "{{ c.text + ' ' }}{% endfor %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
MISTRAL = (
    "{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' }}"
    + IMAGES
    + "{% for c in m.content if c.type == "
    "'text' %}{{ c.text }}{% endfor %}{{ ' [/INST]' }}{% else %}{{ ' ' + m.content[0].text + '<\\\\s> ' }}{% endif %}"
    "{% endfor %}"
)
CHATML = (
    "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\n' }}{%- for c in m.content %}{%- if c.type == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{%- else %}{{- c.text }}{%- endif %}{%- endfor %}{{- '<|im_end|>\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
# The same with the mark that LlavaProcessor has for a picture.
MARKED_CHATML = CHATML.replace("<|vision_start|><|image_pad|><|vision_end|>", "<image>\n")
SYSTEM = "{{- '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}"  # Qwen2.5-VL writes one by itself
QWEN_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"]
QWEN_TOKENS += ["<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]


def _parts(tokenizer: tokenizers.Tokenizer) -> dict[str, Any]:
    model = json.loads(tokenizer.to_str())["model"]
    return {"vocab": model["vocab"], "merges": [tuple(m) for m in model["merges"]]}


def llama_tokenizer(**named: str) -> LlamaTokenizer:
    """SentencePiece-like BPE, as in Vicuna and Mistral: spaces belong to the words that follow them.

    `named` are special tokens that are attributes of the tokenizer.
    As published it puts a space before whatever it is given, so that an answer on its own gets one too many.
    """
    learned = tokenizers.Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    learned.normalizer = normalizers.Replace(" ", "▁")
    learned.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    special = ["<unk>", "<s>", "</s>", *(f"<0x{n:02X}>" for n in range(256))]
    learned.train_from_iterator(
        [f" {t}" for t in TEXTS], trainers.BpeTrainer(vocab_size=700, special_tokens=special)
    )
    tokenizer = LlamaTokenizer(**_parts(learned), add_bos_token=True, legacy=False, **named)
    tokenizer.add_special_tokens({"pad_token": "<pad>", "additional_special_tokens": ["<image>"]})
    spaced = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.backend_tokenizer.normalizer, tokenizer.backend_tokenizer.pre_tokenizer = spaced, None
    tokenizer.padding_side = "left"
    return tokenizer


def qwen_tokenizer(**named: str) -> Qwen2Tokenizer:
    """Byte-level BPE with Qwen's special tokens; an answer ends with <|im_end|>, padding is <|endoftext|>.

    `named` are special tokens that are attributes of the tokenizer.
    """
    learned = tokenizers.Tokenizer(models.BPE())
    learned.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    learned.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet)
    )
    tokenizer = Qwen2Tokenizer(
        **_parts(learned), eos_token="<|im_end|>", pad_token="<|endoftext|>", **named
    )
    tokenizer.add_special_tokens({"additional_special_tokens": QWEN_TOKENS})
    return tokenizer


def vision_config() -> CLIPVisionConfig:
    """A CLIP tower of 17 tokens."""
    return CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=TILE,
        patch_size=4,
        projection_dim=32,
        initializer_range=0.3,
    )


def text_config(kind: Callable[..., Any], tokenizer: Any, **more: Any) -> Any:
    return kind(
        vocab_size=len(tokenizer) + 3,  # as published: rows that no token uses
        hidden_size=WIDTH,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        initializer_range=0.15,
        **more,
    )


def llama_config(tokenizer: Any) -> LlamaConfig:
    """A tiny chat model of Llama's shape for this tokenizer."""
    config: LlamaConfig = text_config(LlamaConfig, tokenizer, tie_word_embeddings=True)
    return config


def _llava_like(
    folder: Path, kind: str, text: Callable[..., Any], template: str, tokenizer: Any = None
) -> Any:
    tokenizer, next_ = tokenizer or llama_tokenizer(), kind == "llava_next"
    pinpoints = [
        [TILE, 2 * TILE],
        [2 * TILE, TILE],
        [2 * TILE, 2 * TILE],
        [3 * TILE, TILE],
        [TILE, 3 * TILE],
    ]
    size = {"size": {"shortest_edge": TILE}, "crop_size": {"height": TILE, "width": TILE}}
    pictures = (
        LlavaNextImageProcessorPil(image_grid_pinpoints=pinpoints, **size)
        if next_
        else CLIPImageProcessorPil(**size)
    )
    settings = {
        "patch_size": 4,
        "vision_feature_select_strategy": "default",
        "num_additional_image_tokens": 1,
    }
    processor = (LlavaNextProcessor if next_ else LlavaProcessor)(
        pictures, tokenizer, chat_template=template, **settings
    )
    processor.save_pretrained(folder)
    config = (LlavaNextConfig if next_ else LlavaConfig)(
        vision_config=vision_config(),
        text_config=text_config(
            text, tokenizer, pad_token_id=tokenizer.pad_token_id, tie_word_embeddings=False
        ),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        tie_word_embeddings=False,
        **({"image_grid_pinpoints": pinpoints} if next_ else {}),
    )
    return (LlavaNextForConditionalGeneration if next_ else LlavaForConditionalGeneration)(config)


def _save_qwen_processor(
    folder: Path, name: str, tokenizer: Any, template: str, patch: int
) -> None:
    """As on the Hub: three files of settings, among them those of a video processor that needs torchvision."""
    size = {"shortest_edge": (2 * patch) ** 2, "longest_edge": (6 * patch) ** 2}
    pictures = Qwen2VLImageProcessorPil(
        patch_size=patch, merge_size=2, temporal_patch_size=2, size=size
    )
    settings = {**pictures.to_dict(), "image_processor_type": "Qwen2VLImageProcessorFast"}
    settings["processor_class"] = f"{name}Processor"
    videos = {
        **settings,
        "video_processor_type": f"{name.replace('2_5_', '2').replace('2_', '2')}VideoProcessor",
    }
    tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    (folder / "video_preprocessor_config.json").write_text(json.dumps(videos))
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": template}))


def _qwen_ids(tokenizer: Any) -> dict[str, int]:
    marks = ("image_pad", "video_pad", "vision_start", "vision_end")
    names = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    return {
        n: tokenizer.convert_tokens_to_ids(f"<|{m}|>") for n, m in zip(names, marks, strict=True)
    }


def _qwen(folder: Path, kind: str, tokenizer: Any = None) -> Any:
    tokenizer = tokenizer or qwen_tokenizer()
    patch = 8
    name, template, config_class, model_class = _QWEN[kind]
    _save_qwen_processor(folder, name, tokenizer, template, patch)
    vision = {"depth": 3, "num_heads": 2, "patch_size": patch, "initializer_range": 0.15}
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 2, 2]}
    more: dict[str, Any] = {}
    if kind == "qwen2_vl":
        vision |= {"embed_dim": 32, "hidden_size": WIDTH, "mlp_ratio": 2}
    else:
        vision |= {"hidden_size": 32, "intermediate_size": 64, "out_hidden_size": WIDTH}
    if kind == "qwen2_5_vl":
        vision |= {"window_size": 4 * patch, "fullatt_block_indexes": [1]}
    if kind.startswith("qwen3"):
        vision |= {"deepstack_visual_indexes": [0, 1], "num_position_embeddings": 16}
        rope["mrope_interleaved"] = True
        more["head_dim"] = 16
    if kind == "qwen3_vl_moe":
        more |= {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
    text = text_config(dict, tokenizer, rope_parameters=rope, **more)
    config = config_class(
        vision_config=vision, text_config=text, tie_word_embeddings=True, **_qwen_ids(tokenizer)
    )
    return model_class(config)


# The names of processors, the chat template, and the classes of config and model.
_QWEN: dict[str, tuple[str, str, Any, Any]] = {
    "qwen2_vl": ("Qwen2_VL", SYSTEM + CHATML, Qwen2VLConfig, Qwen2VLForConditionalGeneration),
    "qwen2_5_vl": (
        "Qwen2_5_VL",
        SYSTEM + CHATML,
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
    ),
    "qwen3_vl": ("Qwen3VL", CHATML, Qwen3VLConfig, Qwen3VLForConditionalGeneration),
    "qwen3_vl_moe": ("Qwen3VL", CHATML, Qwen3VLMoeConfig, Qwen3VLMoeForConditionalGeneration),
}
FAMILIES: dict[str, Callable[[Path], Any]] = {
    "llava": lambda folder: _llava_like(folder, "llava", LlamaConfig, VICUNA),
    "llava_next": lambda folder: _llava_like(folder, "llava_next", LlamaConfig, VICUNA),
    "llava_next_mistral": lambda folder: _llava_like(folder, "llava_next", MistralConfig, MISTRAL),
    "qwen2_vl": lambda folder: _qwen(folder, "qwen2_vl"),
    "qwen2_5_vl": lambda folder: _qwen(folder, "qwen2_5_vl"),
    "qwen3_vl": lambda folder: _qwen(folder, "qwen3_vl"),
    "qwen3_vl_moe": lambda folder: _qwen(folder, "qwen3_vl_moe"),
}


# Built on what stands here, each in `support.families_more`.
MORE = (
    "llava_onevision",
    "internvl",
    "gemma3",
    "mllama",
    "idefics3",
    "smolvlm",
    "pixtral",
    "mistral3",
    "paligemma",
    "paligemma2",
)
ALL_FAMILIES = (*FAMILIES, *MORE)


def save_family(name: str, folder: Path) -> Path:
    """A folder with config, safetensors, tokenizer and processor of a tiny model of the family."""
    torch.manual_seed(0)
    if name in FAMILIES:
        model = FAMILIES[name](folder)
    else:
        from support import families_more

        model = getattr(families_more, name)(folder)
    return _save(model, folder)


def save_llava_next_with(tokenizer: Any, folder: Path) -> Path:
    """A tiny LLaVA-NeXT with Vicuna's way of writing a conversation and this vocabulary."""
    torch.manual_seed(0)
    return _save(_llava_like(folder, "llava_next", LlamaConfig, VICUNA, tokenizer), folder)


def save_qwen3_with(tokenizer: Any, folder: Path) -> Path:
    """A tiny Qwen3-VL with this vocabulary."""
    torch.manual_seed(0)
    return _save(_qwen(folder, "qwen3_vl", tokenizer), folder)


def _save(model: Any, folder: Path) -> Path:
    known = AutoTokenizer.from_pretrained(folder)
    ends = [known.eos_token]
    if "<|endoftext|>" in known.get_vocab():
        ends.append("<|endoftext|>")
    model.generation_config.update(eos_token_id=known.convert_tokens_to_ids(ends))
    model.to(torch.float32).save_pretrained(folder)
    return folder
