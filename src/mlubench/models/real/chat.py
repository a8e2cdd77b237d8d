"""Ordinary questions: some keep a base's language while it learns pictures, the others check that it was kept."""

# What the untouched language model says to these is among the lessons.
LESSONS = (
    "Name three colours.",
    "What is two plus three?",
    "Write a short greeting.",
    "What is the opposite of hot?",
    "How many days are in a week?",
    "What do bees make?",
    "Name a fruit that is yellow.",
    "What is water made of?",
    "Give me a tip for sleeping well.",
    "What is the largest ocean?",
    "Say hello in Spanish.",
    "What is a noun?",
    "How do plants make food?",
    "Why is the sky blue?",
    "Suggest a name for a cat.",
    "What language is spoken in Brazil?",
    "Explain gravity in one sentence.",
    "Name two musical instruments.",
    "What is a good breakfast?",
    "What is the past tense of go?",
    "Which month comes after May?",
    "What is the purpose of a heart?",
    "Name an animal that can fly.",
    "What is bread made from?",
)
# These are only ever asked to check.
CHECKS = (
    "What is the capital of Japan?",
    "What is the capital of France?",
    "How many legs does a spider have?",
    "What is ten minus four?",
    "Name a planet.",
    "What is photosynthesis?",
    "Who wrote Romeo and Juliet?",
    "What is the boiling point of water?",
    "Translate 'thank you' into French.",
    "Name three kinds of weather.",
    "What is a verb?",
    "How many months are in a year?",
    "What do cows eat?",
    "Give me a reason to exercise.",
    "What is the opposite of dark?",
    "Which season comes after winter?",
)
# Of an answer, in tokens.
LONGEST_ANSWER = 24
