"""The version of this package: here, so that every room may say it without importing the package's Python surface."""

__version__ = "0.1.0"
