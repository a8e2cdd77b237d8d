"""The model wrapper, on the real tiny LLaVA: batches, labels, generation, and what is refused with one clear line."""

import struct
import zlib
from pathlib import Path

import pytest
import torch
from PIL import Image

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.data.pictures import open_picture
from mlubench.data.render import render
from mlubench.models.answers import IGNORE, answer_logits
from mlubench.models.devices import pick_device
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.types import Benchmark, Sample

ANSWERS = [
    "No",
    "It is the Trésifia Baths.",
    "Sông Hồng, 紅河 🙂, and a good deal more that makes this one the longest",
]
QUESTIONS = [
    "What?",
    "Which building do you see in this picture, and where?",
    "Who made this, é, 紅河?",
]


def some(benchmark: Benchmark, count: int = 3) -> list[Sample]:
    """Samples of different entities, with questions of different lengths."""
    first = {s.entity: s for s in benchmark.samples if s.role == "test"}
    return list(first.values())[:count]


def loss(mllm: MLLM, query: Query, answer: str) -> float:
    with torch.no_grad():
        logits, labels = answer_logits(mllm.model, mllm.encode([query], [answer]))
    return float(torch.nn.functional.cross_entropy(logits[0], labels[0]))


def one_line(error: pytest.ExceptionInfo, *said: str) -> None:
    text = str(error.value)
    assert "\n" not in text
    assert all(word in text for word in said), text


@pytest.mark.parametrize("seen", [True, False])
def test_labels_are_exactly_the_answer_and_its_end(
    mllm: MLLM, benchmark: Benchmark, seen: bool
) -> None:
    pictures = [benchmark.picture(s) if seen else None for s in some(benchmark)]
    batch = mllm.encode([Query(p, q) for p, q in zip(pictures, QUESTIONS, strict=True)], ANSWERS)
    width = batch["labels"].shape[1]
    assert ("pixel_values" in batch) is seen
    for row, answer in enumerate(ANSWERS):
        labels = batch["labels"][row]
        told = labels != IGNORE
        count = int(told.sum())
        assert told[:count].all()  # padded on the right
        assert mllm.tokenizer.decode(labels[:count]) == f" {answer}</s>"
        tail = batch["input_ids"][row, -width:]
        assert torch.equal(tail[told], labels[told])
        assert torch.equal(batch["attention_mask"][row, -width:].bool(), told)
        assert (tail[~told] == mllm.tokenizer.pad_token_id).all()


@pytest.mark.parametrize("seen", [True, False])
def test_prompts_are_padded_on_the_left(mllm: MLLM, benchmark: Benchmark, seen: bool) -> None:
    picture = benchmark.picture(some(benchmark)[0]) if seen else None
    batch = mllm.encode([Query(picture, q) for q in QUESTIONS])
    lengths = batch["attention_mask"].sum(1).tolist()
    assert len(set(lengths)) > 1
    for row, (question, length) in enumerate(zip(QUESTIONS, lengths, strict=True)):
        mask, ids = batch["attention_mask"][row].bool(), batch["input_ids"][row]
        assert mask[-length:].all() and not mask[:-length].any()
        assert (ids[~mask] == mllm.tokenizer.pad_token_id).all()
        told = [i for i in ids[mask].tolist() if i != mllm.model.config.image_token_id]
        prompt = mllm.prompt(question, with_image=seen)
        assert mllm.tokenizer.decode(told) == prompt.replace("<image>", "")


def test_answers_do_not_move_the_prompt(mllm: MLLM, benchmark: Benchmark) -> None:
    query = Query(benchmark.picture(some(benchmark)[0]), QUESTIONS[1])
    alone, longer = (
        mllm.encode([query])["input_ids"],
        mllm.encode([query], [ANSWERS[2]])["input_ids"],
    )
    assert torch.equal(longer[:, : alone.shape[1]], alone)


