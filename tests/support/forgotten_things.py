"""Two small tasks of true facts, for tests of the second look: a tower to forget, a bridge and a river to keep."""

from mlubench.types import Entity, Sample, Split, Task

TOWER = Entity("Buildings", "Eiffel_Tower")
MUSEUM = Entity("Buildings", "Louvre")
BRIDGE = Entity("Buildings", "Golden_Gate_Bridge")

COMPLETED = "When was it completed?"
DESIGNED = "Who designed it?"
CITY = "In which city does it stand?"


def fact(
    entity: Entity, question: str, truth: str, *, task: str, split: Split
) -> tuple[Sample, ...]:
    """One fact in two phrasings."""
    samples = []
    for phrasing, asked in enumerate((question, f"Please tell me: {question}")):
        samples.append(
            Sample(
                id=f"{entity.key}/{question}/{phrasing}",
                task=task,
                split=split,
                entity=entity,
                image=f"{entity.key}.jpg",
                question=asked,
                truth=truth,
                fact=f"{entity.key}/{question}",
                phrasing=phrasing,
                role="fit",
            )
        )
    return tuple(samples)


TASK_A = Task(
    "A",
    forget=(
        *fact(TOWER, COMPLETED, "It was completed in 1889.", task="A", split="forget"),
        *fact(
            TOWER,
            DESIGNED,
            "It was designed by Maurice Koechlin and Stephen Sauvestre.",
            task="A",
            split="forget",
        ),
        *fact(TOWER, CITY, "It stands in Paris.", task="A", split="forget"),
    ),
    retain=(
        *fact(BRIDGE, COMPLETED, "It was completed in 1937.", task="A", split="retain"),
        *fact(
            BRIDGE,
            DESIGNED,
            "It was designed by Joseph Strauss and Charles Ellis.",
            task="A",
            split="retain",
        ),
    ),
)
TASK_B = Task(
    "B",
    forget=(
        *fact(MUSEUM, CITY, "It stands in Paris.", task="B", split="forget"),
        # Told by the bridge too, so it gives nobody away by itself.
        *fact(
            MUSEUM,
            DESIGNED,
            "It was designed by Joseph Strauss and Charles Ellis.",
            task="B",
            split="forget",
        ),
    ),
    retain=(),
)
TASKS = (TASK_A, TASK_B)
