"""Where partition files live."""

from mistique_core.storage.backend import StorageBackend
from mistique_core.storage.local import LocalBackend

__all__ = ["LocalBackend", "StorageBackend"]
