"""An expert goes from store to store as one file, and a file that is not exactly that leaves the store as it was."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.lumoe.experts import state
from mlubench.lumoe.experts.export import default_name, export_expert, import_expert
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.models.mllm import MLLM
from support.expert_folders import CONFIG, MANIFEST, WEIGHTS

Entry = tuple[tarfile.TarInfo, bytes]


@pytest.fixture
def parcel(store: ExpertStore, tmp_path: Path) -> Path:
    export_expert(store, "A", tmp_path / "a.tar")
    return tmp_path / "a.tar"


@pytest.fixture
def other(tmp_path: Path) -> ExpertStore:
    return ExpertStore(tmp_path / "other")


def entries(parcel: Path) -> list[Entry]:
    with tarfile.open(parcel) as tar:
        return [(e, tar.extractfile(e).read()) for e in tar]  # type: ignore[union-attr]


def packed(parcel: Path, found: list[Entry]) -> None:
    with tarfile.open(parcel, "w") as tar:
        for entry, data in found:
            tar.addfile(entry, io.BytesIO(data))


def named(name: str, data: bytes = b"{}", kind: bytes = tarfile.REGTYPE, link: str = "") -> Entry:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.size = kind, link, len(data) if kind == tarfile.REGTYPE else 0
    return entry, data


def test_an_expert_comes_back_byte_for_byte(
    store: ExpertStore, parcel: Path, other: ExpertStore, mllm: MLLM
) -> None:
    assert import_expert(other, parcel) == ("A", 1)
    for file in (store.root / "A").iterdir():
        assert (other.root / "A" / file.name).read_bytes() == file.read_bytes()
    assert other.current("A") == 1 and other.history()[0]["action"] == "import"
    other.mount(mllm, "A")
    with pytest.raises(UsageError, match="has this expert 'A' as version 1"):
        import_expert(other, parcel)
    assert other.versions("A") == [1]


def test_equal_experts_give_equal_bytes(
    store: ExpertStore, parcel: Path, other: ExpertStore, tmp_path: Path
) -> None:
    import_expert(other, parcel)
    export_expert(other, "A", tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == parcel.read_bytes()
    assert [e.name for e, _ in entries(parcel)] == [f"A/{f}" for f in (CONFIG, WEIGHTS, MANIFEST)]
    assert {(e.mtime, e.uid, e.gid, e.uname, e.mode) for e, _ in entries(parcel)} == {
        (0, 0, 0, "", 0o644)
    }
    assert default_name(store, "A", None) == default_name(other, "A", 1)


def test_an_import_beside_another_version(
    store: ExpertStore, experts: Path, facts: dict, tmp_path: Path
) -> None:
    export_expert(store, "A", tmp_path / "a.tar")
    elsewhere = ExpertStore(tmp_path / "other")
    elsewhere.add("A", experts / "B", facts)
    elsewhere.disable("A")
    assert import_expert(elsewhere, tmp_path / "a.tar") == ("A", 2)
    assert elsewhere.current("A") == 2
    assert not elsewhere.enabled("A")  # what was switched off stays so
    export_expert(elsewhere, "A", tmp_path / "one.tar", version=1)
    assert (tmp_path / "one.tar").read_bytes() != (tmp_path / "a.tar").read_bytes()


def flip(parcel: Path) -> None:
    data = bytearray(parcel.read_bytes())
    data[parcel.stat().st_size // 2] ^= 1  # in the weights, by far the largest file
    parcel.write_bytes(data)


def cut(parcel: Path) -> None:
    parcel.write_bytes(parcel.read_bytes()[: parcel.stat().st_size // 2])


def cut_between(parcel: Path) -> None:
    packed(parcel, entries(parcel)[:-1])


def empty(parcel: Path) -> None:
    parcel.write_bytes(b"")


def noise(parcel: Path) -> None:
    parcel.write_bytes(b"\x7f" * 4096)


def compressed(parcel: Path) -> None:
    found = entries(parcel)
    with tarfile.open(parcel, "w:gz") as tar:
        for entry, data in found:
            tar.addfile(entry, io.BytesIO(data))


def with_more(*more: Entry) -> Callable[[Path], None]:
    return lambda parcel: packed(parcel, [*entries(parcel), *more])


def renamed(to: str) -> Callable[[Path], None]:
    def change(parcel: Path) -> None:
        found = entries(parcel)
        for entry, _ in found:
            entry.name = entry.name.replace("A/", f"{to}/")
        packed(parcel, found)

    return change


def sparse(parcel: Path) -> None:
    found = entries(parcel)
    found[0][0].pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.realsize": str(2**40),
    }
    packed(parcel, [(found[0][0], b"1\n0\n1\n".ljust(512, b"\0") + found[0][1]), *found[1:]])


def unsigned(parcel: Path) -> None:
    found = entries(parcel)
    told = json.loads(found[-1][1])
    del told["base_sha256"]
    packed(parcel, [*found[:-1], named(f"A/{MANIFEST}", json.dumps(told).encode())])


ABSOLUTE = "/" + "tmp/A/x.json"
WRONG = [
    (flip, "missing or changed"),
    (cut, "no whole tar file"),
    (cut_between, "no manifest: it is cut short"),
    (empty, "no whole tar file"),
    (noise, "no whole tar file"),
    (compressed, "no whole tar file"),
    (with_more(named("../x.json")), "would leave"),
    (with_more(named("A/../../x.json")), "would leave"),
    (with_more(named(ABSOLUTE)), "would leave"),
    (with_more(named("x.json")), "would leave"),
    (with_more(named("A/x.json", kind=tarfile.SYMTYPE, link="../x")), "link or no plain file"),
    (
        with_more(named("A/x.json", kind=tarfile.LNKTYPE, link=f"A/{CONFIG}")),
        "link or no plain file",
    ),
    (with_more(named("A/x.json", kind=tarfile.DIRTYPE)), "link or no plain file"),
    (with_more(named("A/x.json", kind=tarfile.FIFOTYPE)), "link or no plain file"),
    (with_more(named("A/x.pkl")), "may be a pickle"),
    (with_more(named("A/x.py")), "neither JSON nor safetensors"),
    (with_more(named("A/x.json")), "not in the manifest"),
    (with_more(named(f"A/{CONFIG}")), "a file twice"),
    (with_more(named("B/x.json")), "more than one"),
    (with_more(*(named(f"A/{n}.json") for n in range(70))), "more than 64 files"),
    (renamed("A@2"), "no expert's name"),
    (renamed(".A"), "no expert's name"),
    (sparse, "link or no plain file"),
    (unsigned, "lacks base_sha256"),
]


@pytest.mark.parametrize(
    ("damage", "said"), WRONG, ids=[f"{n}-{said}" for n, (_, said) in enumerate(WRONG)]
)
def test_a_wrong_file_is_refused_and_nothing_is_left(
    parcel: Path, other: ExpertStore, tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    damage(parcel)
    before = {p for p in tmp_path.rglob("*") if other.root not in (p, *p.parents)}
    with pytest.raises(MlubenchError) as error:
        import_expert(other, parcel)
    assert said in str(error.value) and "\n" not in str(error.value)
    left = {p.name for p in other.root.rglob("*")} if other.root.exists() else set()
    assert left <= {".store.lock"}
    assert {p for p in tmp_path.rglob("*") if other.root not in (p, *p.parents)} == before


def test_the_limit_in_bytes_is_kept(parcel: Path, other: ExpertStore) -> None:
    with pytest.raises(MlubenchError, match="more than 64 files or 1,000 bytes"):
        import_expert(other, parcel, max_bytes=1000)
    assert other.names() == []
    import_expert(other, parcel, max_bytes=parcel.stat().st_size)


def test_a_damaged_expert_does_not_travel(store: ExpertStore, tmp_path: Path) -> None:
    (store.root / "A" / CONFIG).write_text("{}")
    with pytest.raises(MlubenchError, match="missing or changed"):
        export_expert(store, "A", tmp_path / "a.tar")
    assert not (tmp_path / "a.tar").exists()


def test_an_older_expert_does_not_travel(experts: Path, tmp_path: Path) -> None:
    with pytest.raises(MlubenchError, match=r"lacks task, .*base_sha256.*older run"):
        export_expert(ExpertStore(experts), "A", tmp_path / "a.tar")


@pytest.mark.parametrize(
    ("other_base", "said"),
    [
        ({"base": "llava-7b", "base_sha256": {"model.safetensors": "0" * 64}}, "the base llava-7b"),
        ({"base_sha256": {"model.safetensors": "0" * 64}}, "other weights of that base"),
    ],
)
def test_an_expert_of_another_base_is_not_taken_in(
    parcel: Path, experts: Path, facts: dict, other: ExpertStore, other_base: dict, said: str
) -> None:
    """It could not answer beside the others: made current, it would be found out only when it is asked."""
    other.add("A", experts / "A", {**facts, **other_base})
    before = other.history()
    with pytest.raises(MlubenchError) as error:
        import_expert(other, parcel)
    assert f"was made for the base {facts['base']}, and those in {other.root} for {said}" in str(
        error.value
    )
    assert other.versions("A") == [1]
    assert other.history() == before
    # Of the same weights in a folder of another name it may be.
    elsewhere = ExpertStore(other.root.with_name("elsewhere"))
    elsewhere.add("A", experts / "B", {**facts, "base": "the-same-base-moved"})
    assert import_expert(elsewhere, parcel) == ("A", 2)


def test_an_export_overwrites_nothing(store: ExpertStore, parcel: Path) -> None:
    before = parcel.read_bytes()
    with pytest.raises(UsageError, match="exists"):
        export_expert(store, "B", parcel)
    assert parcel.read_bytes() == before
    with pytest.raises(UsageError, match="no version 9"):
        export_expert(store, "A", parcel.with_name("b.tar"), 9)


def test_what_is_not_there_is_wrong_use(other: ExpertStore, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a file"):
        import_expert(other, tmp_path / "gone.tar")


def test_what_was_pruned_comes_back_from_its_export(store: ExpertStore, parcel: Path) -> None:
    with state.locked(store.root):
        state.change(store.root, "A", "prune", pruned=(1,))
    (store.root / "A" / WEIGHTS).unlink()
    assert import_expert(store, parcel) == ("A", 2)
    store.require_weights("A")
    with pytest.raises(UsageError, match="has this expert 'A' as version 2"):
        import_expert(store, parcel)
