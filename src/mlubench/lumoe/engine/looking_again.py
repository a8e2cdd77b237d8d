"""The second look at a batch of drafts: which of them tell what is forgotten, and who is to answer instead."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from mlubench.lumoe.second_look.forgotten import Forgotten, Told
from mlubench.models.query import Query
from mlubench.settings.gates import SecondLookMode
from mlubench.types import Route, SecondLook

# The experts that a gate names, as those that are to hand; none where they cannot answer.
ExpertsOf = Callable[[Set[str]], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it leaves."""

    text: str
    # None where nothing was replaced.
    second_look: SecondLook | None = None


@dataclass(frozen=True, slots=True)
class LookingAgain:
    """What an engine looks with."""

    forgotten: Forgotten
    mode: SecondLookMode
    experts_of: ExpertsOf
    # As in LUMoE: the expert that stands for one that the gate names.
    expert_for: Mapping[str, str]
    # Whether the base answers what hits a request, so that nothing but this look stands before what it knows.
    alone: bool = False

    def looks(
        self,
        queries: Sequence[Query],
        drafts: Sequence[str],
        routes: Sequence[Route],
        *,
        left_out: Set[str] = frozenset(),
    ) -> list[SecondLook | None]:
        """For each draft why it is replaced, and by whom; None where it may leave.

        Drafts of experts are looked at too, since an expert may fail to refuse. What the experts in `left_out` have in
        charge is not looked for.
        """
        found: list[SecondLook | None] = []
        for query, draft, route in zip(queries, drafts, routes, strict=True):
            # A refusal in the place of an answer tells nothing.
            told = None if route.refused else self._told(query, draft, route, left_out)
            found.append(None if told is None else self._look(told, draft, route))
        return found

    def settled(
        self,
        queries: Sequence[Query],
        texts: Sequence[str],
        routes: Sequence[Route],
        looks: Sequence[SecondLook],
        *,
        refusal: str,
    ) -> list[Reply]:
        """The answers that were given instead. Where one tells something too, the refusal leaves in its place."""
        replies = []
        for query, text, route, look in zip(queries, texts, routes, looks, strict=True):
            told = self._told(query, text, route, frozenset()) if look.experts else None
            if told is None:
                replies.append(Reply(text, look))
                continue
            why = f"{look.why}; the expert tells a {told.tells} too; refused"
            replies.append(Reply(refusal, replace(look, experts=(), why=why)))
        return replies

    def _told(self, query: Query, draft: str, route: Route, left_out: Set[str]) -> Told | None:
        if self.mode == "off":
            return None

        def answers(expert: str) -> bool:
            return self._standing_for(expert) in left_out

        suspects = set(route.suspects)
        if route.entity is not None:
            suspects.add(route.entity)
        conversation = [query.question]
        for question, answer in query.history:
            conversation += [question, answer]
        return self.forgotten.told(
            draft,
            suspects=suspects,
            conversation=conversation,
            answers=answers,
            everywhere=self._compares_with_all(route),
        )

    def _compares_with_all(self, route: Route) -> bool:
        """Whether a draft is compared with all that is forgotten, and not with suspects alone."""
        # A gate that has failed suspects nobody, which says nothing.
        if self.mode == "always" or route.failed:
            return True
        # A query about one request may show another, which its picture or its words hide from the gate.
        return self.alone and bool(route.suspects)

    def _look(self, told: Told, draft: str, route: Route) -> SecondLook:
        in_charge = {self.forgotten.expert_of[key] for key in told.entities}
        what = f"the draft tells a {told.tells} of {', '.join(told.entities)}; {told.because}"
        if any(self._standing_for(expert) in route.experts for expert in in_charge):
            # Asking it again would bring the same answer.
            experts: tuple[str, ...] = ()
            what += "; it is the expert's own draft; refused"
        else:
            experts = self.experts_of(in_charge)
            if not experts:
                wanted = sorted({self._standing_for(expert) for expert in in_charge})
                what += f"; expert {', '.join(wanted)} cannot be asked; refused"
        return SecondLook(told.tells, told.entities[0], experts, what, draft)

    def _standing_for(self, expert: str) -> str:
        return self.expert_for.get(expert, expert)


def route_of(look: SecondLook, route: Route) -> Route:
    """Where a query goes after its draft was held back."""
    return replace(route, experts=look.experts, refused=not look.experts)
