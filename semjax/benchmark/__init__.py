"""Benchmarks with labels of our own: `python -m semjax.benchmark` (docs/sa_importance.md)."""
