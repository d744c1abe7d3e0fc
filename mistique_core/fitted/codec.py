"""Fitted objects to bytes and back, without pickle.

A codec is chosen by the object's type when storing and by the recorded format when loading. Equal
objects give equal bytes wherever the library allows it, so that a re-fitted but identical model is
recognised as the same.
"""

from __future__ import annotations

from typing import Any, Protocol

from mistique_core.errors import InvalidInputError


class FittedCodec(Protocol):
    """Turns fitted objects of one family into bytes."""

    format: str
    """Name recorded in the catalogue."""

    item: str
    """NumPy's name of what the bytes mostly consist of, which is how they are compressed; their number is a multiple
    of its size."""

    def accepts(self, value: Any) -> bool:
        """Return whether this codec stores `value`; must not import heavy libraries to say no."""

    def dump(self, value: Any) -> bytes:
        """Return the object's bytes."""

    def load(self, data: bytes) -> Any:
        """Return the object; raises :class:`UntrustedTypeError` rather than run anything unknown."""


def type_name(value: Any) -> str:
    """Return ``module.Class`` of a fitted object."""
    return f"{type(value).__module__}.{type(value).__qualname__}"


def find_codec(codecs: tuple[FittedCodec, ...], value: Any) -> FittedCodec:
    """Return the first codec that stores `value`.

    Raises
    ------
    InvalidInputError
        If none does.
    """
    for codec in codecs:
        if codec.accepts(value):
            return codec
    raise InvalidInputError(
        f"a fitted object of type {type_name(value)} cannot be stored without pickle; "
        "return a scikit-learn or XGBoost estimator, or a dict of numbers and strings"
    )


def codec_for_format(codecs: tuple[FittedCodec, ...], name: str) -> FittedCodec:
    """Return the codec that wrote `name`, or raise :class:`InvalidInputError`."""
    for codec in codecs:
        if codec.format == name:
            return codec
    raise InvalidInputError(f"fitted objects of format {name!r} are unknown to this version; upgrade MISTIQUE")
