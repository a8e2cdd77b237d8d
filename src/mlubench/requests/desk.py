"""What people do with requests: send one in, approve it, reject it, take it out again."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.core.locks import locked
from mlubench.experiment.prepare import open_base
from mlubench.ledger.events import require_actor
from mlubench.ledger.subjects import one_spelling
from mlubench.lumoe.engine.opening import load_base
from mlubench.lumoe.gates.base import ExtendableGate, ModelAccess, ReleasingGate
from mlubench.lumoe.gates.making import gate_class
from mlubench.models.mllm import MLLM
from mlubench.requests.forgetting import forget, has_ended_before
from mlubench.requests.gate_entry import GateWork, cannot_learn
from mlubench.requests.kept import KeptSet, open_kept
from mlubench.requests.place import Place
from mlubench.requests.preview import Preview, preview
from mlubench.requests.queue import DeletionRequest, Queue, id_of, now, require_same
from mlubench.requests.recording import Recorder
from mlubench.requests.rows import seconds_between
from mlubench.requests.states import ENDED
from mlubench.requests.submission import Answered, Submission, look_through, read_sent, take_in
from mlubench.types import Entity


@dataclass
class Desk:
    """A store's requests, and what working on them takes. The base is loaded when it is first needed."""

    place: Place
    queue: Queue
    # Who does what is done here, as the ledger names them.
    actor: str
    # Where the base lies, where the store does not say it; or the base itself.
    base: MLLM | Path | str | None = None

    @classmethod
    def open(
        cls, path: Path, base: MLLM | Path | str | None = None, *, actor: str = "operator"
    ) -> "Desk":
        """Raises UsageError where there is no store of experts, or no name of who works at it."""
        require_actor(actor)
        place = Place(path)
        # Before anything is made there.
        _ = place.before
        return cls(place, Queue(place.ledger()), actor, base)

    @cached_property
    def mllm(self) -> MLLM:
        if self.base is None and self.place.is_run and self.place.before.base is None:
            assert self.kept.benchmark is not None
            return open_base(self.place.config, self.kept.benchmark)
        return load_base(self.place.before, self.base)

    @cached_property
    def base_hashes(self) -> Mapping[str, str]:
        return self.mllm.weight_hashes()

    @cached_property
    def kept(self) -> KeptSet:
        return open_kept(self.place)

    @property
    def gate(self) -> GateWork:
        return GateWork(self.place, self.mllm, self.kept)

    @property
    def record(self) -> Recorder:
        return Recorder(self.place, self.actor)

    def submit(
        self,
        entity: Entity,
        pictures: Path,
        *,
        answers: Sequence[Answered] = (),
        aliases: Sequence[str] = (),
        key: str | None = None,
    ) -> tuple[DeletionRequest, bool]:
        """The request, and whether it is new. Raises UsageError for what cannot be taken in."""
        submission = look_through(
            entity,
            pictures,
            answers=answers,
            aliases=aliases,
            fewest=self.place.settings.fewest_pictures,
        )
        return self.take(submission, key)

    def take(self, submission: Submission, key: str | None = None) -> tuple[DeletionRequest, bool]:
        """The same of what was looked through already. The files are there before the request is acknowledged."""
        wanted = key or submission.content
        there = self.queue.find(wanted)
        if there is not None:
            require_same(there, wanted, submission.content)
            return there, False
        self._require_new(submission.entity)
        self._require_known_spelling(submission.entity)
        self._require_room(submission.entity)
        take_in(self.place, id_of(wanted), submission)
        return self.queue.add(
            wanted,
            submission.content,
            submission.entity.key,
            self.place.settings.days,
            self.record.received(id_of(wanted), submission.content),
        )

    def _require_new(self, entity: Entity) -> None:
        """Raises UsageError for an entity that an expert or a request of the store has in charge already."""
        source = self.place.now()
        # As the ledger takes names: who writes one in another case does not mean somebody else.
        wanted = one_spelling(entity.key)
        for request in source.requests:
            if one_spelling(read_sent(self.place, request).entity) == wanted:
                raise UsageError(
                    f"{entity.key} is suppressed already, by request {request}",
                    "Revert that request first, if it is to be made anew.",
                )
        answering = {source.requests.get(task, task) for task in source.tasks}
        for row in self.place.store.listing():
            in_charge = {one_spelling(key) for key in row["entities"] or ()}
            if row["expert"] in answering and wanted in in_charge:
                raise UsageError(
                    f"{entity.key} is suppressed already, by expert {row['expert']}",
                    "Revert that request first, if it is to be made anew.",
                )

    def _require_known_spelling(self, entity: Entity) -> None:
        """Raises UsageError for what must stay, spelt otherwise: the gate would go on keeping it beside the request."""
        wanted = one_spelling(entity.key)
        for kept in {sample.entity for sample in self.kept.samples} - {entity}:
            if one_spelling(kept.key) == wanted:
                raise UsageError(
                    f"{entity.key} is spelt {kept.key} in what must stay here",
                    f"Name it so: --entity '{kept.key}'.",
                )

    def _require_room(self, entity: Entity) -> None:
        """Raises UsageError where the store's gate could never learn a request about the entity."""
        before = self.place.before
        kind = gate_class(before.gate)
        if not issubclass(kind, ExtendableGate):
            error = cannot_learn(before.gate)
            raise UsageError(error.what, error.hint)
        # Another cannot be opened without what it asks with.
        if kind.local and issubclass(kind, ReleasingGate):
            has_background = self.place.is_run or self.kept.background != ""
            try:
                self._gate_that_came.require_room(entity.key, has_background=has_background)
            except MlubenchError as error:
                raise UsageError(error.what, error.hint) from None

    @cached_property
    def _gate_that_came(self) -> ReleasingGate:
        """The one that came with the store. It is not asked for a route, and so needs no base."""
        gate = self.place.before.fitted_gate(ModelAccess(self.place.config.gates))
        assert isinstance(gate, ReleasingGate)
        return gate

    def preview(self, request: str) -> Preview:
        """What the gate would do if the request were approved now. It stays as it is."""
        return preview(self.gate, self.queue.get(request))

    def approve(self, request: str, why: str = "") -> DeletionRequest:
        """From here on the gate refuses the request; the worker does the rest.

        Where it was cut off, as by a full disk, the same call goes on.
        """
        self.place.root.mkdir(parents=True, exist_ok=True)
        # One approval after another: of two about one entity the second is to see that the first is in effect.
        with locked(self.place.root / ".approval.lock"):
            row = self.queue.get(request)
            if row.state == "verified" and row.gate_since is None:
                return self.put_in_gate(row)
            if row.state == "received":
                self._require_new(Entity.from_key(row.entity))
            row = self.queue.move(row, "verified", self.record.verified(row, why), approved=now())
            return self.put_in_gate(row)

    def put_in_gate(self, row: DeletionRequest) -> DeletionRequest:
        """Have the gate refuse the request, where it does not yet."""
        if row.gate_since is not None:
            return row
        self.gate.put_in(row.id)
        since = now()
        seconds = seconds_between(row.approved, since) or 0.0
        return self.queue.note(row, self.record.gated(row, seconds), gate_since=since)

    def reject(self, request: str, why: str) -> DeletionRequest:
        """The request will never be in effect."""
        row = self.queue.get(request)
        noted = self.record.rejected(row, why)
        return self.queue.move(row, "rejected", noted, ended=now(), why=why)

    def revert(self, request: str, why: str = "") -> DeletionRequest:
        """Take the request out: answers are again what they were without it."""
        row = self.queue.get(request)
        if row.state != "reverted":
            # The ledger is told once it is done.
            row = self.queue.move(row, "reverted", None, why=why)
        return self.finish_reverting(row)

    def finish_reverting(self, row: DeletionRequest) -> DeletionRequest:
        """What is left to do of a request that was reverted: nothing, or what a crash has cut off."""
        in_force = self.place.now().requests
        if row.id in in_force:
            self.gate.take_out(row.id)
        # A worker that was at it may have written the expert later.
        if row.expert is not None and self._is_of_no_use(row.expert):
            shutil.rmtree(self.place.store.folder(row.expert, 1), ignore_errors=True)
        if row.ended is not None:
            return row
        return self.queue.note(row, self.record.reverted(row, row.why), ended=now())

    def forget(self, request: str) -> DeletionRequest:
        """Delete what was sent, and the names, of a request that has ended. The ledger stays."""
        return forget(self.place, self.queue, self.record, self.queue.get(request))

    def forget_what_is_past(self) -> None:
        """The same of all that have ended so long ago as the settings say."""
        days = self.place.settings.ended_days
        if days is None:
            return
        for row in self.queue.all(*ENDED):
            if row.forgotten is None and has_ended_before(row, days):
                forget(self.place, self.queue, self.record, row)

    def _is_of_no_use(self, expert: str) -> bool:
        """Whether every request that the expert was trained for was taken out."""
        return all(row.state == "reverted" for row in self.queue.of_expert(expert))
