"""Loading of the compiled modules, each of which is optional."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from mistique_core.native.zstandard_library import addresses_of


def load_compiled(name: str, zstd_functions: Sequence[str] = ()) -> Any:
    """Return a compiled module of this package, ``None`` where it was not built or ``MISTIQUE_KERNELS=off`` is set.

    Parameters
    ----------
    name
        Of the module.
    zstd_functions
        Functions of Zstandard whose addresses it is given; without one of them it is not loaded.
    """
    if os.environ.get("MISTIQUE_KERNELS") == "off":
        return None
    addresses = addresses_of(zstd_functions) if zstd_functions else []
    if addresses is None:
        return None
    try:
        module: Any = import_module(f"mistique_core.native.{name}")
    except ImportError:
        return None
    if addresses:
        module.use_zstd(*addresses)
    return module
