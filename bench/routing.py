"""What routing by name and by picture costs among 127, 10^4 and 10^6 entities, and what it misses.

Names: questions of ten to twelve words and short replies that hold a listed name, a misspelt one, one of nobody listed, or
none. The index keeps what it found of words and runs of words: `us` is of questions that share their wording, `us_anew` of
some with nothing kept. `recall` is the share of misspelt replies, and of questions with one, for which the index gives what
comparing with every name gives. `false_by`: an unlisted name holds a listed one, is like one in part, or is as a whole.
Pictures: features in which within-entity noise is of unit variance, as after whitening, and entities cluster by class;
queries are a prototype with noise. `recall` is the share whose nearest of all is found. `false_routes` are of unlisted
entities; pictures are routed within the distance that holds 99% of the listed ones.

Each size has a process of its own. Names and features are drawn, not real.

    python bench/routing.py --json
"""

import argparse
import json
import multiprocessing
import random
import resource
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

import torch
from rapidfuzz import fuzz, process

from mlubench.lumoe.gates.misspelling import WORD_RATIO, is_misspelt
from mlubench.lumoe.gates.names import Names
from mlubench.lumoe.gates.nearest import Nearest
from mlubench.lumoe.gates.spelling import fold

SIZES = {"quick": (127, 10_000, 100_000), "full": (127, 10_000, 1_000_000)}
TARGETS_US = {127: 50, 10_000: 500, 1_000_000: 1000}
RECALL, MEMORY_MB, THRESHOLD = 0.98, 1000, 80.0
HEADS = [
    *"bcdfghjklmnprstvw",
    "br",
    "ch",
    "cl",
    "dr",
    "fr",
    "gr",
    "kr",
    "ph",
    "pl",
    "sch",
    "sh",
    "st",
    "th",
    "tr",
]
VOWELS = [*"aeiou", "ai", "au", "ee", "ia", "ou"]
TAILS = ["", "", "n", "r", "s", "l", "t", "nd", "rt", "ck", "m", "ng", "ll", "sen", "man"]
QUESTIONS = (
    "What is the name of the first film that {} directed in 2001?",
    "Which city is known as the place where {} was born?",
    "Can you please tell me what made {} so well known?",
    "In which year did people begin to talk about {} here?",
    "What can be said about the early life of {} so far?",
)
T = TypeVar("T")


