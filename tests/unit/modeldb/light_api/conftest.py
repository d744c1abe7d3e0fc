"""A store, and the file of the thesis."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mistique_core import Mistique

LISTING = """\
# define datasets used
DATASETS:
  - FILENAME: /path/to/train_file.csv
    METADATA:
      num_cols: 1
      TAG: train
  - FILENAME: /path/to/test_file.csv
    METADATA:
      num_cols: 1
      TAG: test

# define the model workflow
MODEL:
  # required key-value pairs
  NAME: Sample Model
  TYPE: Normal distributions
  PATH: path/to/model.R
  TAG: train
  CONFIG:
    11: 20
  METRICS:
    - TYPE: accuracy
      VALUE: 0.9
  # optional kv pairs
  owner:      bob
  date-created: 2016-02-23
"""


@pytest.fixture
def listing(tmp_path: Path) -> Path:
    """Return the file of Listing 4.4."""
    file = tmp_path / "listing.yaml"
    file.write_text(LISTING)
    return file


@pytest.fixture
def store(catalogue_url: str, tmp_path: Path) -> Iterator[Mistique]:
    """Return an empty store, with either database."""
    with Mistique.open(tmp_path / "store", catalogue_url) as store:
        yield store
