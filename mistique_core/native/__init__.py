"""Compiled loops over values; everything works without them, with the same results."""

from mistique_core.native.kernels import kernels

__all__ = ["kernels"]
