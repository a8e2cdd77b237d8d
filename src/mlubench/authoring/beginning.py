"""The first half of a build: entities, pictures, questions, answers."""

from mlubench.authoring import answers, entities, pictures, questions

STAGES = (entities.STAGE, pictures.STAGE, questions.STAGE, answers.STAGE)
