"""Lengths of prompts and answers: by a tokenizer, by bytes, or assumed."""

from mlubench.data.refusals import REFUSALS
from mlubench.experiment.plan.forecast.texts import TEMPLATE_TOKENS, text_lengths
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.types import Benchmark


def test_by_the_tokenizer_they_are_those_of_the_batches(mllm: MLLM, benchmark: Benchmark) -> None:
    lengths = text_lengths(benchmark, mllm.processor)
    queries = [Query(None, sample.question) for sample in benchmark.samples]
    assert lengths.prompt >= mllm.encode(queries)["input_ids"].shape[1]
    answers = [len(mllm.answer_ids(s.question, s.truth)) for s in benchmark.samples]
    assert lengths.answer == max(answers)
    assert lengths.reply <= lengths.answer
    longer = sum(answer > lengths.reply for answer in answers)
    assert longer <= 0.1 * len(answers)
    assert "its tokenizer" in lengths.source


def test_without_a_tokenizer_by_bytes(benchmark: Benchmark) -> None:
    lengths = text_lengths(benchmark, None)
    longest = max(len(sample.question.encode()) for sample in benchmark.samples)
    assert lengths.prompt == TEMPLATE_TOKENS + -(-longest // 4)
    assert lengths.refusal == -(-max(map(len, REFUSALS)) // 4) + 1


def test_without_annotations_assumed() -> None:
    assert text_lengths(None, None).source == "assumed as in the official annotations"
