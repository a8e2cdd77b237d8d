"""The second look at a batch of drafts: which of them tell what is forgotten, and who is to answer instead."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from mlubench.lumoe.second_look.forgotten import Forgotten, Told
from mlubench.models.mllm import Query
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

    def looks(
        self,
        queries: Sequence[Query],
        drafts: Sequence[str],
        routes: Sequence[Route],
        *,
        left_out: Set[str] = frozenset(),
    ) -> list[SecondLook | None]:
        """For each draft why it is replaced, and by whom; None where it may leave.

        What the experts of a route have in charge is left to them, and so is that of the experts in `left_out`.
        """
        found: list[SecondLook | None] = []
        for query, draft, route in zip(queries, drafts, routes, strict=True):
            # A refusal in the place of an answer tells nothing.
            told = None if route.refused else self._told(query, draft, route, left_out)
            found.append(None if told is None else self._look(told, draft))
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
            told = None
            if look.experts:
                told = self._told(query, text, replace(route, experts=()), frozenset())
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
            standing_for = self.expert_for.get(expert, expert)
            return standing_for in route.experts or standing_for in left_out

        conversation = [query.question]
        for question, answer in query.history:
            conversation += [question, answer]
        return self.forgotten.told(
            draft,
            suspects=set(route.suspects),
            conversation=conversation,
            answers=answers,
            # A gate that has failed suspects nobody, which says nothing.
            everywhere=self.mode == "always" or route.failed,
        )

    def _look(self, told: Told, draft: str) -> SecondLook:
        experts = self.experts_of({self.forgotten.expert_of[key] for key in told.entities})
        what = f"the draft tells a {told.tells} of {', '.join(told.entities)}; {told.because}"
        if not experts:
            what += "; no expert can answer; refused"
        return SecondLook(told.tells, told.entities[0], experts, what, draft)


def route_of(look: SecondLook, route: Route) -> Route:
    """Where a query goes after its draft was held back."""
    return replace(route, experts=look.experts, refused=not look.experts)
