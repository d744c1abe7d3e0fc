"""Reads the text of a scheme: ``bounded(0.25)``, ``kbit(8)``, ``pool(2)+float16``, ..."""

from __future__ import annotations

import re
from collections.abc import Callable

from mistique_core.errors import InvalidInputError, did_you_mean
from mistique_core.quantizers.bounded import Bounded
from mistique_core.quantizers.kbit import KBit
from mistique_core.quantizers.low_precision import NAMES, LowPrecision
from mistique_core.quantizers.pool import Pool
from mistique_core.quantizers.quantizer import Quantizer
from mistique_core.quantizers.threshold import Threshold

LOSSLESS = "lossless"
_SCHEMES: dict[str, Callable[[list[str]], Quantizer]] = {
    "bounded": Bounded.from_arguments,
    "kbit": KBit.from_arguments,
    "pool": Pool.from_arguments,
    "threshold": Threshold.from_arguments,
}
_MOST_CHARACTERS = 200
_TEXT = re.compile(r"\s*(?P<name>\w+)\s*(?:\((?P<arguments>[^()]*)\)\s*)?(?:\+(?P<then>.*))?", re.DOTALL)


def parse_scheme(scheme: str | Quantizer | None) -> Quantizer | None:
    """Return the scheme that a text describes.

    Parameters
    ----------
    scheme
        A text in upper or lower case, a scheme, or ``None``.

    Returns
    -------
    Quantizer or None
        ``None`` for ``lossless`` and for ``None``.

    Raises
    ------
    InvalidInputError
        If the text describes no scheme; the message says what was meant or what there is.
    """
    if scheme is None or isinstance(scheme, Quantizer):
        return scheme
    if not isinstance(scheme, str):
        raise InvalidInputError(f"a scheme is a text such as 'bounded(0.25)', not {type(scheme).__name__}; give one")
    if len(scheme) > _MOST_CHARACTERS:
        raise InvalidInputError(f"a scheme of {len(scheme)} characters is none; write one such as 'pool(2)+float16'")
    found = _TEXT.fullmatch(scheme.lower())
    if found is None:
        raise InvalidInputError(f"scheme {scheme!r} cannot be read; write it as 'bounded(0.25)' or 'pool(2)+float16'")
    name, given, then = found["name"], found["arguments"], found["then"]
    arguments = [argument.strip() for argument in given.split(",")] if given and given.strip() else []
    first = _scheme(scheme, name, arguments)
    if then is None:
        return first
    if not isinstance(first, Pool):
        raise InvalidInputError(f"scheme {scheme!r}: only pool(...) is followed by another scheme; drop {'+' + then!r}")
    following = parse_scheme(then)
    if following is None:
        raise InvalidInputError(
            f"scheme {scheme!r}: pool(...) alone stores the pooled maps losslessly; drop {'+' + then!r}"
        )
    return Pool(first.sigma, first.how, following)


def _scheme(text: str, name: str, arguments: list[str]) -> Quantizer | None:
    if name in _SCHEMES:
        return _SCHEMES[name](arguments)
    if name in (*NAMES, LOSSLESS):
        if arguments:
            raise InvalidInputError(f"scheme {text!r}: {name} takes no arguments; write {name!r}")
        return None if name == LOSSLESS else LowPrecision(name)
    raise InvalidInputError(f"unknown scheme {name!r}; {did_you_mean(name, (*_SCHEMES, *NAMES, LOSSLESS))}")
