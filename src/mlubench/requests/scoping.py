"""What must go: the request's pictures with questions about them, and what the base answers.

Of an entity that comes with pictures alone nobody has written down what is known. What the untouched base says of these
pictures is just what must not be said any more.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace

from mlubench.core.errors import MlubenchError
from mlubench.core.files import digest, write_json
from mlubench.data.roles import assign_roles
from mlubench.judging.rules.refusal import refusal
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.requests.kept import (
    KeptSet,
    Phrasings,
    kept_beside,
    questions_about,
    read_samples,
)
from mlubench.requests.place import Place
from mlubench.requests.submission import SENT, Sent, read_sent
from mlubench.types import Benchmark, Entity, Role, Sample, Task

FILE = "scope.json"
# The longest answer of the base, in tokens.
_TOKENS = 64
_BATCH = 32
# Questions in words alone, which name the entity: the first two train, the last tests.
BY_NAME: tuple[tuple[str, Role], ...] = (
    ("Who or what is {name}?", "fit"),
    ("Please tell me about {name}.", "fit"),
    ("What do you know about {name}?", "test"),
)


def pictures_of(request: str, sent: Sent) -> list[Sample]:
    """One sample for each picture, without a question: all that a gate needs."""
    return [_sample(request, sent, image, role) for image, role in _roles(sent).items()]


def gate_task(place: Place, request: str, asked_for: Collection[str] | None = None) -> Task:
    """The request as a gate learns it, before anything was asked about it. `asked_for` is that of `kept_beside`."""
    forget = pictures_of(request, read_sent(place, request))
    return Task(request, tuple(forget), tuple(kept_beside(place, request, asked_for)))


def scoped_task(place: Place, request: str, asked_for: Collection[str] | None = None) -> Task:
    """The request with its questions and truths, once it was scoped."""
    forget = read_samples(place.folder(request) / FILE)
    return Task(request, tuple(forget), tuple(kept_beside(place, request, asked_for)))


def is_scoped(place: Place, request: str) -> bool:
    return (place.folder(request) / FILE).is_file()


def as_benchmark(place: Place, request: str, task: Task, kept: KeptSet) -> Benchmark:
    """A benchmark of this task alone. Its pictures lie in the request's folder."""
    stand_ins = kept.benchmark.stand_ins if kept.benchmark is not None else False
    return Benchmark((task,), place.folder(request), stand_ins, "", kept.background)


def joint_benchmark(place: Place, expert: str, requests: Sequence[str], kept: KeptSet) -> Benchmark:
    """What one expert learns of several requests that were scoped, as one task. Pictures lie below the folder of all."""
    forget: list[Sample] = []
    retain: list[Sample] = []
    for request in requests:
        task = scoped_task(place, request)
        forget += [_moved(sample, expert, request) for sample in task.forget]
        retain += [_moved(sample, expert, request) for sample in task.retain]
    joint = Task(expert, tuple(forget), tuple(retain))
    alone = as_benchmark(place, requests[0], joint, kept)
    return replace(alone, image_root=place.root)


def _moved(sample: Sample, task: str, request: str) -> Sample:
    """The sample in another task, with its picture by its path below the folder of all requests."""
    image = f"{request}/{sample.image}" if sample.image else ""
    return replace(sample, task=task, image=image)


def scope(place: Place, request: str, mllm: MLLM, kept: KeptSet) -> None:
    """Write down what must go. Raises MlubenchError where the base says nothing that could go."""
    if is_scoped(place, request):
        return
    sent = read_sent(place, request)
    if sent.answers:
        asked = [((row.question, *row.phrasings), row.answer) for row in sent.answers]
    else:
        asked = _told_by_base(place, request, sent, mllm, questions_about(kept, sent.key.cls))
    if not asked:
        raise MlubenchError(
            "the base declines every question about these pictures, so there is nothing to suppress",
            "Revert the request, or send what it must not say with --qa.",
        )
    samples: list[Sample] = []
    for number, (phrasings, truth) in enumerate(asked):
        samples += _with_pictures(request, sent, number, phrasings, truth)
    samples += _by_name(request, sent, mllm)
    write_json(place.folder(request) / FILE, [asdict(sample) for sample in samples])


