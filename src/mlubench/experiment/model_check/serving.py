"""The step that answers as the server does: questions join a batch while it is being answered, and leave it."""

import torch

from mlubench.core.errors import MlubenchError
from mlubench.experiment.model_check.asking import NEW_TOKENS
from mlubench.experiment.model_check.subject import Subject
from mlubench.models.running import Row, RunningBatch
from mlubench.models.sampling import GREEDY

# Half of the questions come when the others have so many tokens.
LATER = 3


def running_batch(subject: Subject) -> str:
    """Texts of questions that join and leave, against those of each question alone."""
    mllm = subject.mllm
    texts = [mllm.text_of(row.tokens) for row in _answered(subject)]
    alone = [mllm.generate([query], max_new_tokens=NEW_TOKENS)[0] for query in subject.queries]
    same = sum(one == other for one, other in zip(texts, alone, strict=True))
    # In half precision, rounding may decide between two tokens that are nearly alike.
    if same < len(alone) and mllm.base.dtype == torch.float32:
        raise MlubenchError(
            f"{len(alone) - same} of {len(alone)} answers are others where questions join and leave a batch"
        )
    return f"{same} of {len(alone)} answers are the same where questions join and leave"


def _answered(subject: Subject) -> list[Row]:
    """The rows of all questions when they are done, in the order of the questions."""
    middle = len(subject.queries) // 2
    first = _started(subject, range(middle))
    rows = list(first.rows)
    for _ in range(LATER):
        _step(first)
    later = _started(subject, range(middle, len(subject.queries)))
    rows += later.rows
    if first.joinable and later.joinable:
        first.join(later)
        batches = [first]
    else:
        batches = [first, later]
    for batch in batches:
        while batch.rows:
            _step(batch)
    return rows


def _started(subject: Subject, numbers: range) -> RunningBatch:
    batch = RunningBatch(subject.mllm)
    queries = [subject.queries[number] for number in numbers]
    batch.start(queries, [GREEDY] * len(queries), [NEW_TOKENS] * len(queries))
    return batch


def _step(batch: RunningBatch) -> None:
    """One more token for every row that is not done; the others leave."""
    batch.keep([number for number, row in enumerate(batch.rows) if not row.done])
    if batch.rows:
        batch.step()
