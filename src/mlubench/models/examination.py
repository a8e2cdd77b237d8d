"""What a model is asked and answered with, tried once before it is used: tokens, chat template, picture."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import TemplateError
from PIL import Image

from mlubench.core.errors import MlubenchError, first_line
from mlubench.models.chat_template import (
    adds_special_tokens,
    answer_ends,
    answer_tokens,
    prompt_text,
    render,
)
from mlubench.models.processors import load_processor
from mlubench.models.quantised import require_readable, require_trainable_weights
from mlubench.models.weights import loading_errors, require_finite_files, require_whole_folder

if TYPE_CHECKING:
    from transformers import PreTrainedModel, ProcessorMixin

# Plain words that no template changes.
QUESTION = "What does this probe show?"
ANSWER = "It shows nothing"
PICTURE_SIDE = 64  # pixels; no family's smallest picture is larger
# What a template raises, which is a program of its own.
TEMPLATE_ERRORS = (
    TemplateError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
)
_OTHER_TEMPLATE = "Give another one, as chat_template.jinja in the model's folder."
_OTHER_TOKENIZER = "Set it in its tokenizer_config.json."
# A model that thinks is asked with an open thought, which templates leave out of an answer that is given.
_OPEN_THOUGHT = re.compile(r"<think>\s*$")
_THOUGHT_MARKS = re.compile(r"</?think>")


def problems(path: str, folder: Path, model: "PreTrainedModel") -> list[MlubenchError]:
    """What is wrong with a folder whose model is known by its shape alone.

    Whether all weights are numbers is left to the load where they are many: see `require_finite_files`.
    """
    found = []
    try:
        require_readable(path, model.config)
        require_whole_folder(folder, model)
        require_finite_files(folder)
    except MlubenchError as error:
        found.append(error)
    try:
        with loading_errors(path):
            processor = load_processor(folder)
            if (folder / "generation_config.json").is_file():
                model.generation_config = type(model.generation_config).from_pretrained(folder)
        require_conversation(path, processor, model)
        require_trainable(path, processor, model)
    except MlubenchError as error:
        found.append(error)
    return found


def require_conversation(
    path: str | Path, processor: "ProcessorMixin", model: "PreTrainedModel"
) -> None:
    """Raises MlubenchError, in one line, for a model that cannot be asked or answered rightly.

    One question is rendered and read again, with and without a picture, and with an answer behind it.
    """
    _require_tokens(path, processor, model)
    if not processor.chat_template:
        raise MlubenchError(
            f"model {path} has no chat template",
            "Put the published one into its folder, as chat_template.jinja.",
        )
    for with_image in (True, False):
        prompt = _rendered(path, processor, None, with_image)
        _require_prompt(path, processor, prompt, with_image)
        whole = _rendered(path, processor, ANSWER, with_image)
        _require_answer(path, prompt, whole)
    _require_picture(path, processor, model)


def require_trainable(
    path: str | Path, processor: "ProcessorMixin", model: "PreTrainedModel"
) -> None:
    """Raises MlubenchError for a model that can be asked, but whose template or tokenizer knows no answer to learn.

    So it does for one whose weights are saved in a form that nothing is trained on.
    """
    require_trainable_weights(path, model.config)
    ends = answer_ends(processor.tokenizer, model)
    for with_image in (True, False):
        try:
            answer_tokens(processor, ends, QUESTION, ANSWER, with_image)
        except MlubenchError as error:
            raise MlubenchError(
                f"model {path} cannot be trained: {error.what}", error.hint
            ) from None


def _require_tokens(
    path: str | Path, processor: "ProcessorMixin", model: "PreTrainedModel"
) -> None:
    for part in ("image_processor", "tokenizer"):
        if getattr(processor, part, None) is None:
            raise MlubenchError(
                f"model {path} has no {part.replace('_', ' ')}",
                "Copy processor_config.json and the tokenizer's files of the published model into its folder.",
            )
    tokenizer = processor.tokenizer
    if tokenizer.pad_token_id is None:
        raise MlubenchError(f"model {path} has no padding token", _OTHER_TOKENIZER)
    if not answer_ends(tokenizer, model):
        raise MlubenchError(
            f"model {path} has no token that ends an answer (eos_token)", _OTHER_TOKENIZER
        )
    rows = model.get_input_embeddings().weight.shape[0]
    highest = max(tokenizer.get_vocab().values(), default=0)
    if highest >= rows:
        raise MlubenchError(
            f"the tokenizer of model {path} has tokens up to {highest:,}, and the model knows {rows:,}",
            "Put the tokenizer and the weights of one model together.",
        )
    marker = processor.image_token
    got = tokenizer.convert_tokens_to_ids(marker)
    wanted = model.config.image_token_id
    # Gemma's picture is marked by one token, and stands there as many others.
    if wanted not in (got, *processor.image_token_ids):
        raise MlubenchError(
            f"the picture's token {marker!r} of model {path} is number {got} in its tokenizer, {wanted} in config.json",
            "Put the tokenizer and the config.json of one model together.",
        )


def _kind(with_image: bool) -> str:
    return "a question about a picture" if with_image else "a question in words alone"


def _rendered(
    path: str | Path, processor: "ProcessorMixin", answer: str | None, with_image: bool
) -> str:
    try:
        if answer is None:
            return prompt_text(processor, QUESTION, with_image=with_image)
        return render(processor, QUESTION, answer, (0,) if with_image else (), ())
    except TEMPLATE_ERRORS as error:
        reason = first_line(error)
        if _takes_texts_only(processor):
            reason = f"it takes a turn as one text, not as picture and text ({reason})"
        raise MlubenchError(
            f"the chat template of model {path} fails at {_kind(with_image)}: {reason}",
            _OTHER_TEMPLATE,
        ) from error


def _takes_texts_only(processor: "ProcessorMixin") -> bool:
    """Whether the template can render a turn that is one text, as those of language models do."""
    turns = [{"role": "user", "content": QUESTION}]
    try:
        return QUESTION in processor.apply_chat_template(turns, tokenize=False)
    except TEMPLATE_ERRORS:
        return False


def _require_prompt(
    path: str | Path, processor: "ProcessorMixin", prompt: str, with_image: bool
) -> None:
    wrong = None
    markers = prompt.count(processor.image_token)
    if QUESTION not in prompt:
        wrong = "loses the question"
    # What Python writes of the parts of a turn, where a template puts them into the prompt as they are.
    elif "'type':" in prompt:
        wrong = "takes a turn as one text, not as picture and text"
    elif with_image and markers != 1:
        wrong = f"has {markers} places for the picture, not 1,"
    elif not with_image and markers:
        wrong = "has a place for a picture"
    if wrong is not None:
        raise MlubenchError(
            f"the chat template of model {path} {wrong} in {_kind(with_image)}", _OTHER_TEMPLATE
        )


def _require_answer(path: str | Path, prompt: str, whole: str) -> None:
    asked = _OPEN_THOUGHT.sub("", prompt)
    if not whole.startswith(asked):
        raise MlubenchError(
            f"the chat template of model {path} writes another prompt before an answer than for a question",
            _OTHER_TEMPLATE,
        )
    before, found, _ = whole.removeprefix(asked).partition(ANSWER)
    if not found:
        raise MlubenchError(f"the chat template of model {path} loses the answer", _OTHER_TEMPLATE)
    header = _THOUGHT_MARKS.sub("", before).strip()
    if header:
        raise MlubenchError(
            f"the chat template of model {path} has no generation prompt: {header!r} would be learned "
            "as the beginning of every answer",
            "Give one that writes it where add_generation_prompt is set, as chat_template.jinja in the model's folder.",
        )


def _require_picture(
    path: str | Path, processor: "ProcessorMixin", model: "PreTrainedModel"
) -> None:
    """One blank picture goes through the processor, which must make tokens of it."""
    prompt = prompt_text(processor, QUESTION, with_image=True)
    picture = Image.new("RGB", (PICTURE_SIDE, PICTURE_SIDE))
    try:
        batch = processor(
            text=[prompt],
            images=[[picture]],
            add_special_tokens=adds_special_tokens(processor.tokenizer, prompt),
            return_tensors="pt",
        )
    # What is wrong in the settings of a processor shows in many ways.
    except Exception as error:
        raise MlubenchError(
            f"the processor of model {path} cannot take a picture: {first_line(error)}",
            "Copy the published model's processor_config.json into its folder.",
        ) from error
    if not bool((batch["input_ids"] == model.config.image_token_id).any()):
        raise MlubenchError(
            f"the processor of model {path} makes no tokens of a picture",
            "Copy the published model's processor_config.json into its folder.",
        )
