"""The one client of OpenAI-compatible endpoints, for gates and judges: limits, retries, spend, kept replies."""
