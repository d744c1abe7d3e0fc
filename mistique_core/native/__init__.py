"""Compiled loops over values and pages; everything works without them, with the same results."""

from mistique_core.native.kernels import kernels
from mistique_core.native.pages import PageKernels, page_kernels

__all__ = ["PageKernels", "kernels", "page_kernels"]
