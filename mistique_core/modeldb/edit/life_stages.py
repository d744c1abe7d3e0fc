"""Life stages of model versions: candidate, production, archived; with their history."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import sqlalchemy as sa

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.modeldb_tables import life_change
from mistique_core.catalogue.tables import model, model_version, project
from mistique_core.errors import InvalidInputError, NotFoundError, did_you_mean
from mistique_core.modeldb.records import VersionLabel


class LifeStage(StrEnum):
    """Where a model version is in its life."""

    CANDIDATE = "candidate"
    PRODUCTION = "production"
    ARCHIVED = "archived"


@dataclass(frozen=True)
class LifeChange:
    """One change.

    Attributes
    ----------
    life_stage
        What the version became.
    changed_at
        Unix seconds.
    author
        Who changed it; ``None`` if that is not known.
    """

    life_stage: LifeStage
    changed_at: float
    author: str | None


class _Version(NamedTuple):
    id: int
    model_id: int
    life_stage: str | None


class LifeStages:
    """Move model versions through their life.

    A model has at most one version in production: moving another one there needs to say what becomes of the former one.

    Parameters
    ----------
    catalogue
        Where they are recorded.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def move(
        self,
        project_name: str,
        model_name: str,
        version: int,
        life_stage: str | LifeStage,
        *,
        archive_others: bool = False,
        allow_several: bool = False,
        author: str | None = None,
    ) -> None:
        """Move a version to a life stage; nothing is recorded if it is there already.

        Parameters
        ----------
        project_name, model_name, version
            The version.
        life_stage
            ``candidate``, ``production`` or ``archived``.
        archive_others
            On moving to production, archive the versions of the model that are there.
        allow_several
            On moving to production, leave them there.
        author
            Who moves it.

        Raises
        ------
        NotFoundError
            If there is no such version.
        InvalidInputError
            If there is no such life stage; if another version is in production, and neither `archive_others` nor
            `allow_several` says what becomes of it.
        """
        try:
            target = LifeStage(life_stage)
        except ValueError:
            known = [item.value for item in LifeStage]
            raise InvalidInputError(
                f"{life_stage!r} is not a life stage; {did_you_mean(str(life_stage), known)}"
            ) from None
        with self._catalogue.write() as connection:
            row = _version(connection, project_name, model_name, version)
            connection.execute(sa.select(model.c.id).where(model.c.id == row.model_id).with_for_update())
            if target is LifeStage.PRODUCTION and not allow_several:
                query = sa.select(model_version.c.id, model_version.c.number).where(
                    model_version.c.model_id == row.model_id,
                    model_version.c.life_stage == LifeStage.PRODUCTION,
                    model_version.c.id != row.id,
                )
                others = connection.execute(query.order_by(model_version.c.number)).all()
                if others and not archive_others:
                    listed = ", ".join(f"{project_name}.{model_name}@{other.number}" for other in others)
                    raise InvalidInputError(
                        f"{listed} is in production; archive it with archive_others=True, or keep both with "
                        "allow_several=True"
                    )
                for other in others:
                    _change(connection, other.id, LifeStage.ARCHIVED, author)
            if row.life_stage != target:
                _change(connection, row.id, target, author)

    def of(self, project_name: str, model_name: str, version: int) -> LifeStage | None:
        """Return the life stage of a version; ``None`` if it was never moved to one.

        Raises
        ------
        NotFoundError
            If there is no such version.
        """
        with self._catalogue.read() as connection:
            found = _version(connection, project_name, model_name, version).life_stage
        return None if found is None else LifeStage(found)

    def history(self, project_name: str, model_name: str, version: int) -> tuple[LifeChange, ...]:
        """Return the changes of a version, the oldest first.

        Raises
        ------
        NotFoundError
            If there is no such version.
        """
        with self._catalogue.read() as connection:
            row = _version(connection, project_name, model_name, version)
            query = sa.select(life_change).where(life_change.c.model_version_id == row.id)
            return tuple(
                LifeChange(LifeStage(change.life_stage), change.changed_at, change.author)
                for change in connection.execute(query.order_by(life_change.c.changed_at))
            )

    def versions(self, life_stage: str | LifeStage) -> tuple[VersionLabel, ...]:
        """Return the versions that are in a life stage, by project, model and number."""
        with self._catalogue.read() as connection:
            query = (
                sa.select(project.c.name, model.c.name, model_version.c.number)
                .select_from(model_version.join(model).join(project))
                .where(model_version.c.life_stage == str(life_stage))
                .order_by(project.c.name, model.c.name, model_version.c.number)
            )
            return tuple(VersionLabel(*row) for row in connection.execute(query))


def _version(connection: sa.Connection, project_name: str, model_name: str, version: int) -> _Version:
    query = (
        sa.select(model_version.c.id, model_version.c.model_id, model_version.c.life_stage)
        .select_from(model_version.join(model).join(project))
        .where(project.c.name == project_name, model.c.name == model_name, model_version.c.number == version)
    )
    found = connection.execute(query).first()
    if found is None:
        raise NotFoundError(f"{project_name}.{model_name}@{version} does not exist; search() lists model versions")
    return _Version(*found)


def _change(connection: sa.Connection, version_id: int, life_stage: LifeStage, author: str | None) -> None:
    last = connection.scalar(
        sa.select(sa.func.max(life_change.c.changed_at)).where(life_change.c.model_version_id == version_id)
    )
    # Two changes within one tick of the clock keep their order.
    changed_at = time.time() if last is None else max(time.time(), last + 1e-6)
    connection.execute(
        sa.insert(life_change).values(
            model_version_id=version_id, changed_at=changed_at, life_stage=life_stage.value, author=author
        )
    )
    connection.execute(
        sa.update(model_version).where(model_version.c.id == version_id).values(life_stage=life_stage.value)
    )
