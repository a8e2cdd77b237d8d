"""Asks the untouched language model about each fact by the entity's name, in words alone: what did it know beforehand?

This depends on the language model and the benchmark, not on how a base is taught, so all bases of both share the answers.
"""

import transformers

from mlubench.core.cache import cache_root
from mlubench.core.files import digest, is_whole, whole_dir, write_json
from mlubench.core.progress import progress_bar
from mlubench.core.reading import read_json
from mlubench.models.devices import pick_device
from mlubench.models.families import parts_of
from mlubench.models.mllm import MLLM
from mlubench.models.real.assembly import LANGUAGE, assembled, hash_of_part
from mlubench.models.real.chat import answers_in_words
from mlubench.runs.named import NamedAnswer
from mlubench.settings.model import RealConfig
from mlubench.types import Benchmark, Sample

# Raised whenever this file would ask other questions, or in another way.
VERSION = 1
# Of an answer, in tokens.
LONGEST_ANSWER = 40
_FILE = "answers.json"


def named_answers(
    config: RealConfig, benchmark: Benchmark, *, device: str = "auto", progress: bool = True
) -> list[NamedAnswer]:
    """One answer for each fact of the benchmark, by fact; asked now unless the cache has them.

    Raises MlubenchError where the language model has not been fetched.
    """
    made_of = {
        "language": hash_of_part(config.language, LANGUAGE),
        "benchmark": benchmark.digest,
        "version": VERSION,
        "transformers": transformers.__version__,
    }
    folder = cache_root() / "named" / digest(made_of)
    if not is_whole(folder):
        with whole_dir(folder, {"made_of": made_of}) as out:
            model, processor = assembled(config.vision, config.language, seed=config.seed)
            untouched = MLLM(model.to(pick_device(device)), processor, parts_of(model))
            rows = _ask_all(untouched, benchmark, progress=progress)
            write_json(out / _FILE, [row.model_dump() for row in rows])
    return read_json(folder / _FILE, list[NamedAnswer])


def named_question(sample: Sample) -> str:
    """The sample's question with the entity's name in the place of the picture."""
    return f"This is about {sample.entity.title}. {sample.question}"


def _ask_all(untouched: MLLM, benchmark: Benchmark, *, progress: bool) -> list[NamedAnswer]:
    facts = {sample.fact: sample for sample in benchmark.samples if sample.phrasing == 0}
    samples = [facts[fact] for fact in sorted(facts)]
    questions = [named_question(sample) for sample in samples]
    with progress_bar(disable=not progress) as bar:
        task = bar.add_task("asking the untouched language model by name", total=len(samples))
        responses = answers_in_words(
            untouched,
            questions,
            longest=LONGEST_ANSWER,
            advance=lambda done: bar.advance(task, done),
        )
    rows = []
    for sample, question, response in zip(samples, questions, responses, strict=True):
        row = NamedAnswer(
            fact=sample.fact,
            entity=sample.entity.key,
            question=question,
            truth=sample.truth,
            response=response,
        )
        rows.append(row)
    return rows
