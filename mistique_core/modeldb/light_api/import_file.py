"""Make an ExperimentRun of each Light API file, once."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3

from mistique_core.modeldb.light_api.events import file_events
from mistique_core.modeldb.light_api.light_run import LIGHT
from mistique_core.modeldb.light_api.read import read_light_file
from mistique_core.modeldb.light_api.values import LightFile
from mistique_core.modeldb.records import VersionLabel
from mistique_core.modeldb.whole_run import WholeRun, name_for_keys, record_whole_run, recorded_versions
from mistique_core.store import Mistique

DEFAULT_PROJECT = "light_api"
"""Project of a file that names none."""


@dataclass(frozen=True)
class ImportedFile:
    """What became of a file.

    Attributes
    ----------
    name, run_id
        The run, by which it is found again.
    version
        The model version that it made.
    is_new
        False where the same file was recorded before, so that nothing was done.
    file
        What it says.
    """

    name: str
    run_id: str
    version: VersionLabel
    is_new: bool
    file: LightFile


def import_file(
    store: Mistique,
    source: str | os.PathLike[str] | Mapping[str, Any] | LightFile,
    *,
    project: str | None = None,
    model: str | None = None,
    name: str | None = None,
) -> ImportedFile:
    """Record the run that a file describes; one that says the same for the same model is recorded once.

    Parameters
    ----------
    store
        Where to record it.
    source
        A YAML or JSON file, a mapping of the same form, or what :func:`read_light_file` made of one.
    project
        Default ``PROJECT`` of the file, then ``light_api``.
    model
        Default ``NAME`` of the model, or that of the first of several; what keys cannot hold becomes ``_``.
    name
        Name of the run; default that of the file without its suffix, or else `model`.

    Raises
    ------
    NotFoundError
        If there is no such file.
    LightFileError
        If it cannot be used.
    InvalidInputError
        If project or model cannot be used in keys.
    """
    file = source if isinstance(source, LightFile) else read_light_file(source)
    project = project or file.project or DEFAULT_PROJECT
    model = model or name_for_keys(file.models[0].name)
    if name is None:
        name = model if isinstance(source, Mapping | LightFile) else Path(source).stem
    run_id = _content_id(project, model, name, file)
    with store.catalogue.read() as connection:
        known = recorded_versions(connection, LIGHT, [run_id])
    if run_id in known:
        return ImportedFile(name, run_id, known[run_id], False, file)
    now = time.time()
    run = WholeRun(
        LIGHT,
        name,
        run_id,
        project,
        model,
        file_events(file),
        experiment=file.experiment,
        started_at=now,
        ended_at=now,
        description=file.description,
        code_version=file.code_version,
        metadata=file.extra,
    )
    return ImportedFile(name, run_id, record_whole_run(store.catalogue, run), True, file)


def _content_id(project: str, model: str, name: str, file: LightFile) -> str:
    text = json.dumps([project, model, name, asdict(file)], sort_keys=True, separators=(",", ":"))
    return blake3(b"light run\0" + text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
