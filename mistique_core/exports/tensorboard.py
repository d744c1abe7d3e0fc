"""An intermediate in TensorBoard's embedding projector, with labels and thumbnails, and the curves of its run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.catalogue.intermediates import columns_of, find_intermediate, find_version
from mistique_core.errors import InvalidInputError, NotFoundError, StorageError
from mistique_core.exports.curves import require_tensorboard, versions_of, write_curves
from mistique_core.exports.sprite import sprite_of
from mistique_core.frames import ROW_ID, LogicalType
from mistique_core.model import ALL_COLUMNS, IntermediateKey
from mistique_core.store import Mistique

ROWS = 5_000
"""Rows of an embedding unless told otherwise; more of them make the page slow."""

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ProjectorExport:
    """What was written.

    Attributes
    ----------
    folder
        The run in TensorBoard.
    rows, dimensions
        Points of the embedding, and numbers a point.
    left_out_rows
        Rows that were drawn, but hold a number that is not finite.
    left_out
        Columns that hold no numbers.
    points
        Points of the curves and metrics of the model version.
    """

    folder: Path
    rows: int
    dimensions: int
    left_out_rows: int
    left_out: tuple[str, ...]
    points: int


def export_projector(
    store: Mistique,
    key: str | IntermediateKey,
    logdir: str | os.PathLike[str],
    *,
    labels: str | IntermediateKey | None = None,
    images: str | IntermediateKey | None = None,
    rows: int = ROWS,
) -> ProjectorExport:
    """Write an embedding, and the curves of its model version, into a folder of TensorBoard's.

    Rows are joined by their ids. Maps are flattened. In memory are the rows that are shown.

    Parameters
    ----------
    store
        Where the rows are.
    key
        The embedding, ``project.model[@version].intermediate``: its columns of numbers.
    logdir
        Folder that ``tensorboard --logdir`` is given; the run in it is named by the key.
    labels
        A column, or all columns of plain values, of another intermediate; empty where a row is missing.
    images
        An intermediate of images, maps with 1, 3 or 4 units; transparent where a row is missing.
    rows
        Most rows, from 1, drawn at random, the same ones whenever they are asked for.

    Raises
    ------
    InvalidInputError
        If TensorBoard is not installed, there are no numbers, or an argument is malformed.
    NotFoundError
        If there is no such intermediate or column.
    NotMaterializedError
        As :meth:`Mistique.stream`.
    StorageError
        If a file cannot be written.
    """
    require_tensorboard()
    if rows < 1:
        raise InvalidInputError(f"rows={rows!r} is not a number of rows; give an integer of at least 1")
    with store.catalogue.read() as connection:
        record = find_intermediate(connection, IntermediateKey.parse(key))
        columns = columns_of(connection, record.ref.id)
    ref = record.ref
    exact = IntermediateKey(ref.project, ref.model, ref.intermediate, version=ref.version)
    only = IntermediateKey.parse(key).column
    types = {column.name: LogicalType.from_json(column.logical_type) for column in columns}
    if only != ALL_COLUMNS:
        types = {name: kind for name, kind in types.items() if name == only}
    numbers = [name for name, kind in types.items() if kind.kind in ("numeric", "bool", "units")]
    numbers = [name for name in numbers if not types[name].label.startswith("complex")]
    if not numbers:
        raise InvalidInputError(f"{exact} has no column of numbers; choose an intermediate that has")
    ids = np.sort(store.row_ids(exact, sample=rows)) if rows < ref.rows else None
    found, values = _embedding(store, exact, numbers, ids)
    usable = np.isfinite(values).all(axis=1)
    if not usable.any():
        raise InvalidInputError(f"no row of {exact} has finite numbers only; choose columns without missing values")
    kept, points = found[usable], np.ascontiguousarray(values[usable], dtype="<f4")
    folder = Path(logdir) / quote(f"{ref.project}.{ref.model}@{ref.version}.{ref.intermediate}", safe="@")
    curve_points = write_curves(store, record.model_version_id, folder)
    _write(folder, str(exact), points, _metadata(store, kept, labels), _images(store, kept, images))
    left_out = tuple(name for name in types if name not in numbers)
    return ProjectorExport(folder, len(points), points.shape[1], int((~usable).sum()), left_out, curve_points)


def export_curves(
    store: Mistique, project: str, model: str, logdir: str | os.PathLike[str], *, version: int | None = None
) -> dict[int, int]:
    """Write the curves of one version of a model, or of all; return version -> points.

    Raises
    ------
    InvalidInputError
        If TensorBoard is not installed.
    NotFoundError
        If there is no such model or version.
    StorageError
        If a file cannot be written.
    """
    require_tensorboard()
    versions = [item for item in versions_of(store, project, model) if version in (None, item[0])]
    if not versions:
        with store.catalogue.read() as connection:  # says what there is
            find_version(connection, IntermediateKey(project, model, "-", version=version))
        raise NotFoundError(f"model {project}.{model} has no version; 'mistique ls' lists those that have")
    return {
        number: write_curves(store, id_, Path(logdir) / quote(f"{project}.{model}@{number}", safe="@"))
        for number, id_ in versions
    }


def _where(ids: Array | None) -> Any:
    return None if ids is None else (ROW_ID, "in", ids.tolist())


def _embedding(store: Mistique, key: IntermediateKey, names: list[str], ids: Array | None) -> tuple[Array, Array]:
    row_ids: list[Array] = [np.empty(0, dtype=np.int64)]
    parts: list[Array] = []
    for batch in store.stream(key, names, where=_where(ids)).arrays():
        row_ids.append(batch[ROW_ID])
        flat = [batch[name].reshape(len(batch[ROW_ID]), -1) for name in names]
        parts.append(np.concatenate(flat, axis=1, dtype="f4"))
    return np.concatenate(row_ids), np.concatenate(parts) if parts else np.empty((0, 1), dtype="f4")


def _metadata(store: Mistique, ids: Array, labels: str | IntermediateKey | None) -> pd.DataFrame:
    shown = pd.DataFrame(index=pd.Index(ids, name=ROW_ID))
    if labels is not None:
        frames = list(store.stream(labels, where=_where(ids)))
        if not frames:
            raise InvalidInputError(f"{labels} has none of the rows; labels are joined by row_id: choose another key")
        shown = shown.join(pd.concat(frames))
    return shown


def _images(store: Mistique, ids: Array, images: str | IntermediateKey | None) -> Any:
    if images is None:
        return None
    stream = store.stream(images, where=_where(ids))
    place = pd.Series(np.arange(len(ids)), index=ids)
    pixels: Array | None = None
    known = np.zeros(len(ids), dtype=np.bool_)
    for batch in stream.arrays():
        values = np.stack([batch[name] for name in stream.columns], axis=-1)
        if pixels is None:
            pixels = np.zeros((len(ids), *values.shape[1:]), dtype=values.dtype)
        at = place[batch[ROW_ID]].to_numpy()
        pixels[at], known[at] = values, True
    if pixels is None:
        raise InvalidInputError(f"{images} has none of the rows; images are joined by row_id: choose another key")
    return sprite_of(pixels, known)


def _write(folder: Path, name: str, points: Array, metadata: pd.DataFrame, sprite: Any) -> None:
    from PIL import Image
    from tensorboard.plugins import projector

    config = projector.ProjectorConfig()
    embedding = config.embeddings.add()
    embedding.tensor_name = name.removesuffix(f".{ALL_COLUMNS}")
    embedding.tensor_path, embedding.metadata_path = "tensors.tsv", "metadata.tsv"
    embedding.tensor_shape.extend(points.shape)
    try:
        np.savetxt(folder / "tensors.tsv", points, fmt="%.9g", delimiter="\t")
        clean = metadata.reset_index().map(_text).set_axis([ROW_ID, *(_text(name) for name in metadata)], axis=1)
        lines = ["\t".join(row) for row in clean.itertuples(index=False, name=None)]
        if clean.shape[1] > 1:  # TensorBoard takes no header with one column
            lines.insert(0, "\t".join(clean.columns))
        (folder / "metadata.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        if sprite is not None:
            pixels, size = sprite
            Image.fromarray(pixels).save(folder / "sprite.png")
            embedding.sprite.image_path = "sprite.png"
            embedding.sprite.single_image_dim.extend(size)
        projector.visualize_embeddings(str(folder), config)
    except OSError as error:
        raise StorageError(f"cannot write into {str(folder)!r}: {error}; choose another folder") from error


def _text(value: Any) -> str:
    return "" if pd.isna(value) else " ".join(str(value).split())
