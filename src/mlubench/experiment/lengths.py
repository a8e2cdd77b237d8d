"""What a run does with each record, by which one that is too long for the model is found before any work is done."""

from collections.abc import Iterator

from mlubench.data.refusals import refusal_of
from mlubench.experiment.samples import fit_samples, samples_to_test
from mlubench.models.mllm import MLLM
from mlubench.models.room import Use, require_room
from mlubench.settings.run import Config
from mlubench.types import Benchmark, Sample


def require_short_records(mllm: MLLM, benchmark: Benchmark, config: Config) -> None:
    """Raises DataError that names the first record that is too long for what the run does with it."""
    require_room(mllm, list(_uses(benchmark, config)))


def _uses(benchmark: Benchmark, config: Config) -> Iterator[Use]:
    """Everything that the run trains on or asks about, as far as it is known before the base was asked."""
    trained: dict[str, Sample] = {}
    settings = [config.train.for_method(name) for name in config.methods]
    for task in benchmark:
        for one in settings:
            for sample in fit_samples((*task.forget, *task.retain), one):
                trained[sample.id] = sample
    with_images = any(one.images == "seen" for one in settings)
    for sample in trained.values():
        answers = [sample.truth]
        if sample.split == "forget":
            answers.append(refusal_of(sample))
        image = benchmark.picture(sample) if with_images else None
        yield Use(sample, image, tuple(answers))
    asked: list[Sample] = []
    for task in benchmark:
        asked += samples_to_test(task, config.evaluate.limit)
    if config.know.enabled:
        asked += [sample for sample in benchmark.samples if sample.calibrates]
    for sample in asked:
        answers = [sample.truth] if config.evaluate.probability else []
        yield Use(sample, benchmark.picture(sample), tuple(answers), config.evaluate.max_new_tokens)
