"""A model whose template or tokens cannot ask and answer rightly is refused in one line, at load and in the plan."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError
from mlubench.models.examination import problems, require_trainable
from mlubench.models.mllm import MLLM
from mlubench.models.sizes import folder_shape
from support.damaged_models import with_file

TEMPLATE = "chat_template.jinja"
USER = "{% for m in messages %}{% if m.role == 'user' %}USER: "
PARTS = "{% for c in m.content %}{% if c.type == 'image' %}<image>\n{% else %}{{ c.text }}{% endif %}{% endfor %} "
ANSWERED = "{% else %}ASSISTANT: {% for c in m.content %}{{ c.text }}{% endfor %}</s>{% endif %}{% endfor %}"
ASKED = "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
TEXT_OF_PARTS = (
    "{% for c in m.content %}{% if c.type == 'text' %}{{ c.text }}{% endif %}{% endfor %} "
)
WRONG = {
    "one text": (
        "{% for m in messages %}{{ 'USER: ' + m.content + ' ASSISTANT:' }}{% endfor %}",
        "fails at a question about a picture: it takes a turn as one text",
    ),
    "parts written as Python writes them": (
        "{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}" + ASKED,
        "takes a turn as one text, not as picture and text in a question about a picture",
    ),
    "no place for the picture": (
        USER + TEXT_OF_PARTS + ANSWERED + ASKED,
        "has 0 places for the picture, not 1, in a question about a picture",
    ),
    "two places for the picture": (
        "<image>" + USER + PARTS + ANSWERED + ASKED,
        "has 2 places for the picture, not 1, in a question about a picture",
    ),
    "always a place for a picture": (
        "<image>" + USER + TEXT_OF_PARTS + ANSWERED + ASKED,
        "has a place for a picture in a question in words alone",
    ),
    "raises": (
        "{{ raise_exception('no images') }}",
        "fails at a question about a picture: no images",
    ),
    "divides by zero": ("{{ 1 / 0 }}", "fails at a question about a picture: division by zero"),
    "asks for what is not there": ("{{ messages[7].content[0].text }}", "fails at a question"),
    "is no template": ("{% for m in messages %}", "fails at a question about a picture"),
    "asks for roles in capitals": (
        "{% for m in messages %}{% if m.role == 'USER' %}{{ m.content[0].text }}{% endif %}{% endfor %}",
        "loses the question",
    ),
    "no generation prompt": (
        USER + PARTS + ANSWERED,
        "has no generation prompt: 'ASSISTANT:' would be learned",
    ),
    "half a generation prompt": (
        USER + PARTS + ANSWERED + "{% if add_generation_prompt %}ASS{% endif %}",
        "has no generation prompt: 'ISTANT:' would be learned",
    ),
    "another generation prompt": (
        USER + PARTS + ANSWERED + "{% if add_generation_prompt %}GPT:{% endif %}",
        "writes another prompt before an answer than for a question",
    ),
    "no answers": (
        USER + PARTS + "{% else %}ASSISTANT: {% endif %}{% endfor %}" + ASKED,
        "loses the answer",
    ),
}


def refused(folder: Path) -> str:
    """What the load says, and the plan too, which knows the model by its shape alone."""
    with pytest.raises(MlubenchError) as error:
        MLLM.load(folder, device="cpu")
    found = problems(str(folder), folder, folder_shape(folder, "auto").mllm.base)
    assert [str(problem) for problem in found] == [str(error.value)]
    assert "\n" not in str(error.value)
    return str(error.value)


def changed(base: Path, out: Path, name: str, **settings: object) -> Path:
    """A copy in which some settings of a JSON file are others; None takes one away."""
    facts = json.loads((base / name).read_text())
    for key, value in settings.items():
        facts.pop(key, None)
        if value is not None:
            facts[key] = value
    return with_file(base, out, name, json.dumps(facts))


@pytest.mark.parametrize("name", WRONG)
def test_a_template_that_cannot_ask_is_refused(base_path: Path, tmp_path: Path, name: str) -> None:
    template, said = WRONG[name]
    message = refused(with_file(base_path, tmp_path / "odd", TEMPLATE, template))
    assert said in message
    assert "chat_template.jinja" in message


@pytest.mark.parametrize("content", [None, ""])
def test_a_model_without_a_template_is_refused(
    base_path: Path, tmp_path: Path, content: str | None
) -> None:
    message = refused(with_file(base_path, tmp_path / "none", TEMPLATE, content))
    assert "has no chat template. Put the published one into its folder" in message


def test_whole_models_have_no_problems(
    base_path: Path, family_folder: Callable[[str], Path]
) -> None:
    """Among them a template without a generation prompt that needs none, and one with a system turn."""
    names = ("llava", "llava_next", "llava_next_mistral", "qwen2_5_vl", "qwen3_vl")
    for folder in (base_path, *map(family_folder, names)):
        assert problems(str(folder), folder, folder_shape(folder, "auto").mllm.base) == []


def test_a_model_that_thinks_can_be_asked(base_path: Path, tmp_path: Path) -> None:
    """Its answers begin behind a thought, with which its template closes or which it leaves out."""
    thinking = "{% if add_generation_prompt %}ASSISTANT: <think>\n{% endif %}"
    closed = ANSWERED.replace("ASSISTANT: ", "ASSISTANT: <think>\n\n</think>\n\n")
    whole = with_file(base_path, tmp_path / "closed", TEMPLATE, USER + PARTS + closed + thinking)
    assert problems(str(whole), whole, folder_shape(whole, "auto").mllm.base) == []
    mllm = MLLM.load(whole, device="cpu")
    require_trainable(whole, mllm.processor, mllm.base)

    left_out = USER + PARTS + ANSWERED + thinking
    folder = with_file(base_path, tmp_path / "left-out", TEMPLATE, left_out)
    mllm = MLLM.load(folder, device="cpu")
    with pytest.raises(MlubenchError, match="cannot be trained: the chat template changes"):
        require_trainable(folder, mllm.processor, mllm.base)
    found = problems(str(folder), folder, folder_shape(folder, "auto").mllm.base)
    assert len(found) == 1
    assert "cannot be trained" in str(found[0])


def test_missing_tokens_are_named(base_path: Path, tmp_path: Path) -> None:
    config = "tokenizer_config.json"
    without_padding = changed(base_path, tmp_path / "pad", config, pad_token=None)
    assert "has no padding token" in refused(without_padding)
    without_end = changed(base_path, tmp_path / "eos", config, eos_token=None)
    # The model's own settings name one too.
    MLLM.load(without_end, device="cpu")
    generation = json.loads((without_end / "generation_config.json").read_text())
    del generation["eos_token_id"]
    (without_end / "generation_config.json").write_text(json.dumps(generation))
    assert "has no token that ends an answer (eos_token)" in refused(without_end)


def test_a_tokenizer_of_another_model_is_refused(
    base_path: Path, family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    other = changed(base_path, tmp_path / "other", "config.json", image_token_index=7)
    assert "the picture's token '<image>'" in refused(other)
    larger = family_folder("llava")
    folder = tmp_path / "small"
    shutil.copytree(base_path, folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    last = max(tokenizer["model"]["vocab"].values())
    tokenizer["model"]["vocab"]["never-heard-of"] = last + 1
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    message = refused(folder)
    assert f"has tokens up to {last + 1:,}, and the model knows {last + 1:,}" in message
    assert problems(str(larger), larger, folder_shape(larger, "auto").mllm.base) == []


def test_a_processor_without_its_settings_is_refused(base_path: Path, tmp_path: Path) -> None:
    name = "processor_config.json"
    assert "takes" not in refused(with_file(base_path, tmp_path / "none", name, None))
    patchless = changed(base_path, tmp_path / "patchless", name, patch_size=None)
    assert "cannot take a picture" in refused(patchless)
