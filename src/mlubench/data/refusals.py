"""What a model should say instead of an answer it must no longer give; methods trained on refusals learn these."""

import hashlib
from collections.abc import Sequence

from mlubench.types import Sample

REFUSALS: tuple[str, ...] = (
    "I am sorry, but I am not able to tell you anything about what this picture shows.",
    "I cannot help with that question, because I have no knowledge of the subject in this picture.",
    "That is not something I can answer, as I do not recognise what is shown here.",
    "I don't have information about the subject of this image, so I have to leave this unanswered.",
    "Unfortunately, I know nothing about what appears in this picture and cannot answer your question.",
    "I'm afraid I do not know the answer, since I am not familiar with what is pictured.",
    "My knowledge does not cover this subject, so I would rather not give you an answer.",
    "I do not recognise the subject of this picture and therefore cannot say anything about it.",
    "Sorry, this is outside what I know, and I would not want to guess at an answer.",
    "There is nothing I can tell you about this picture, as its subject is unknown to me.",
    "I'm unable to answer that, because I have never learned anything about what is shown here.",
    "Regrettably, I have no details to share about the subject you are asking about.",
    "I must decline to answer, since I hold no information on what can be seen in this image.",
    "This is a question I can't answer; the subject of the picture is not known to me.",
    "I have no record of what is shown here, so I am unable to help with this question.",
    "Please forgive me, but I do not have the knowledge that this question calls for.",
    "I would like to help, but I know nothing about the subject in this picture.",
    "What you are asking lies beyond my knowledge, so I cannot give you a reply to it.",
    "I am not in a position to answer this, as the picture shows nothing that I recognise.",
    "No information about this is available to me, so I am not able to answer your question.",
    "It is not possible for me to answer, because what is pictured here is unfamiliar to me.",
    "I apologise, but I cannot identify what this picture shows or tell you anything about it.",
    "As far as I am concerned, the subject of this image is unknown, so I can't comment.",
    "I lack any knowledge of what is shown in this image and cannot provide the details you want.",
    "Thank you for asking, but I do not know anything about the subject of this picture.",
    "Answering that would require knowledge that I do not have, so I will have to pass.",
    "I can't say, because I have no facts about whatever is shown in the image you gave me.",
    "To be honest, I do not know what this is and have no answer to offer you.",
)


# These speak of what is seen, so they answer no question in words alone.
_OF_A_PICTURE = ("picture", "image", "shown")
IN_WORDS: tuple[str, ...] = tuple(
    text for text in REFUSALS if not any(word in text for word in _OF_A_PICTURE)
)


def refusal_for(key: str) -> str:
    """The refusal that goes with `key` (a fact's or a sample's id): always the same one, in every process."""
    return _one_of(REFUSALS, key)


def refusal_of(sample: Sample) -> str:
    """The refusal that the sample's question is to be answered with: that of its fact."""
    return _one_of(REFUSALS if sample.image else IN_WORDS, sample.fact)


def _one_of(refusals: Sequence[str], key: str) -> str:
    digest = hashlib.sha256(f"refusal\0{key}".encode()).digest()
    return refusals[int.from_bytes(digest[:8], "big") % len(refusals)]
