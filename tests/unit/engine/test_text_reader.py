"""Strings of a few rows are those that were logged, the first time and when it is known where they begin."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mistique_core import Mistique
from mistique_core.catalogue.chunks import StoredChunk
from mistique_core.dedup import chunk_hash
from mistique_core.engine.block_reader import BlockRequest, read_blocks
from mistique_core.engine.chunk_reader import ChunkReader, ReadTally
from mistique_core.engine.text_reader import Spans, check_spans, has_spans, read_spans
from mistique_core.errors import CorruptPartitionError
from mistique_core.partition import build_partition, encode_chunk
from mistique_core.storage import LocalBackend

RANDOM = np.random.default_rng(8)
ROWS = 70_000
WORDS = np.array(["", "a", "Los Angeles", "é€𝄞", "x" * 900, None], object)


def strings() -> pd.DataFrame:
    """Return columns whose lengths are stored in every way."""
    rows = np.arange(ROWS)
    return pd.DataFrame(
        {
            "any": WORDS[RANDOM.integers(0, len(WORDS), ROWS)],
            "short": np.where(rows % 3 == 0, "", "ab").astype(object),
            "equal": [f"{row:06d}" for row in rows],
            "empty": [""] * ROWS,
            "long": ["y" * (row % 701) for row in rows],
        },
        index=pd.Index(rows, name="row_id"),
    )


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Return the frame that is stored."""
    return strings()


@pytest.fixture(scope="module", params=[0, 1 << 30])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, frame: pd.DataFrame) -> Iterator:
    """Return a store with the strings, without and with a cache."""
    with Mistique.open(tmp_path_factory.mktemp("text"), cache_bytes=request.param) as made:
        made.log_frame("p", "m", "x", frame)
        yield made


@settings(deadline=None, max_examples=12)
@given(rows=st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=70, unique=True))
def test_rows_of_strings(store: Mistique, frame: pd.DataFrame, rows: list[int]) -> None:
    """In the order in which they are asked for."""
    found = store.get_intermediates("p.m.x.*", row_id=rows, strategy="read").to_pandas()
    for name in frame.columns:
        wanted, back = frame[name].loc[found.index].tolist(), found[name].tolist()
        assert [None if pd.isna(item) else item for item in back] == [
            None if pd.isna(item) else item for item in wanted
        ]
    assert sorted(found.index) == sorted(rows)


def text_chunk(folder: Path) -> tuple[LocalBackend, StoredChunk, np.ndarray]:
    """Store a text of several pages."""
    text = RANDOM.integers(97, 123, 100_000).astype("u1")
    data, (location,) = build_partition([encode_chunk(b"t" * 32, text, 3)])
    backend = LocalBackend(folder)
    backend.put_if_absent("0" * 64 + ".h5", data)
    return backend, StoredChunk(1, "0" * 64 + ".h5", location), text


def test_spans_over_pages(tmp_path: Path) -> None:
    """Within a page, over its end, over several pages, empty, and in any order."""
    backend, chunk, text = text_chunk(tmp_path)
    codec = chunk.location.codec
    assert codec is not None
    assert has_spans(chunk)
    size = codec.rows
    spans = Spans(chunk, [size * 2 - 3, 5, 0, 7, size - 1, 100_000], [6, 10, 90_000, 0, 2, 0])
    check_spans(spans)
    (back,) = read_spans(backend.get_ranges, [spans])
    wanted = [text[start : start + length] for start, length in zip(spans.starts, spans.sizes, strict=True)]
    assert back.tobytes() == np.concatenate(wanted).tobytes()
    backend.close()


def test_spans_outside_of_the_text(tmp_path: Path) -> None:
    """Are damage, whatever the page at their place would say."""
    backend, chunk, _ = text_chunk(tmp_path)
    backend.close()
    for start, size in ((99_999, 2), (-1, 1), (5, -1), (100_001, 0)):
        with pytest.raises(CorruptPartitionError, match="run 'mistique check'"):
            check_spans(Spans(chunk, [start], [size]))
    assert not has_spans(replace(chunk, location=replace(chunk.location, encoding="zstd")))


def test_lengths_are_added_up_once(tmp_path: Path) -> None:
    """The first rows cost all lengths, later ones the pages of theirs."""
    lengths = RANDOM.integers(0, 4, 65_536).astype("<i4") * 50
    text = RANDOM.integers(97, 123, int(lengths.sum())).astype("u1")
    data, locations = build_partition(
        [encode_chunk(chunk_hash(lengths), lengths, 3), encode_chunk(chunk_hash(text), text, 3)]
    )
    backend = LocalBackend(tmp_path)
    backend.put_if_absent("0" * 64 + ".h5", data)
    chunks = {item.address: StoredChunk(number, "0" * 64 + ".h5", item) for number, item in enumerate(locations)}
    parts = {"lengths": chunks[chunk_hash(lengths)], "text": chunks[chunk_hash(text)]}
    reader = ChunkReader(backend, 0)
    tallies = [ReadTally(), ReadTally()]
    ends = np.cumsum(lengths)
    rows = np.array([65_535, 40_000, 3], np.intp)
    wanted = b"".join(text[ends[row] - lengths[row] : ends[row]].tobytes() for row in rows)
    for tally in tallies:
        (found,) = read_blocks(reader, [BlockRequest(parts, rows)], {}, tally)
        assert found["text"].tobytes() == wanted
        assert found["lengths"].tobytes() == lengths[rows].tobytes()
    reader.close()
    backend.close()
    assert tallies[1].chunks == tallies[0].chunks == 2
    saved = tallies[0].stored_bytes - tallies[1].stored_bytes
    assert tallies[0].stored_bytes > parts["lengths"].location.size > saved > 0
