"""Benchmarks: each prints its figures beside a peer or a floor from the same run."""
