"""So that `python -m mlubench` works, also under torchrun."""

from mlubench.cli.main import main

if __name__ == "__main__":
    main()
