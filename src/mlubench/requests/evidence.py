"""The evidence of one request: what the ledger holds of it, signed and proved, and a page for people."""

import json
from collections.abc import Sequence
from datetime import datetime
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from mlubench.ledger.bundle import write_bundle
from mlubench.ledger.bundle_files import Manifest
from mlubench.ledger.entries import Entry
from mlubench.ledger.events import Score
from mlubench.requests.queue import DeletionRequest, Queue
from mlubench.requests.recording import LIMITS
from mlubench.requests.states import State

# The first sentence of the page. Only of an active request an expert answers.
STANDING: dict[State, str] = {
    "received": "Nothing is in effect yet: the request was received.",
    "verified": "Suppressed by the gate: it answers with a fixed refusal while an expert is prepared.",
    "scoped": "Suppressed by the gate: it answers with a fixed refusal while an expert is prepared.",
    "training": "Suppressed by the gate: it answers with a fixed refusal while an expert is trained.",
    "audited": "Suppressed by the gate: it answers with a fixed refusal. The expert does not answer (yet).",
    "active": "Suppressed: a gate recognises the entity, and an expert refuses in the model's place.",
    "rejected": "Not in effect: the request was turned down.",
    "reverted": "Not in effect any more: the request was taken out again.",
}
# What each measured rate is, for people.
TITLES = {
    "forget_quality": "Refusal on held-out pictures, in all wordings",
    "unseen_phrasings": "of these, in wordings that nothing was trained on",
    "by_name": "Refusal of questions in words alone, by name",
    "told_before": "What the base told of the same before",
    "utility": "Correct answers on what must stay",
    "utility_before": "The base's correct answers on the same",
    "leak": "Held-out pictures of the entity that the gate missed",
    "over_refusal": "Pictures of what must stay that were taken for it",
    "strangers": "Pictures of other things that were taken for it",
}


def write_evidence(queue: Queue, request: DeletionRequest, out: Path) -> Manifest:
    """Write the signed bundle to `out`, a zip file, with the page in it. Nothing in it names the entity.

    Raises as `write_bundle` does.
    """
    entries = list(queue.ledger.entries(request=request.id))
    scores = _last_scores(entries)
    files = {
        "page.html": evidence_page(request, entries).encode(),
        "scores.json": json.dumps([s.model_dump(mode="json") for s in scores], indent=1).encode(),
    }
    return write_bundle(queue.ledger, out, request.id, files=files)


def evidence_page(request: DeletionRequest, entries: Sequence[Entry]) -> str:
    """The page, whole in itself: no script, and nothing from elsewhere."""
    source = resources.files("mlubench.requests").joinpath("evidence.html.j2")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    subject = next((entry.subject for entry in entries if entry.subject), None)
    return environment.from_string(source.read_text(encoding="utf-8")).render(
        request=request,
        standing=STANDING[request.state],
        subject=subject,
        entries=entries,
        scores=[
            (TITLES.get(score.name, score.name), _told(score)) for score in _last_scores(entries)
        ],
        limits=LIMITS,
        minutes=_minutes,
    )


def _last_scores(entries: Sequence[Entry]) -> Sequence[Score]:
    """Of the last time that anything was measured."""
    for entry in reversed(entries):
        if entry.event.scores:
            return entry.event.scores
    return ()


def _told(score: Score) -> str:
    if score.score is None or score.ci95 is None:
        return "not measured"
    low, high = score.ci95
    return f"{score.score:.2f}, 95% interval {low:.2f} to {high:.2f}, of {score.n}"


def _minutes(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC")