def test_answer_logits_are_those_of_a_whole_forward_pass(mllm: MLLM, benchmark: Benchmark) -> None:
    samples = some(benchmark)
    batch = mllm.encode([Query(benchmark.picture(s), s.question) for s in samples], ANSWERS)
    with torch.no_grad():
        logits, labels = answer_logits(mllm.model, batch)
        whole = mllm.model(**{n: v for n, v in batch.items() if n != "labels"}).logits
    width = labels.shape[1]
    assert torch.allclose(logits, whole[:, -width - 1 : -1], atol=1e-5)


def test_padding_changes_no_answer_logit(mllm: MLLM, benchmark: Benchmark) -> None:
    queries = [
        Query(benchmark.picture(s), q) for s, q in zip(some(benchmark), QUESTIONS, strict=True)
    ]
    with torch.no_grad():
        together, labels = answer_logits(mllm.model, mllm.encode(queries, ANSWERS))
        for row, (query, answer) in enumerate(zip(queries, ANSWERS, strict=True)):
            alone, _ = answer_logits(mllm.model, mllm.encode([query], [answer]))
            told = labels[row] != IGNORE
            assert torch.allclose(together[row][told], alone[0], atol=1e-4)


@pytest.mark.parametrize("turn", [1, -1])
def test_a_batch_with_and_without_picture_is_refused(
    mllm: MLLM, benchmark: Benchmark, turn: int
) -> None:
    queries = [Query(benchmark.picture(some(benchmark)[0]), "What?"), Query(None, "What?")][::turn]
    with pytest.raises(MlubenchError) as error:
        mllm.encode(queries)
    one_line(error, "mixes")


def test_generation_in_a_batch_equals_generation_alone(mllm: MLLM, benchmark: Benchmark) -> None:
    queries = [Query(benchmark.picture(s), s.question) for s in some(benchmark, 6)]
    together = mllm.generate(queries, max_new_tokens=48)
    assert together == [mllm.generate([q], max_new_tokens=48)[0] for q in queries]
    assert len(set(together)) == len(queries)


def test_the_base_knows_what_it_was_taught(mllm: MLLM, whole_benchmark: Benchmark) -> None:
    """On pictures that it has never seen."""
    samples = [s for s in whole_benchmark.samples if s.role == "test"][::7]
    answers = mllm.generate(
        [Query(whole_benchmark.picture(s), s.question) for s in samples], max_new_tokens=48
    )
    right = sum(a == s.truth for a, s in zip(answers, samples, strict=True))
    assert right >= 0.9 * len(samples) > 0


def test_an_answer_stops_at_max_new_tokens(mllm: MLLM, benchmark: Benchmark) -> None:
    sample = some(benchmark)[0]
    text = mllm.generate([Query(benchmark.picture(sample), sample.question)], max_new_tokens=3)[0]
    assert text and sample.truth.startswith(text) and text != sample.truth


def test_the_loss_changes_when_only_the_picture_does(mllm: MLLM, benchmark: Benchmark) -> None:
    sample = some(benchmark)[0]
    other = next(s for s in some(benchmark) if s.entity != sample.entity)
    seen = loss(mllm, Query(benchmark.picture(sample), sample.question), sample.truth)
    swapped = loss(mllm, Query(benchmark.picture(other), sample.question), sample.truth)
    again = loss(mllm, Query(benchmark.picture(sample), sample.question), sample.truth)
    assert seen == again
    assert swapped > seen + 0.1


def test_picture_features_are_of_length_one_and_blind_to_batching(
    mllm: MLLM, benchmark: Benchmark
) -> None:
    pictures = [benchmark.picture(s) for s in some(benchmark, 5)]
    rows = mllm.picture_features(pictures)
    assert rows.shape == (5, mllm.model.config.text_config.hidden_size)
    assert torch.allclose(rows.norm(dim=1), torch.ones(5), atol=1e-5)
    assert torch.allclose(mllm.picture_features(pictures, batch=2), rows, atol=1e-5)
    assert torch.pdist(rows).min() > 1e-3


