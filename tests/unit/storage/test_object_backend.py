"""Object storage keeps the storage contract, on a real S3 server."""

from functools import partial

import pytest

from mistique_core.storage.object_store import ObjectBackend
from mistique_core.testing import StorageContract
from mistique_core.testing.storage import Opener


class TestObjectBackend(StorageContract):
    """The contract, below a prefix of its own."""

    @pytest.fixture
    def opener(self, s3_location: str) -> Opener:
        return partial(ObjectBackend, s3_location)
