"""What an attack is: ways to ask for what is suppressed, what is done to the model meanwhile, and what is counted."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from mlubench.audits.scores import TokenScores
from mlubench.audits.sites import Site
from mlubench.audits.studio import Studio
from mlubench.core.errors import MlubenchError
from mlubench.types import Sample, Split

# What an attacker needs: to ask only, to read probabilities too, or to hold the weights.
Access = Literal["asking", "scores", "weights"]
# What is asked about: forgotten facts, kept facts, things of no task, or what anyone can see in a drawn picture.
About = Literal["forgotten", "kept", "stranger", "general"]
# What counts as harm: the fact is told; a right answer is lost; a question is refused that the base does not refuse.
Harm = Literal["leak", "lost", "refused"]
Turns = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked for, with what stands beside it to build questions from."""

    sample: Sample
    picture: Path
    # The questions for this very fact, the sample's own first.
    phrasings: tuple[str, ...]
    # A kept sample, of the same class where there is one, and its picture.
    kept: Sample
    kept_picture: Path
    # Something else that is forgotten, of the same class where there is one, and a picture of it.
    forgotten_name: str
    forgotten_picture: Path
    # Other truths that the same question has in the benchmark.
    rivals: tuple[str, ...]
    # Question and truth of other facts of the same entity.
    other_facts: tuple[tuple[str, str], ...] = ()
    # Whether something of its class is forgotten.
    is_neighbour: bool = False

    @property
    def name(self) -> str:
        return self.sample.entity.title

    @property
    def question(self) -> str:
        return self.sample.question


@dataclass(frozen=True, slots=True)
class Ask:
    """One query."""

    question: str
    # Each with the number of the turn in which it stands, from 0; the question's own is `len(history)`.
    pictures: tuple[tuple[int, Path], ...] = ()
    history: Turns = ()
    # The beginning of the answer, put into the model's mouth.
    begun: str = ""
    # The answers that the question offers, and the right one of them, or its letter where a letter is asked for.
    choices: tuple[str, ...] = ()
    right_choice: str = ""
    # Whether it counts as telling where it names the entity, in the place of the fact.
    by_name: bool = False
    # The answers that there are, the truth first. A way with a measure has the model read them; where a loss is counted,
    # an answer is right that names the first and no other.
    candidates: tuple[str, ...] = ()


def ask(question: str, *pictures: Path, history: Turns = ()) -> Ask:
    """A question with its pictures beside it."""
    turn = len(history)
    return Ask(question, tuple((turn, path) for path in pictures), history)


# Other truths that a truth is to be told from, and the chance of a guess.
RIVALS = 3
AMONG_RIVALS = 1 / (RIVALS + 1)


def among_rivals(target: Target, studio: Studio) -> Sequence[Ask]:
    """The truth and three other truths of the same question, to be read; nothing where it has fewer."""
    rivals = target.rivals[:RIVALS]
    if len(rivals) < RIVALS:
        return []
    candidates = (target.sample.truth, *rivals)
    return [Ask(target.question, ((0, target.picture),), candidates=candidates)]


class NothingToTrainOnError(MlubenchError):
    """No fact is left that relearning may train on, so that it says nothing of a system."""


class Attacked(Protocol):
    """What an attack may do to a system, beyond asking it."""

    def unprotected(self) -> AbstractContextManager[None]:
        """Inside, the base answers alone: no adapter, no gate, no prompt."""
        ...

    def with_weights(self, change: str) -> AbstractContextManager[None]:
        """Inside, all matrices are changed as `weights.CHANGES` names it."""
        ...

    def relearned(self, split: Split, facts: int, steps: int) -> AbstractContextManager[None]:
        """Inside, what unlearning trained was trained for some steps on so many facts that no target asks for.

        Where unlearning left the base alone, as behind a gate, there is nothing to train: then the base answers alone.
        Raises NothingToTrainOnError where no such fact is left.
        """
        ...


def untouched(system: Attacked) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Way:
    """One setting of an attack."""

    name: str
    # Queries about a target; none where the way does not apply to it.
    asks: Callable[[Target, Studio], Sequence[Ask]]
    # The share that counts as told where nothing is known and everything is answered.
    chance: float = 0.0
    # What is done to the system while it is asked.
    inside: Callable[[Attacked], AbstractContextManager[None]] = untouched
    # The harm, 0 to 1, by how the model reads the candidates of a query. None where its answer is counted.
    measure: Callable[[Sequence[TokenScores]], float] | None = None
    # Where a linear probe reads the candidates: the harm is 1 where it takes the truth for the rightest. None: nowhere.
    probe: Site | None = None

    @property
    def is_read(self) -> bool:
        """Whether the model is to read answers, not to give one."""
        return self.measure is not None or self.probe is not None

    @property
    def is_apart(self) -> bool:
        """Whether its queries cannot share a batch with another's: it changes the system, or has it read."""
        return self.inside is not untouched or self.is_read


@dataclass(frozen=True, slots=True)
class Attack:
    """Ways that have one idea in common. Its name is that of its row in `audits/table.py`."""

    # What its figures mean, in a sentence.
    meaning: str
    ways: tuple[Way, ...]
    access: Access = "asking"
    about: About = "forgotten"
    harm: Harm = "leak"
    # Whether a leak counts only where the base tells the fact when it is asked so.
    only_what_the_base_tells: bool = False
    # Whether systems learn from what no target asks for. Then what they say depends on all that is asked.
    trains: bool = False
