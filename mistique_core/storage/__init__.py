"""Where partition files live."""

from mistique_core.storage.backend import STORE_ID, Leftover, StorageBackend, StoredFile
from mistique_core.storage.local import LocalBackend
from mistique_core.storage.opening import open_backend

__all__ = ["STORE_ID", "Leftover", "LocalBackend", "StorageBackend", "StoredFile", "open_backend"]
