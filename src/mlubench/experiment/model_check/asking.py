"""Steps that ask the model: each returns what it saw, or raises what is wrong."""

from itertools import takewhile

import torch
from PIL import Image
from torch import Tensor

from mlubench.core.errors import MlubenchError
from mlubench.experiment.model_check.subject import ANSWERS, QUESTIONS, Subject, distance
from mlubench.models.answers import (
    IGNORE,
    answer_labels,
    answer_logits,
    answer_token_type,
    append_answers,
)
from mlubench.models.encoders import tower_encoder
from mlubench.models.families import PARTS
from mlubench.models.mllm import MLLM
from mlubench.models.picture_tokens import enters_as_tokens
from mlubench.models.query import Query

NEW_TOKENS = 8


def parts(subject: Subject) -> str:
    """Where the three parts are, and how large each is."""
    mllm = subject.mllm
    counts = dict.fromkeys(PARTS, 0)
    for name, parameter in mllm.base.named_parameters():
        part = mllm.parts.part_of(name)
        if part is not None:
            counts[part] += parameter.numel()
    for part, count in counts.items():
        if not count:
            raise MlubenchError(f"the {part} part has no parameters")
    described = [
        f"{part} {', '.join(mllm.parts.modules_of([part]))} ({counts[part]:,})" for part in PARTS
    ]
    return "; ".join(described)


def prompt(subject: Subject) -> str:
    """The template's prompt with its picture, and the answer with its end."""
    mllm = subject.mllm
    query = subject.queries[0]
    ids = mllm.encode([query])["input_ids"][0]
    places = int((ids == mllm.base.config.image_token_id).sum())
    answer = mllm.answer_ids(query.question, ANSWERS[0])
    text = mllm.tokenizer.decode(answer, skip_special_tokens=True).strip()
    if text != ANSWERS[0]:
        raise MlubenchError(f"the answer {ANSWERS[0]!r} is read as {text!r} from its tokens")
    end = mllm.tokenizer.convert_ids_to_tokens(answer[-1])
    if end not in mllm.ends:
        raise MlubenchError(f"an answer ends with {end!r}, at which the model does not stop")
    kind = "tokens of the picture" if enters_as_tokens(mllm.base) else "place, looked at in layers"
    return f"{len(ids)} tokens, {places} {kind}; an answer ends with {end}"


def words_alone(subject: Subject) -> str:
    """A question without a picture."""
    queries = [Query(None, question) for question in QUESTIONS]
    subject.mllm.generate(queries, max_new_tokens=2)
    return "questions without a picture are answered"


def features(subject: Subject) -> str:
    """What gates see of pictures: told apart, and the same whatever stands beside them."""
    mllm = subject.mllm
    paths = [query.image for query in subject.queries if query.image is not None]
    tokens = mllm.picture_features(paths)
    _require_apart(subject, tokens, mllm.picture_features(paths, batch=1))
    # The gates `metric` and `hybrid` look at the tower's layers, where a family shows them.
    encoder = tower_encoder(mllm)
    pictures = [mllm.picture(path) for path in paths]
    layers = encoder(pictures)
    _require_apart(subject, layers, torch.cat([encoder([picture]) for picture in pictures]))
    nearest = float(torch.pdist(tokens).min())
    return (
        f"{tokens.shape[1]} numbers a picture, and {layers.shape[1]} for gates that look deeper; "
        f"the two nearest are {nearest:.2f} apart"
    )


def _require_apart(subject: Subject, together: Tensor, alone: Tensor) -> None:
    """Raises MlubenchError for features (N, D) that differ in a batch, or that two pictures share."""
    if together.shape != alone.shape:
        raise MlubenchError(
            f"{len(alone)} pictures have {len(together)} rows of features when they are seen together"
        )
    # Written so that what is no number fails too.
    if not float((together - alone).abs().max()) <= subject.tolerance:
        raise MlubenchError("features of a picture depend on the pictures beside it")
    if not float(torch.pdist(alone).min()) > subject.tolerance:
        raise MlubenchError("different pictures have the same features")


def seen(subject: Subject) -> str:
    """Of two prompts that differ in the pixels alone, the answer's logits must differ."""
    square = subject.queries[2]
    assert square.image is not None
    turned = square.image.with_name("turned.png")
    with Image.open(square.image) as picture:
        picture.rotate(180).save(turned)
    first, again, other = (
        subject.answer_rows([(Query(path, square.question), ANSWERS[2])])[0]
        for path in (square.image, square.image, turned)
    )
    found = distance(first, other)
    if not found > distance(first, again):
        raise MlubenchError("the loss is the same whatever the picture shows")
    return f"another picture moves an answer's logits by {found:.2g} standard deviations"


def batches(subject: Subject) -> str:
    """Logits of answers in a batch, against those of each alone."""
    asked = list(zip(subject.queries, ANSWERS, strict=True))
    worst = 0.0
    for pair, row in zip(asked, subject.answer_rows(asked), strict=True):
        alone = subject.answer_rows([pair])[0]
        found = subject.require_equal(row, alone, "a batch changes an answer's logits")
        worst = max(worst, found)
    return f"equal alone and in a batch, to {worst:.0e} standard deviations"


def generation(subject: Subject) -> str:
    """Texts that are generated in a batch, against those of each alone."""
    mllm = subject.mllm
    together = mllm.generate(subject.queries, max_new_tokens=NEW_TOKENS)
    alone = [mllm.generate([query], max_new_tokens=NEW_TOKENS)[0] for query in subject.queries]
    same = sum(one == other for one, other in zip(together, alone, strict=True))
    if same == len(alone):
        return f"{same} answers are the same alone and in a batch"
    # Rounding may decide between two tokens that are nearly alike.
    if subject.rounds:
        return f"{same} of {len(alone)} answers are the same alone and in a batch: the base rounds"
    raise MlubenchError(
        f"{len(alone) - same} of {len(alone)} answers are others in a batch than alone"
    )


def taught(subject: Subject) -> str:
    """Logits of what is generated, token after token, against those of a training pass over the same answers."""
    mllm = subject.mllm
    prompt = mllm.encode(subject.queries)
    width = prompt["input_ids"].shape[1]
    pad = mllm.tokenizer.pad_token_id
    with mllm.no_gradients():
        made = mllm.model.generate(
            **prompt,
            max_new_tokens=NEW_TOKENS,
            do_sample=False,
            num_beams=1,
            # Each answer to its full length.
            eos_token_id=None,
            pad_token_id=pad,
            return_dict_in_generate=True,
            output_logits=True,
        )
        said = [_before_pictures(mllm, row) for row in made.sequences[:, width:].tolist()]
        labels = answer_labels(said, mllm.device)  # (B, A)
        token_type = answer_token_type(mllm.base)
        inputs = append_answers(prompt, labels, pad, token_type=token_type)
        trained, _ = answer_logits(mllm.model, {**inputs, "labels": labels})  # (B, A, V)
    generated = torch.stack(made.logits, 1)[:, : labels.shape[1]]  # (B, A, V)
    is_said = labels != IGNORE
    found = subject.require_equal(
        generated[is_said].float(),
        trained[is_said].float(),
        "training sees an answer's tokens otherwise than generation does,",
    )
    return f"{int(is_said.sum())} generated tokens; equal to {found:.0e} standard deviations"


def _before_pictures(mllm: MLLM, ids: list[int]) -> list[int]:
    """The tokens up to the first that stands for a picture or a film, as a model without training may say one."""
    config = mllm.base.config
    markers = {config.image_token_id, getattr(config, "video_token_id", None)}
    return list(takewhile(lambda token: token not in markers, ids))
