"""How long the second look takes among many requests of drawn facts, and what comparing with every fact would take."""

import random
import statistics
import time
from collections.abc import Sequence
from typing import Any

from mlubench.lumoe.second_look.forgotten import Forgotten
from mlubench.lumoe.second_look.keys import IN_FULL, share_told, words_of
from mlubench.settings.gates import GateConfig
from mlubench.types import Entity, Sample, Task

DRAFTS = 400  # every other one tells a fact that stands alone, the others drawn facts of nobody
# Questions whose truths hold three names and numbers.
ALONE = ("Who taught this person?", "What did this person publish?")
SYLLABLES = (
    "ba",
    "de",
    "fi",
    "go",
    "hu",
    "ka",
    "le",
    "mi",
    "no",
    "pu",
    "ra",
    "se",
    "ti",
    "vo",
    "zu",
)
FIELDS = ("physics", "music", "law", "painting", "medicine", "botany", "chess", "poetry")


def rows(sizes: Sequence[int]) -> list[dict[str, Any]]:
    """A row for each number of requests; `ratio` is its median time over that of the first."""
    found: list[dict[str, Any]] = []
    for size in sizes:
        row = _row(size)
        first = found[0] if found else row
        found.append({**row, "ratio": round(row["us"] / first["us"], 2)})
    return found


def _row(size: int) -> dict[str, Any]:
    rng = random.Random(size)
    task = Task("A", tuple(_samples(rng, size)), ())
    start = time.process_time()
    forgotten = Forgotten.of([task], GateConfig())
    build = time.process_time() - start
    more = _one_more(rng, task, size)
    drafts: list[str] = []
    told = {fact.entity for fact in forgotten.facts if fact.stands_alone}
    truths = [s.truth for s in task.forget if s.entity.key in told and s.question in ALONE]
    took = []
    caught = 0
    false = 0
    for number in range(DRAFTS):
        is_told = number % 2 == 0
        fact = rng.choice(truths) if is_told else rng.choice(_facts(rng))[1]
        draft = f"That is well known. {fact} Many people have written about it since then."
        drafts.append(draft)
        start = time.process_time()
        held_back = forgotten.told(draft, suspects=set(), everywhere=True) is not None
        took.append((time.process_time() - start) * 1e6)
        caught += is_told and held_back
        false += held_back and not is_told
    return {
        "requests": size,
        "facts": len(forgotten.facts),
        "us": round(statistics.median(took), 1),
        "us_p99": round(sorted(took)[int(0.99 * (len(took) - 1))], 1),
        "exhaustive_us": _exhaustive(forgotten, drafts[:20]),
        "caught": round(2 * caught / DRAFTS, 4),
        "false": round(2 * false / DRAFTS, 4),
        "build_s": round(build, 2),
        "next_ms": round(statistics.median(more), 2),
        "next_ms_mean": round(statistics.fmean(more), 2),
        "next_ms_max": round(max(more), 1),
    }


def _one_more(rng: random.Random, task: Task, size: int) -> list[float]:
    """Milliseconds of each of some requests more, a third of those that are there.

    By then the class has so many truths more that all its facts are weighed anew, once: so the mean is what a request
    costs in the long run.
    """
    tasks = [task]
    forgotten = Forgotten.of(tasks, GateConfig())
    took = []
    for number in range(size // 3):
        samples = _samples(rng, 1, first=size + number)
        tasks.append(Task(str(number), tuple(samples), ()))
        start = time.process_time()
        forgotten = forgotten.with_next(tasks, GateConfig())
        took.append((time.process_time() - start) * 1e3)
    return took


def _exhaustive(forgotten: Forgotten, drafts: Sequence[str]) -> float:
    """Median microseconds of comparing a draft with every fact that stands alone."""
    weights = [fact.weights for fact in forgotten.facts if fact.stands_alone]
    took = []
    for draft in drafts:
        words = words_of(draft)
        start = time.process_time()
        any(share_told(one, words) >= IN_FULL for one in weights)
        took.append((time.process_time() - start) * 1e6)
    return round(statistics.median(took), 1)


def _samples(rng: random.Random, size: int, first: int = 0) -> list[Sample]:
    samples = []
    for number in range(first, first + size):
        entity = Entity("Personage", f"{_word(rng)}_{_word(rng)}_{number}")
        for place, (question, truth) in enumerate(_facts(rng)):
            samples.append(
                Sample(
                    id=f"{number}/{place}",
                    task="A",
                    split="forget",
                    entity=entity,
                    image="",
                    question=question,
                    truth=truth,
                    fact=f"{number}/{place}",
                    phrasing=0,
                    role="fit",
                )
            )
    return samples


def _facts(rng: random.Random) -> list[tuple[str, str]]:
    """Four questions and truths: common words, a year, and names."""
    city = f"{SYLLABLES[rng.randrange(15)]}{SYLLABLES[rng.randrange(13)]}burg".capitalize()
    year = rng.randrange(1700, 2020)
    return [
        ("What is this person's field?", f"The field is {rng.choice(FIELDS)}."),
        ("Where and when was this person born?", f"In {city}, in {year}."),
        ("Who taught this person?", f"{_word(rng)} {_word(rng)} of {city}."),
        ("What did this person publish?", f"The {_word(rng)} of {_word(rng)} in {year + 30}."),
    ]


def _word(rng: random.Random) -> str:
    return "".join(rng.choice(SYLLABLES) for _ in range(3)).capitalize() + rng.choice("nrstl")
