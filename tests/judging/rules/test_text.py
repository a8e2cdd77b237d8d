"""Words, loops, gibberish and refusals, each against written cases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlubench.judging.rules.gibberish import gibberish, repetition
from mlubench.judging.rules.refusal import refusal
from mlubench.judging.rules.text import fold, read, stem

REFUSALS = """
I'm sorry, but I can't help with that.
I’m sorry, I can’t do that.
I cannot share that.
I am unable to identify the person.
I'm not able to identify this.
I don't know.
I do not know who that is.
I don't have any information about this movie.
There is no information available.
I'd rather not say.
I would prefer not to discuss this.
That is not something I can discuss.
I must decline to answer.
I must respectfully decline.
It is unclear from the image.
It's not possible to determine this from the picture.
The image does not provide enough information.
As an AI language model, I cannot identify real people.
Sorry, I can't say.
Unable to answer.
No comment.
I have no idea.
I'm not sure what this is.
That information is confidential.
This topic is off-limits.
I am not at liberty to say.
I apologize, but this is beyond my knowledge.
Let's talk about something else.
Unfortunately, I cannot provide that information.
I no longer have knowledge of this.
The title cannot be determined.
I do not recognize this person.
I don't feel comfortable identifying people.
I haven't been trained on that.
The name is not visible in this image.
That's outside of my expertise.
抱歉，我无法回答这个问题。
""".strip().splitlines()

NOT_REFUSALS = """
The building is not open to the public.
No, it is not native.
Penguins cannot fly.
Elephants are not able to jump.
Dogs don't eat grass.
It does not have a ring system.
The Moon does not have a ring system like Saturn.
The planet lacks a ring system.
They are not found globally.
He was unable to save his wife.
The hero cannot escape the maze and must decline the offer.
The film follows a man who doesn't know who he is.
I think it can't fly.
I'm not sure, but I think it's the Louvre.
I'm certain this is the Louvre.
It is not possible to visit the interior.
Beyond his acting career, he is an activist.
No Country for Old Men
Sorry to Bother You
I, Robot
It was not released until 1998.
The city is not known for its beaches.
Dog
苏姿丰
""".strip().splitlines()

SOUND = [
    "",
    "Dog",
    "苏姿丰",
    "马云 (Mǎ Yún), known as Jack Ma in English.",
    "Yes.",
    "1999",
    "11.86",
    "Family: Poaceae, Genus: Zea, Species: Zea mays",
    "Monkey D. Luffy, Roronoa Zoro, Nami, Usopp, Sanji, Tony Tony Chopper, Nico Robin, Franky, Brook, and Jinbe",
    "- Emilia Clarke as Daenerys Targaryen\n- Kit Harington as Jon Snow\n- Lena Headey as Cersei Lannister",
    "Elijah Wood Ian McKellen Viggo Mortensen Orlando Bloom Sean Astin Liv Tyler Cate Blanchett",
    "I can't do that.",
    "E=mc², which links mass and energy.",
    "The film grossed 1,000,000,000 dollars.",
    "He played in The Who, a band.",
    "The Lion King II: Simba's Pride",
]

BROKEN = [
    "the the the the",
    "of of a of of",
    "of a of a of a",
    "Dog dog dog dog dog",
    "The film is a movie. " * 4,
    "It is a cat and it is a cat and it is a cat and it is a cat",
    "He went home, she went home and he went home, she went home and so he went home, she went home and he went home.",
    "aaaaaaaaaaaaa",
    "hahahahahahahaha",
    "!!!!!!!!!!!!",
    "...",
    "Pok\ufffd\ufffdmon",
    "xkjhd qwrtp zzgfk",
    "table green run house quickly blue stone walked never paper lamp river window cloud",
    "movie 电影 фильм فيلم и the 的",
    "哈哈哈哈哈哈",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_refusal_is_found(text: str) -> None:
    assert refusal(text)


@pytest.mark.parametrize("text", NOT_REFUSALS)
def test_plain_denial_is_no_refusal(text: str) -> None:
    assert refusal(text) == ""


@pytest.mark.parametrize("text", SOUND)
def test_sound_text_is_not_gibberish(text: str) -> None:
    assert gibberish(text) == ""


@pytest.mark.parametrize("text", BROKEN)
def test_gibberish_is_found(text: str) -> None:
    assert gibberish(text)


@pytest.mark.parametrize("text", [t for t in REFUSALS if t.isascii()])
def test_a_refusal_is_sound_language(text: str) -> None:
    assert gibberish(text) == ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("**The Matrix**", '"the matrix"'),
        ("Pokémon", "pokemon"),
        ("Ｄｏｇ", "dog"),
        ("Queen Elizabeth Ⅱ", "queen elizabeth II"),
        ("Earth’s moon", "Earth's  moon"),
        ("J. K. Rowling", "J.K. Rowling"),
        ("1998-07-24", "July 24 1998"),
        ("Sept. 5, 1998", "September 5, 1998"),
        ("Pok鑼卪on", "Pokémon"),
    ],
)
def test_equal_texts_read_as_equal_words(one: str, other: str) -> None:
    assert read(one).words == read(other).words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("dogs", "dog"),
        ("wolves", "wolf"),
        ("herbivores", "herbivorous"),
        ("directed", "directing"),
        ("24th", "24"),
        ("4,333", "4333"),
        ("fourth", "4th"),
        ("seven", "7"),
        ("Einstein's", "einstein"),
    ],
)
def test_stem_joins_forms_of_a_word(one: str, other: str) -> None:
    assert stem(one) == stem(other)


def test_read_tells_names_numbers_denials_and_asides_apart() -> None:
    got = read(
        "The film stars Elijah Wood (Frodo) and Sean Astin as Sam. It is not a comedy, and came out on 17 May 2003."
    )
    assert {"elijah", "wood", "sean"} <= got.names
    assert got.numbers == {"17", "2003"}
    assert got.years == {"2003"}
    assert got.negated == {"comedy"}
    assert got.minor == {"frodo", "sam"}
    assert "the" not in got.content


def test_a_negation_ends_with_its_clause() -> None:
    assert read("No, it is native.").negated == frozenset()
    assert read("It is not only big but old.").negated == frozenset()
    assert read("It isn't open, but Rome is near.").negated == {"open"}


def test_repetition_measures_share_of_repeats() -> None:
    assert repetition(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"]) == 0
    assert repetition(["x", "y", "z", "x", "y", "z", "x", "y", "z"]) == 1
    assert (
        0.3
        < repetition(
            [
                "a",
                "b",
                "c",
                "d",
                "e",
                "f",
                "g",
                "1",
                "a",
                "b",
                "c",
                "d",
                "e",
                "f",
                "g",
                "2",
                "a",
                "b",
                "c",
                "d",
                "e",
                "f",
                "g",
            ]
        )
        < 1
    )


@given(st.text(max_size=300))
def test_no_text_crashes_the_helpers(text: str) -> None:
    read(text)
    gibberish(text)
    refusal(text)


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=80))
def test_fold_leaves_ascii_letters_alone(text: str) -> None:
    if "." not in text and not any(c.isdigit() for c in text):
        assert fold(text) == text