def test_pictures_are_decoded_once(mllm: MLLM, benchmark: Benchmark, tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    render("Animals/Cat", "p.png").save(path)
    mllm.keep_pictures = 1
    first = mllm.picture(path)
    assert mllm.picture(path) is first
    other = benchmark.picture(some(benchmark)[0])
    assert mllm.picture(other) is not mllm.picture(other)  # beyond the limit nothing is kept


def forged_png(width: int, height: int) -> bytes:
    """A PNG that says it is huge, and holds next to nothing."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = b"IHDR" + head
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", len(head))
        + body
        + struct.pack(">I", zlib.crc32(body))
    )


def broken_pictures(folder: Path) -> dict[str, Path]:
    good = folder / "good.jpg"
    render("Animals/Cat", "good.jpg").save(good)
    files = {
        "text": b"not a picture\nat all",
        "empty": b"",
        "cut": good.read_bytes()[: good.stat().st_size // 2],
        "bomb": forged_png(200_000, 200_000),
        "huge": forged_png(10_000, 6_000),
    }
    for name, data in files.items():
        (folder / f"{name}.png").write_bytes(data)
    Image.new("RGB", (4, 4)).save(folder / "gif.png", "GIF")  # a format that is not among ours
    (folder / "folder.png").mkdir()
    return {n: folder / f"{n}.png" for n in (*files, "gif", "folder", "missing")}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    for path in broken_pictures(tmp_path).values():
        with pytest.raises(MlubenchError) as error:
            open_picture(path)
        one_line(error, str(path))


def test_a_broken_chunk_inside_a_png_is_refused(tmp_path: Path) -> None:
    """Pillow raises a SyntaxError for it, only once the pixels are read."""
    path = tmp_path / "p.png"
    render("Animals/Cat", "p.png").save(path)
    data = bytearray(path.read_bytes())
    place = data.index(b"IDAT") - 4
    length = struct.unpack(">I", data[place : place + 4])[0]
    data[place : place + 4] = struct.pack(
        ">I", length // 2
    )  # so that the next chunk begins amid pixels
    path.write_bytes(data)
    with pytest.raises(MlubenchError) as error:
        open_picture(path)
    one_line(error, str(path), "cannot be decoded")


def test_transparent_and_grey_pictures_become_rgb(tmp_path: Path) -> None:
    for mode in ("RGBA", "L", "P", "1"):
        path = tmp_path / f"{mode}.png"
        Image.new(mode, (9, 7)).save(path)
        assert (open_picture(path).mode, open_picture(path).size) == ("RGB", (9, 7))


def test_pickled_weights_are_refused(load_base, tmp_path: Path) -> None:
    mllm = load_base()
    mllm.model.config.save_pretrained(tmp_path)
    mllm.processor.save_pretrained(tmp_path)
    torch.save(mllm.model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(MlubenchError) as error:
        MLLM.load(tmp_path, device="cpu")
    one_line(error, "lacks 1 file(s) of weights", "pickles", str(tmp_path))
    mllm.model.save_pretrained(tmp_path)  # the same folder with safetensors is taken
    assert MLLM.load(tmp_path, device="cpu").model.config.model_type == "llava"


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MlubenchError) as error:
        MLLM.load(tmp_path, device="cpu")
    one_line(error, "cannot be loaded", str(tmp_path))


def test_a_loaded_base_is_frozen_and_answers(mllm: MLLM) -> None:
    assert not mllm.model.training
    assert not any(p.requires_grad for p in mllm.model.parameters())


def test_devices(base_path: Path) -> None:
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(UsageError) as error:
        MLLM.load(base_path, device="abacus")
    one_line(error, "'abacus'")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_a_gpu_that_is_not_there_is_said_so() -> None:
    with pytest.raises(UsageError) as error:
        pick_device("cuda")
    one_line(error, "cuda", "is not here", "cpu")


@pytest.mark.skipif(torch.xpu.is_available(), reason="such a device is here")
def test_another_device_that_is_not_there_is_said_so(base_path: Path) -> None:
    with pytest.raises(UsageError):
        MLLM.load(base_path, device="xpu")


def test_a_question_may_hold_the_picture_token(mllm: MLLM, benchmark: Benchmark) -> None:
    """Users write the questions: it is either asked as text or refused with a line, never a traceback."""
    try:
        mllm.encode([Query(benchmark.picture(some(benchmark)[0]), "What is <image> here?")])
    except MlubenchError as error:
        assert "\n" not in str(error)
