"""Benchmarks: each budget of the design measured side by side with a peer, as ratios."""
