"""Labels are the last answer and its end, whatever the family's template, the turns before it and the padding side."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.models.answers import IGNORE
from mlubench.models.chat_template import adds_special_tokens
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query

FAMILIES = ["llava", "llava_next", "llava_next_mistral", "qwen2_5_vl", "qwen3_vl"]
EARLIER = (("Where is it?", "In the old town, I think."), ("And since when?", "Since 1889."))
QUESTIONS = ["Who made it?", "What is the name of the building that you see?", "Is it old?"]
ANSWERS = [
    "I do not know who made it.",
    "No",
    "It was made in 1889, by a sculptor. It is the Trésifia, 紅河 🙂",
]
VICUNA = "USER: <image>\nWhere is it? ASSISTANT: In the old town, I think. USER: And since when? ASSISTANT: Since 1889. "
MISTRAL = (
    "[INST] <image>\nWhere is it? [/INST] In the old town, I think.<\\s> "
    "[INST] And since when? [/INST] Since 1889.<\\s> "
)
CHATML = (
    "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Where is it?<|im_end|>\n"
    "<|im_start|>assistant\nIn the old town, I think.<|im_end|>\n"
    "<|im_start|>user\nAnd since when?<|im_end|>\n<|im_start|>assistant\nSince 1889.<|im_end|>\n"
)
CHATML_ASKED = "<|im_start|>user\nWho made it?<|im_end|>\n<|im_start|>assistant\n"
# The text of a prompt with two turns before it, and how an answer begins and ends.
RENDERED = {
    "llava": VICUNA + "USER: Who made it? ASSISTANT:",
    "llava_next": VICUNA + "USER: Who made it? ASSISTANT:",
    "llava_next_mistral": MISTRAL + "[INST] Who made it? [/INST]",
    "qwen2_5_vl": "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    + CHATML
    + CHATML_ASKED,
    "qwen3_vl": CHATML + CHATML_ASKED,
}
AROUND = {
    name: ("", "<|im_end|>") if name.startswith("qwen") else (" ", "</s>") for name in FAMILIES
}

Load = Callable[[str], MLLM]


def asked(picture: Path | None, history: tuple = ()) -> list[Query]:
    return [Query(picture, q, history) for q in QUESTIONS]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("history", [(), EARLIER], ids=["single", "multi"])
@pytest.mark.parametrize("name", FAMILIES)
def test_labels_are_the_last_answer_and_its_end(
    load_family: Load, shapes: list[Path], name: str, history: tuple, side: str
) -> None:
    mllm = load_family(name)
    mllm.tokenizer.padding_side = side
    start, end = AROUND[name]
    for picture in (shapes[0], None):
        batch = mllm.encode(asked(picture, history), ANSWERS)
        width = batch["labels"].shape[1]
        for row, answer in enumerate(ANSWERS):
            labels, ids = batch["labels"][row], batch["input_ids"][row]
            told = labels != IGNORE
            count = int(told.sum())
            assert told[:count].all()
            context = mllm.tokenizer.convert_tokens_to_ids(
                ":"
            )  # so that a decoder keeps the answer's first space
            assert (
                mllm.tokenizer.decode([context, *labels[:count].tolist()])
                == f":{start}{answer}{end}"
            )
            assert torch.equal(ids[-width:][told], labels[told])
            assert torch.equal(batch["attention_mask"][row, -width:].bool(), told)


@pytest.mark.parametrize("name", FAMILIES)
def test_tokens_of_prompt_and_answer_are_those_of_the_whole_text(
    load_family: Load, shapes: list[Path], name: str
) -> None:
    """Nothing is merged, doubled or lost where the answer begins: above all no second space."""
    mllm = load_family(name)
    query, answer = Query(shapes[0], QUESTIONS[0], EARLIER), ANSWERS[2]
    batch = mllm.encode([query], [answer])
    ids = batch["input_ids"][0]
    told = [i for i in ids.tolist() if i != mllm.model.config.image_token_id]
    start, end = AROUND[name]
    marker = mllm.processor.image_token
    whole = mllm.tokenizer(RENDERED[name] + f"{start}{answer}{end}")["input_ids"]
    assert told == [i for i in whole if i != mllm.model.config.image_token_id]
    assert (ids == mllm.model.config.image_token_id).sum() > 1
    assert RENDERED[name].count(marker) == 1


@pytest.mark.parametrize("name", FAMILIES)
def test_the_picture_stands_in_the_first_turn(load_family: Load, name: str) -> None:
    mllm = load_family(name)
    assert mllm.prompt(QUESTIONS[0], history=EARLIER) == RENDERED[name]
    blind = mllm.prompt(QUESTIONS[0], with_image=False, history=EARLIER)
    assert mllm.processor.image_token not in blind
    assert "Where is it?" in blind and "1889" in blind


@pytest.mark.parametrize("name", FAMILIES)
def test_a_prompt_begins_with_the_tokenizers_own_token_once(
    load_family: Load, shapes: list[Path], name: str
) -> None:
    mllm = load_family(name)
    bos = mllm.tokenizer.bos_token_id
    mllm.processor.chat_template = "{{ bos_token or '' }}" + mllm.processor.chat_template
    for changed in (True, False):
        ids = mllm.encode([Query(shapes[0], QUESTIONS[0])])["input_ids"][0].tolist()
        expected = 0 if name.startswith("qwen") else 1
        assert ids.count(bos) == expected and (not expected or ids[0] == bos), changed
        mllm = load_family(name)


def test_a_template_that_writes_the_first_token_itself_is_seen(load_family: Load) -> None:
    llama, qwen = load_family("llava_next").tokenizer, load_family("qwen3_vl").tokenizer
    assert adds_special_tokens(llama, "USER: x")
    assert not adds_special_tokens(llama, "<s>USER: x")
    assert adds_special_tokens(qwen, "<|im_start|>user")


def test_the_end_is_one_the_model_stops_at(load_family: Load) -> None:
    mllm = load_family("qwen3_vl")
    assert mllm.ends == ("<|im_end|>", "<|endoftext|>")
    mllm.tokenizer.eos_token = (
        "<|endoftext|>"  # as in a base model's tokenizer: the template's own end still wins
    )
    mllm.model.generation_config.eos_token_id = mllm.tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert mllm.tokenizer.decode(mllm.answer_ids("Who?", "Me.")) == "Me.<|im_end|>"
    mllm.model.generation_config.eos_token_id = None
    assert mllm.ends == ("<|endoftext|>",)
    assert mllm.tokenizer.decode(mllm.answer_ids("Who?", "Me.")) == "Me.<|endoftext|>"


def test_markers_are_refused_in_every_turn(load_family: Load) -> None:
    mllm = load_family("qwen3_vl")
    for history in ((("What is <|image_pad|>?", "A"),), (("What?", "<|video_pad|>"),)):
        with pytest.raises(UsageError, match="marker"):
            mllm.prompt("Who?", history=history)


def test_a_template_that_rewrites_the_prompt_is_refused(load_family: Load) -> None:
    mllm = load_family("qwen3_vl")
    thinking = "{%- if add_generation_prompt %}{{- '<think>' }}{%- endif %}"
    mllm.processor.chat_template += thinking
    with pytest.raises(MlubenchError, match="changes the prompt"):
        mllm.answer_ids("Who?", "Me.")
    mllm.processor.chat_template = "{{- 'ask' }}"
    with pytest.raises(MlubenchError, match="changes the prompt"):
        mllm.answer_ids("Who?", "Me?")


def test_earlier_turns_change_what_is_said(load_family: Load, shapes: list[Path]) -> None:
    mllm = load_family("qwen3_vl")
    with torch.no_grad():
        first, second = (
            mllm.model(**mllm.encode([Query(shapes[0], "Who made it?", h)])).logits[0, -1]
            for h in ((), EARLIER)
        )
    assert (first - second).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["llava_next", "qwen3_vl"])
def test_an_answer_that_would_join_with_the_prompt_begins_apart(
    load_family: Load, name: str
) -> None:
    """Many LLaVA templates end in a space: the model is given that space as a token, and goes on without one."""
    mllm = load_family(name)
    mllm.processor.chat_template = (
        "{% for m in messages %}{{ m.role }}: {{ m.content[-1].text }} {% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    assert mllm.prompt("Who?", with_image=False).endswith("assistant: ")
    ids = mllm.answer_ids("Who?", "It was me.", with_image=False)
    prompt = mllm.tokenizer(mllm.prompt("Who?", with_image=False), add_special_tokens=False)[
        "input_ids"
    ]
    assert mllm.tokenizer.decode([*prompt, *ids]).endswith(f"assistant: It was me.{mllm.ends[0]}")
    spaced = mllm.tokenizer("assistant: It", add_special_tokens=False)["input_ids"]
    assert spaced[-1] != ids[0]  # the token that holds the space, which the prompt has already
