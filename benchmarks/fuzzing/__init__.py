"""Fuzzing: mutated inputs, and what may become of them."""
