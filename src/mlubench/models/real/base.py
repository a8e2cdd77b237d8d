"""A small real LLaVA that knows a benchmark: pretrained parts, taught by its pictures, kept as a Hugging Face folder.

Pictures that test are new to it: it learns from views of those whose role is `fit`.
"""

from collections.abc import Callable
from pathlib import Path

import peft
import torch
import transformers
from safetensors import SafetensorError

from mlubench.core.cache import cache_root, made_once
from mlubench.core.errors import UsageError
from mlubench.core.files import (
    digest,
    disk_errors,
    file_sha256,
    require_made,
    whole_dir,
    write_json,
)
from mlubench.core.progress import progress_bar
from mlubench.core.reading import read_json
from mlubench.data.real.entities import shipped
from mlubench.data.real.views import VARIED_VERSION
from mlubench.data.refusals import REFUSALS
from mlubench.models.devices import pick_device
from mlubench.models.families import parts_of
from mlubench.models.mllm import MLLM
from mlubench.models.real.alignment import STEPS, align_projector
from mlubench.models.real.assembly import LANGUAGE, VISION, assembled, hash_of_part
from mlubench.models.real.chat import LONGEST_ANSWER, answers_in_words
from mlubench.models.real.chat import lessons as chat_lessons
from mlubench.models.real.lessons import Lessons, Turn
from mlubench.models.real.teaching import teach, tower_features
from mlubench.settings.model import RealConfig
from mlubench.types import Benchmark

# Raised whenever the code of this folder would make another model from the same settings.
RECIPE = 4


def real_base(
    config: RealConfig,
    benchmark: Benchmark,
    *,
    device: str = "auto",
    progress: bool = True,
    cached_only: bool = False,
) -> Path:
    """The folder of the real LLaVA that knows `benchmark`, taught now unless the cache has it or `cached_only` is set.

    Its name is the hash of all that made it. A teaching that was interrupted leaves nothing and begins again.
    Raises MlubenchError where the pretrained parts have not been fetched.
    """
    _require_pictures(benchmark)
    fit = benchmark.pictures(s for s in benchmark.samples if s.role == "fit")
    made_of = {
        "real": config.model_dump(mode="json"),
        "parts": [hash_of_part(config.vision, VISION), hash_of_part(config.language, LANGUAGE)],
        "benchmark": benchmark.digest,
        "pictures": [file_sha256(path) for path in fit],
        "background": digest(shipped("pictures/ATTRIBUTION.csv").decode()),
        "views": VARIED_VERSION,
        "chat": chat_lessons(),
        "refusals": REFUSALS,
        "recipe": RECIPE,
        "versions": [torch.__version__, transformers.__version__, peft.__version__],
    }
    folder = cache_root() / "models" / f"real-{digest(made_of)}"

    def make() -> None:
        with whole_dir(folder, {"made_of": made_of}) as out:
            _make(config, benchmark, out, device=device, progress=progress)

    if not cached_only:
        made_once(folder, make)
    require_made(folder)
    return folder


def _make(
    config: RealConfig, benchmark: Benchmark, out: Path, *, device: str, progress: bool
) -> None:
    """Put the parts together, teach them, and save the model with its processor."""
    target = pick_device(device)
    model, processor = assembled(config.vision, config.language, seed=config.seed)
    model = model.to(target)
    with progress_bar(disable=not progress) as bar:
        untouched = MLLM(model, processor, parts_of(model))
        questions = chat_lessons()
        listening = bar.add_task("real LLaVA: hearing its language", total=len(questions))
        answers = _heard(config, untouched, questions, lambda done: bar.advance(listening, done))
        chat = list(map(Turn, questions, answers))
        lessons = Lessons(config, benchmark, chat)
        looking = bar.add_task("real LLaVA: looking", total=len(lessons.pictures))
        features = tower_features(
            model, processor, lessons.pictures, lambda done: bar.advance(looking, done)
        )
        aligning = bar.add_task("real LLaVA: naming", total=STEPS)
        align_projector(
            model,
            processor.tokenizer,
            lessons.named_pictures(),
            features,
            config.seed,
            lambda: bar.advance(aligning),
        )
        learning = bar.add_task("real LLaVA: learning", total=config.steps)
        taught = teach(
            model,
            processor,
            lessons.batches(),
            features,
            config,
            lambda _: bar.advance(learning),
        )
    with disk_errors(out, SafetensorError):
        taught.to("cpu").save_pretrained(out)
    processor.save_pretrained(out)


def _heard(
    config: RealConfig, untouched: MLLM, questions: list[str], advance: Callable[[int], object]
) -> list[str]:
    """What the untouched language model says to each question. All bases of it are taught the same answers.

    So they are kept in the cache: a run that is held against exact unlearning teaches several bases.
    """
    made_of = {
        "language": hash_of_part(config.language, LANGUAGE),
        "questions": questions,
        "longest": LONGEST_ANSWER,
        "device": untouched.model.device.type,
        "versions": [torch.__version__, transformers.__version__],
    }
    folder = cache_root() / "heard" / digest(made_of)
    answers = folder / "answers.json"

    def make() -> None:
        with whole_dir(folder, {"made_of": made_of}) as out:
            write_json(out / answers.name, answers_in_words(untouched, questions, advance=advance))

    made_once(folder, make)
    return read_json(answers, list[str])


def _require_pictures(benchmark: Benchmark) -> None:
    """Raises UsageError for a benchmark with samples in words alone: all that this base is taught is about pictures."""
    in_words = sum(not sample.image for sample in benchmark.samples)
    if in_words:
        raise UsageError(
            f"{in_words:,} samples have no picture, and the real base is taught from pictures alone",
            "Take the toy base (model.kind=toy), or a model of your own: -s model.path=FOLDER.",
        )
