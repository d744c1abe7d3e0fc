"""The images that the rows of an answer are: the input of the network that a question is about."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.catalogue.image_intermediates import image_intermediate
from mistique_core.catalogue.intermediates import find_intermediate
from mistique_core.diagnostics.reading import Key, Keys
from mistique_core.diagnostics.values.pictures import to_pictures
from mistique_core.errors import MistiqueError
from mistique_core.model import IntermediateKey
from mistique_core.store import Mistique

log = logging.getLogger(__name__)

MOST_IMAGES = 24
"""How many a figure shows."""
Images = npt.NDArray[np.uint8]
Read = Callable[[npt.NDArray[np.int64]], Images | None]


def images_of(store: Mistique, keys: Keys) -> Read:
    """Return what reads the images of rows, when they are drawn.

    Parameters
    ----------
    store
        A store, which must still be open then.
    keys
        What was asked for; the images are those of the model version of the first one that has some, as its
        network's input is.

    Returns
    -------
    callable
        Takes row ids, int64 (rows,); returns uint8 of shape (rows, height, width, 1 or 3), or ``None`` where there are
        no images, or not of all these rows, or they cannot be read. They are read, never computed.
    """
    asked: Sequence[Key] = [keys] if isinstance(keys, str | IntermediateKey) else list(keys)

    def read(row_ids: npt.NDArray[np.int64]) -> Images | None:
        try:
            found = _find(store, asked)
            if found is None or not len(row_ids):
                return None
            answer: Any = store.get_intermediates(found, row_id=row_ids, strategy="read")
            return to_pictures(answer.maps)
        except MistiqueError as error:
            log.info("no images beside the answer: %s", error)
            return None

    return read


def _find(store: Mistique, keys: Sequence[Key]) -> IntermediateKey | None:
    seen = set()
    with store.catalogue.read() as connection:
        for key in keys:
            version = find_intermediate(connection, IntermediateKey.parse(key)).model_version_id
            if version in seen:
                continue
            seen.add(version)
            found = image_intermediate(connection, version)
            if found is not None:
                ref = found.ref
                return IntermediateKey(ref.project, ref.model, ref.intermediate, version=ref.version)
    return None
