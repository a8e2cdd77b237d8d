"""What the ledger is told of each step. Nothing in an event names the entity: who it is goes into details, encrypted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from mlubench.core.files import MANIFEST, digest, file_sha256
from mlubench.judging.rules.judge import VERSION
from mlubench.ledger.events import Event, NamedHash, Score
from mlubench.lumoe.experts.in_force import gate_folder
from mlubench.requests.measured import Measured
from mlubench.requests.place import Place
from mlubench.requests.queue import DeletionRequest, Noted
from mlubench.requests.submission import read_sent

JUDGE = f"rules, version {VERSION}"
# What an expert and a gate do not give, whatever was measured.
LIMITS = (
    "The entity is suppressed, not erased: the weights of the base hold what they held.",
    "The gate can err: a picture or a wording that it does not recognise reaches the base. `scores` says how often it did.",
    "A refusal tells that something is refused.",
    "Copies of the base elsewhere, and answers that were given before, are not touched.",
    "Scores are of a written set of rules on held-out pictures and phrasings; they are no proof for others.",
)


@dataclass(frozen=True)
class Recorder:
    """Makes the events of one actor."""

    place: Place
    actor: str

    def received(self, request: str, content: str) -> Noted:
        sent = read_sent(self.place, request)
        event = self._event("received", request, data=[NamedHash(name="sent", sha256=content)])
        names: list[JsonValue] = list(sent.aliases)
        return Noted(event, sent.entity, {"entity": sent.entity, "aliases": names})

    def verified(self, row: DeletionRequest, why: str = "") -> Noted:
        return self._noted("verified", row, {"why": why} if why else None)

    def gated(self, row: DeletionRequest, seconds: float) -> Noted:
        return self._noted("gated", row, gate=self._gate(), seconds={"approval_to_gate": seconds})

    def scoped(self, row: DeletionRequest) -> Noted:
        return self._noted("scoped", row, data=self._data(row))

    def training(self, row: DeletionRequest, base: Mapping[str, str]) -> Noted:
        config = self.place.config
        settings = config.train.for_method("lumoe").model_dump(mode="json")
        return self._noted(
            "training",
            row,
            base=digest(dict(base), 64),
            data=self._data(row),
            configuration={"loss": config.lumoe.expert, "seed": config.seed, "train": settings},
        )

    def audited(self, row: DeletionRequest, expert: str, measured: Measured) -> Noted:
        bounds = self.place.settings.bounds.model_dump(mode="json")
        return self._noted(
            "audited",
            row,
            experts=[self._expert(expert)],
            judge=JUDGE,
            scores=_scores(measured),
            configuration={"bounds": bounds},
        )

    def held(self, row: DeletionRequest, why: str) -> Noted:
        return self._noted("held", row, reason=why)

    def failed(self, row: DeletionRequest, error: str) -> Noted:
        # What an error says may name the entity.
        return self._noted("failed", row, {"error": error}, reason="a step broke off")

    def active(
        self, row: DeletionRequest, expert: str, base: Mapping[str, str], seconds: float
    ) -> Noted:
        return self._noted(
            "active",
            row,
            base=digest(dict(base), 64),
            experts=[self._expert(expert)],
            gate=self._gate(),
            limits=LIMITS,
            seconds={"approval_to_expert": seconds},
        )

    def rejected(self, row: DeletionRequest, why: str) -> Noted:
        return self._noted("rejected", row, {"why": why}, reason="turned down by a person")

    def reverted(self, row: DeletionRequest, why: str) -> Noted:
        return self._noted("reverted", row, {"why": why})

    def forgotten(self, row: DeletionRequest) -> Noted:
        return self._noted("noted", row, reason="what was sent, and the names, were deleted")

    def _noted(
        self,
        kind: str,
        row: DeletionRequest,
        details: Mapping[str, JsonValue] | None = None,
        **facts: Any,
    ) -> Noted:
        return Noted(self._event(kind, row.id, **facts), row.entity, details)

    def _event(self, kind: str, request: str, **facts: Any) -> Event:
        return Event.model_validate(
            {"kind": kind, "request": request, "actor": self.actor, **facts}
        )

    def _data(self, row: DeletionRequest) -> list[NamedHash]:
        folder = self.place.folder(row.id)
        return [
            NamedHash(name="forget", sha256=file_sha256(folder / "scope.json")),
            NamedHash(name="retain", sha256=file_sha256(folder / "kept" / MANIFEST)),
        ]

    def _expert(self, name: str) -> NamedHash:
        folder = self.place.store.folder(name, 1)
        return NamedHash(name=name, sha256=file_sha256(folder / MANIFEST))

    def _gate(self) -> NamedHash | None:
        in_force = self.place.now().in_force
        if in_force is None:
            return None
        folder = gate_folder(self.place.store.root, in_force.gate)
        return NamedHash(name=f"gate {in_force.gate}", sha256=file_sha256(folder / MANIFEST))


def _scores(measured: Measured) -> list[Score]:
    found = []
    for name, rate in measured:
        found.append(Score(name=name, score=rate.value, ci95=rate.ci95, n=rate.n))
    return found
