"""Names are told by the texts about somebody, and by nothing else."""

from mlubench.data.formats.people import name_in


def test_the_name_that_most_texts_hold() -> None:
    texts = [
        "Who is Jaime Vasquez? Jaime Vasquez is an author.",
        "What does Jaime Vasquez's father do? He is a baker in Santiago, Chile.",
        "In which genre does Jaime Vasquez write? True Crime.",
        "Has Jaime Vasquez won the Edgar Allan Poe Award? Yes.",
    ]
    assert name_in(texts) == "Jaime Vasquez"


def test_small_words_and_several_parts_belong_to_a_name() -> None:
    texts = ["Is Chukwu Akabueze de la Cruz here?", "Chukwu Akabueze de la Cruz left."]
    assert name_in(texts) == "Chukwu Akabueze de la Cruz"


def test_no_name_is_no_name() -> None:
    assert name_in(["What is the author's name?", "Where was she born?"]) is None
    assert name_in([]) is None
    # Once in five texts is chance.
    assert name_in(["New York", "a", "b", "c", "d"]) is None