def _told_by_base(
    place: Place,
    request: str,
    sent: Sent,
    mllm: MLLM,
    questions: Sequence[Phrasings],
) -> list[tuple[Phrasings, str]]:
    """Each question with what the base answers most often; those that it declines are left out.

    It is asked about pictures that nothing is tested on.
    """
    shown = [s.image for s in pictures_of(request, sent) if not s.only_tests]
    folder = place.folder(request)
    queries = []
    for phrasings in questions:
        queries += [Query(folder / image, phrasings[0]) for image in shown]
    answers = _answers(mllm, queries)
    told = []
    for number, phrasings in enumerate(questions):
        of_question = answers[number * len(shown) : (number + 1) * len(shown)]
        given = [text.strip() for text in of_question if text.strip() and not refusal(text)]
        # Where it mostly declines, a stray answer is no knowledge.
        if 2 * len(given) >= len(of_question):
            told.append((phrasings, Counter(given).most_common(1)[0][0]))
    return told


def _with_pictures(
    request: str, sent: Sent, number: int, phrasings: Phrasings, truth: str
) -> list[Sample]:
    """One fact: every wording on every picture."""
    fact = f"{sent.entity}#{number}"
    found = []
    for picture in pictures_of(request, sent):
        for phrasing, question in enumerate(phrasings):
            sample = replace(picture, question=question, truth=truth, fact=fact, phrasing=phrasing)
            found.append(_with_id(sample))
    return found


def names_in(sent: Sent) -> Sequence[str]:
    """All names under which a request's entity is asked about."""
    return sent.key.title, *sent.aliases


def questions_by_name(sent: Sent) -> list[str]:
    """Questions in words alone that nothing is trained on, under all names."""
    held_out = [text for text, role in BY_NAME if role == "test"]
    return [text.format(name=name) for name in names_in(sent) for text in held_out]


def _by_name(request: str, sent: Sent, mllm: MLLM) -> list[Sample]:
    """Questions in words alone, under all names."""
    asked = []
    for name in names_in(sent):
        for text, role in BY_NAME:
            asked.append((text.format(name=name), role))
    answers = _answers(mllm, [Query(None, question) for question, _ in asked])
    found = []
    for (question, role), truth in zip(asked, answers, strict=True):
        sample = replace(
            _sample(request, sent, "", role),
            question=question,
            truth=truth.strip() or "nothing",
            fact=f"{sent.entity}#name",
        )
        found.append(_with_id(sample))
    return found


def _answers(mllm: MLLM, queries: Sequence[Query]) -> list[str]:
    """What the untouched base says."""
    found: list[str] = []
    with mllm.adapters_off():
        for start in range(0, len(queries), _BATCH):
            part = queries[start : start + _BATCH]
            found += mllm.generate(part, max_new_tokens=_TOKENS)
    return found


def _roles(sent: Sent) -> dict[str, Role]:
    """What each picture is for, by its path below the request's folder."""
    images = [f"{SENT}/{name}" for name in sent.pictures]
    return assign_roles({sent.entity: images}, seed=0)


def _sample(request: str, sent: Sent, image: str, role: Role) -> Sample:
    return Sample(
        id=f"{request}-{image}",
        task=request,
        split="forget",
        entity=Entity.from_key(sent.entity),
        image=image,
        question="",
        truth="",
        fact=sent.entity,
        phrasing=0,
        role=role,
    )


def _with_id(sample: Sample) -> Sample:
    content = digest([sample.image, sample.question, sample.truth], 12)
    return replace(sample, id=f"{sample.task}-{content}")
