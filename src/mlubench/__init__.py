"""mlubench: lifelong unlearning in multimodal LLMs. Importing it loads nothing heavy."""

__version__ = "0.1.0"
