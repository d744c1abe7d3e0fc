"""What commands share: the store that the options name, and how tables are printed."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mistique_core.config import StoreConfig
from mistique_core.errors import NotFoundError

if TYPE_CHECKING:
    from mistique_core.store import Mistique

_PIPED_WIDTH = 250

console = Console(
    highlight=False,
    emoji=False,
    width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPED_WIDTH,
)


def say(text: str) -> None:
    """Print text as it is; the terminal, not we, wraps long lines."""
    console.print(text, markup=False, soft_wrap=True)


@contextmanager
def open_store(args: argparse.Namespace) -> Iterator[Mistique]:
    """Open the existing store that the options name; commands never create one.

    Raises
    ------
    NotFoundError
        If there is no store.
    """
    from mistique_core.store import Mistique

    existing_store(args)
    with Mistique.open(args.store, args.catalogue) as store:
        yield store


def existing_store(args: argparse.Namespace) -> StoreConfig:
    """Return the settings of the store that the options name; raises like :func:`open_store`."""
    config = StoreConfig.resolve(args.store, args.catalogue)
    exists = config.folder is None or config.folder.is_dir()
    if not (exists and _has_catalogue(config.catalogue_url)):
        raise NotFoundError(f"there is no store in {config.location}; give --store FOLDER or run a pipeline first")
    return config


def _has_catalogue(url: str) -> bool:
    """Return False if the catalogue is a file that does not exist; a server is asked on opening."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        return True
    return parsed.get_backend_name() != "sqlite" or Path(parsed.database or "").is_file()


def table(*columns: str | tuple[str, str]) -> Table:
    """Return a plain table; a column given as (name, "right") is aligned right."""
    made = Table(box=None, header_style="bold", pad_edge=False)
    for position, column in enumerate(columns):
        name, justify = (column, "left") if isinstance(column, str) else column
        made.add_column(
            escape(name), justify="right" if justify == "right" else "left", overflow="fold", no_wrap=position == 0
        )
    return made


def cells(values: Sequence[object]) -> list[str]:
    """Return values as cell texts, with rich's markup switched off."""
    return ["" if value is None else escape(str(value)) for value in values]
