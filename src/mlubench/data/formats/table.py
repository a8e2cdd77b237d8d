"""The table of readers: a new one is a file in this room, a row here and a test."""

from mlubench.core.tables import Entry, Table

_ROOM = "mlubench.data.formats"

# A target is a `Reader` of `item.py`.
FORMATS = Table(
    "format",
    {
        "mllmu-bench": Entry(
            f"{_ROOM}.mllmu:read",
            "people with a portrait, asked with it and in words: folders forget_10, retain_90, ...",
            "2410.22108",
        ),
        "fiubench": Entry(
            f"{_ROOM}.fiubench:read",
            "400 invented faces with private facts: a file with qa_list, and split.json",
            "2411.03554",
        ),
        "mmubench": Entry(
            f"{_ROOM}.mmubench:read",
            "concepts to recognise: a folder of pictures for each",
            "2405.12523",
        ),
        "clear": Entry(
            f"{_ROOM}.clear:read",
            "TOFU's authors with pictures: folders forget10, retain90, forget10+tofu, ...",
            "2410.18057",
        ),
        "tofu": Entry(
            f"{_ROOM}.tofu:read",
            "200 invented authors in words alone: forget10.json, retain90.json, ...",
            "2401.06121",
        ),
        "llava-instruct": Entry(
            f"{_ROOM}.llava:read",
            "records with image and conversations, with a picture or in words alone",
            "2304.08485",
        ),
        "huggingface": Entry(
            f"{_ROOM}.huggingface:read",
            "parquet or JSON with columns for question, answer, entity and picture",
        ),
    },
    group="mlubench.formats",
)
