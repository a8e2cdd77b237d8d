"""Where things lie in this repository, so that a test that moves takes no path with it."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = REPOSITORY / "examples"
BENCH = REPOSITORY / "bench"
SUPPORT = Path(__file__).parent
FIXTURES = Path(__file__).parents[1] / "fixtures"
