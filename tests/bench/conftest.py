"""Lets the tests of this folder import the programs of bench/ by their names, as those import each other."""

import sys

from support.paths import BENCH

sys.path.insert(0, str(BENCH))