class Drawn:
    """Names of people, titles and single words; the words are drawn by Zipf's law from as many as so many names have."""

    def __init__(self, count: int, seed: int) -> None:
        self.draw = random.Random(seed)
        self.given, self.families = self._words(150 + count // 100), self._words(200 + count // 6)

    def _words(self, count: int) -> tuple[list[str], list[float]]:
        words: dict[str, None] = {}
        while len(words) < count:
            parts = [
                self.draw.choice(HEADS) + self.draw.choice(VOWELS)
                for _ in range(self.draw.choice((1, 2, 2, 3)))
            ]
            words["".join(parts) + self.draw.choice(TAILS)] = None
        return list(words), list(accumulate(1 / (n + 20) ** 0.7 for n in range(count)))

    def _one(self, words: tuple[list[str], list[float]]) -> str:
        return self.draw.choices(words[0], cum_weights=words[1])[0]

    def name(self) -> str:
        kind, given, family = self.draw.random(), self._one(self.given), self._one(self.families)
        if kind < 0.6:
            return f"{given} {family}"
        if kind < 0.75:
            return f"{given} {self._one(self.given)} {family}"
        if kind < 0.9:
            return f"the {self._one(self.families)} of {family}"
        return family + self._one(self.given)

    def misspelt(self, name: str) -> str:
        """One letter another, gone, added, or two swapped; one in five is written as one word."""
        place = self.draw.randrange(1, len(name) - 1)
        a, b, letter = name[place], name[place + 1], self.draw.choice("abcdefghijklmnoprstuvwy")
        middle = self.draw.choice((letter + b, b, letter + a + b, b + a))
        changed = name[:place] + middle + name[place + 2 :]
        return changed.replace(" ", "") if self.draw.random() < 0.2 else changed


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def timed(ask: Callable[[T], Any], queries: Iterable[T]) -> tuple[list[float], list[Any]]:
    """Microseconds of processor time and answer of each query; other work on the machine would make wall time its own."""
    took, answers = [], []
    for query in queries:
        start = time.process_time()
        answers.append(ask(query))
        took.append((time.process_time() - start) * 1e6)
    return took, answers


def costs(took: Sequence[float]) -> dict[str, float]:
    ordered = sorted(took)
    return {
        "us": round(statistics.median(ordered), 1),
        "us_p99": round(ordered[int(0.99 * (len(ordered) - 1))], 1),
    }


def in_question(letters: Sequence[str], names: Sequence[list[str]], question: str) -> set[int]:
    """Numbers of the best of the names in the longest run of words that is one, by comparing each run with every name."""
    words = fold(question).split()
    for count in range(max(map(len, names)) + 1, 0, -1):
        found: dict[int, float] = {}
        for run in (words[start : start + count] for start in range(len(words) - count + 1)):
            key = "".join(run)
            for other, ratio, n in process.extract(
                key, letters, scorer=fuzz.ratio, score_cutoff=WORD_RATIO, limit=None
            ):
                whole = other in (key, key.removesuffix("s"))
                if whole or is_misspelt(run, names[n], ratio, THRESHOLD):
                    found[n] = max(found.get(n, 0), 100.0 if whole else ratio)
        if found:
            return {n for n, ratio in found.items() if ratio == max(found.values())}
    return set()


def exhaustive(letters: Sequence[str], names: Sequence[list[str]], reply: str) -> float:
    """The best ratio of a name that the reply is, by comparing with every name; 0 where there is none."""
    words = fold(reply).split()
    near = process.extract(
        "".join(words), letters, scorer=fuzz.ratio, score_cutoff=WORD_RATIO, limit=None
    )
    ratios = [
        ratio
        for key, ratio, n in near
        if key == "".join(words) or is_misspelt(words, names[n], ratio, THRESHOLD)
    ]
    return max((ratio for ratio in ratios if ratio >= THRESHOLD), default=0.0)


def by_name(size: int, queries: int) -> list[dict[str, Any]]:
    drawn = Drawn(size, seed=size)
    listed = {fold(drawn.name()): None for _ in range(size)}
    while len(listed) < size:
        listed[fold(drawn.name())] = None
    folded = list(listed)
    unlisted = [
        n for n in (fold(drawn.name()) for _ in range(4 * queries + 400)) if n not in listed
    ][:queries]
    before, start = resident_mb(), time.perf_counter()
    names = Names({key_of(name): [name] for name in folded})
    facts = {
        "build_s": round(time.perf_counter() - start, 2),
        "memory_mb": round(resident_mb() - before),
    }
    known = drawn.draw.choices(folded, k=queries)
    kinds = {"listed": known, "misspelt": [drawn.misspelt(n) for n in known], "unlisted": unlisted}
    rows = []
    for form in ("question", "reply"):
        asked = {
            kind: [
                drawn.draw.choice(QUESTIONS).format(n) if form == "question" else n for n in texts
            ]
            for kind, texts in kinds.items()
        }
        asked["none"] = (
            [q.format("this one") for q in QUESTIONS] * (queries // 5)
            if form == "question"
            else ["None."] * 9
        )
        ask = partial(names.find if form == "question" else names.meant, threshold=THRESHOLD)
        rows.append(
            {"what": f"names: {form}", "size": size, **_asked(ask, asked, unlisted), **facts}
        )
        if form == "question":
            rows[0] |= {"us_anew": costs(_anew(names, asked))["us"]} | _recalled(
                names, folded, asked["misspelt"]
            )
    letters, words = [n.replace(" ", "") for n in folded], [n.split() for n in folded]
    few = kinds["misspelt"][: min(queries, 2 * 10**7 // size)]
    slow, best = timed(lambda q: exhaustive(letters, words, q), few)
    hits = [names.meant(q, threshold=THRESHOLD) for q in few]
    same = [
        abs(b - (h.score * 100 if h else 0)) < 1e-6
        for b, h in zip(best, hits, strict=True)
        if b or h
    ]
    added = timed(lambda name: names.add(f"Personage/{name}", [name]), unlisted)[0]
    found = all(names.meant(name, threshold=THRESHOLD) for name in unlisted)
    rows[1] |= {
        "recall": statistics.fmean(same),
        "compared": len(same),
        "exhaustive_us": costs(slow)["us"],
    }
    return [row | {"add_us": costs(added)["us"], "added_found": found} for row in rows]


def _anew(names: Names, asked: dict[str, list[str]]) -> list[float]:
    """Microseconds of up to 100 questions of each kind, with nothing kept of those before."""
    took: list[float] = []
    for question in (q for texts in asked.values() for q in texts[:100]):
        names.forget()
        took += timed(lambda q: names.find(q, threshold=THRESHOLD), [question])[0]
    return took


def _recalled(names: Names, folded: Sequence[str], questions: Sequence[str]) -> dict[str, Any]:
    """Share of the first questions, of those that hold a name, in which the index finds one that comparing all finds."""
    letters, words, found = [n.replace(" ", "") for n in folded], [n.split() for n in folded], []
    for question in questions[: max(4, 2 * 10**6 // len(folded))]:
        if best := in_question(letters, words, question):
            hits = {hit.entity for hit in names.find(question, threshold=THRESHOLD)}
            found.append(not hits.isdisjoint(key_of(folded[n]) for n in best))
    return {"recall": statistics.fmean(found), "compared": len(found)}


def key_of(name: str) -> str:
    return f"Personage/{name.replace(' ', '_')}"


def _asked(
    ask: Callable[[str], Any], asked: dict[str, list[str]], unlisted: Sequence[str]
) -> dict[str, Any]:
    """Costs over all kinds and by kind, and the share that was routed."""
    answers = {kind: timed(ask, texts) for kind, texts in asked.items()}
    return {
        **costs([t for took, _ in answers.values() for t in took]),
        "us_by_kind": {kind: costs(took)["us"] for kind, (took, _) in answers.items()},
        "routed": {
            kind: round(statistics.fmean(map(bool, found)), 4)
            for kind, (_, found) in answers.items()
        },
        "false_routes": round(statistics.fmean(map(bool, answers["unlisted"][1])), 4),
        "false_by": _false_by(answers["unlisted"][1], unlisted),
    }


def _false_by(answers: Sequence[Any], unlisted: Sequence[str]) -> dict[str, float]:
    """Shares of unlisted names that hold a listed name, that are like one in part, and that are as a whole."""
    kinds = Counter[str]()
    for found, name in zip(answers, unlisted, strict=True):
        hits = found if isinstance(found, list) else [found] if found else []
        if hits:
            whole = any(hit.text.replace(" ", "") == name.replace(" ", "") for hit in hits)
            kinds[
                "holds" if any(hit.score == 1 for hit in hits) else "like" if whole else "part_like"
            ] += 1
    return {kind: round(kinds[kind] / len(answers), 4) for kind in ("holds", "part_like", "like")}


def prototypes(count: int, features: int, generator: torch.Generator) -> torch.Tensor:
    """Prototypes (count, features) in 200 classes; their spread falls from direction to direction, as real ones' does."""
    spread = 20 * torch.arange(1, features + 1).float().pow(-0.5)
    classes = torch.randn(200, features, generator=torch.Generator().manual_seed(1)) * spread
    own = torch.randn(count, features, generator=generator) * spread * 0.7
    return own.add_(classes[torch.randint(200, (count,), generator=generator)])


def by_picture(size: int, queries: int, features: int = 128) -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(size)
    rows, others = prototypes(size, features, generator), prototypes(queries, features, generator)
    shown = torch.randint(size, (queries,), generator=generator)
    asked = {
        "listed": rows[shown] + torch.randn(queries, features, generator=generator),
        "unlisted": others + torch.randn(queries, features, generator=generator),
    }
    before, start = resident_mb(), time.perf_counter()
    index = Nearest(features)
    index.add(rows)
    out: dict[str, Any] = {
        "what": "pictures",
        "size": size,
        "features": features,
        "searches_all": index.exact,
    }
    facts = {
        "build_s": round(time.perf_counter() - start, 2),
        "memory_mb": round(resident_mb() - before),
    }
    took, near, recall = [], {}, {}
    for kind, queried in asked.items():
        each, found = timed(lambda q: index.search(q[None]), queried)
        truth = torch.stack([_nearest(q, rows) for q in queried])
        took += each
        near[kind] = torch.stack([distance[0, 0] for distance, _ in found])
        recall[kind] = round(
            float((truth == torch.stack([n[0, 0] for _, n in found])).double().mean()), 4
        )
    slow = timed(lambda q: _nearest(q, rows), asked["listed"][:50])[0]
    radius = near["listed"].quantile(0.99)
    new = timed(lambda row: index.add(row[None]), others)[0]
    seen = bool((index.search(others)[1][:, 0] >= size).all())
    return [
        out
        | costs(took)
        | facts
        | {
            "recall": min(recall.values()),
            "recall_by_kind": recall,
            "exhaustive_us": costs(slow)["us"],
            "false_routes": float((near["unlisted"] <= radius).double().mean()),
            "add_us": costs(new)["us"],
            "added_found": seen,
        }
    ]


def _nearest(query: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    return torch.cdist(query[None], rows, compute_mode="donot_use_mm_for_euclid_dist")[0].argmin()


def judged(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its targets and whether each is met."""
    if row["size"] not in TARGETS_US:
        return row
    met = {"us": row["us"] <= TARGETS_US[row["size"]], "memory": row["memory_mb"] <= MEMORY_MB}
    if "recall" in row:
        met["recall"] = row["recall"] >= RECALL
    return row | {"target_us": TARGETS_US[row["size"]], "met": met}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", help="numbers of entities, 10 or more")
    parser.add_argument("--queries", type=int, default=400, help="of each kind")
    parser.add_argument("--quick", action="store_true", help="127, 10^4 and 10^5 entities")
    parser.add_argument("--json", action="store_true")
    args, rows = parser.parse_args(), []
    for size in args.sizes or SIZES["quick" if args.quick else "full"]:
        for measure in (by_name, by_picture):
            with multiprocessing.get_context("spawn").Pool(1) as fresh:
                found = [judged(row) for row in fresh.apply(measure, (size, args.queries))]
            rows += found
            if not args.json:
                print(*found, sep="\n", flush=True)
    if args.json:
        print(
            json.dumps({"threads": torch.get_num_threads(), "queries": args.queries, "rows": rows})
        )


if __name__ == "__main__":
    main()
