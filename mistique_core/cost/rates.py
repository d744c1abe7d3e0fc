"""Measured seconds of this host, one number a unit of work, kept up to date without trusting any single measurement.

Everything that the cost model adds up (Eq. 5.2 to 5.4) is work: so many chunks, so many bytes of an encoding, so many
rows of a stage. Work is a mapping from the name of a term to its amount; a rate is the seconds of one unit of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

Work = Mapping[str, float]
"""Term -> amount, none negative."""

PLAIN = "plain"
"""The encoding of plain numbers, whose rates stand in for those of an encoding that this host has not met."""
_WEIGHT = 0.2
_MOST_CHANGE = 4.0


class Rate(NamedTuple):
    """What one unit of work costs on this host.

    Attributes
    ----------
    seconds
        Of one unit.
    samples
        Measurements behind it; one that another term took most of counts as a part.
    """

    seconds: float
    samples: float = 0.0


@dataclass(frozen=True)
class HostRates:
    """The rates of one host; what it has none for costs nothing.

    Attributes
    ----------
    rates
        Term -> rate.
    """

    rates: Mapping[str, Rate] = field(default_factory=dict)

    def rate(self, term: str) -> Rate:
        """Return the rate of a term; of an encoding that this host has not met, that of the one closest to it."""
        found = self.rates.get(term)
        if found is None:
            what, _, encoding = term.partition(".")
            found = self.rates.get(f"{what}.{encoding.partition('+')[0]}", self.rates.get(f"{what}.{PLAIN}"))
        return Rate(0.0) if found is None else Rate(found.seconds) if term not in self.rates else found

    def seconds(self, work: Work) -> float:
        """Return the estimate of some work."""
        return sum([amount * self.rate(term).seconds for term, amount in work.items()])

    def with_rates(self, changed: Mapping[str, Rate]) -> HostRates:
        """Return these rates with some replaced or added."""
        return HostRates({**self.rates, **changed}) if changed else self


def learn(rates: HostRates, work: Work, measured_seconds: float) -> dict[str, Rate]:
    """Return the rates that one more measurement changes.

    The error of the estimate, as a factor, is attributed to the terms by their shares in it: a step of normalised least
    mean squares on the logarithms of the rates. So different queries tell the terms apart. One outlier (a cold disk, a
    busy machine) counts as a factor of four at most, and moves the estimate by half of that at most.

    Parameters
    ----------
    rates
        The rates so far.
    work
        What was done.
    measured_seconds
        What it took; nothing is learned from 0 or less, or from work that no rate is known for.
    """
    known = {term: rates.rate(term) for term in work}
    parts = {term: amount * known[term].seconds for term, amount in work.items()}
    estimate = sum(parts.values())
    if estimate <= 0 or not 0 < measured_seconds < math.inf:
        return {}
    most = math.log(_MOST_CHANGE)
    error = min(max(math.log(measured_seconds / estimate), -most), most)
    shares = {term: part / estimate for term, part in parts.items() if part > 0}
    squares = sum(share * share for share in shares.values())
    changed = {}
    for term, share in shares.items():
        rate = known[term]
        step = max(_WEIGHT, 1 / (rate.samples + 2)) * error * share / squares
        changed[term] = Rate(rate.seconds * math.exp(step), rate.samples + share)
    return _bounded(work, changed, estimate, math.exp(abs(error) / 2))


def _bounded(work: Work, changed: dict[str, Rate], estimate: float, most: float) -> dict[str, Rate]:
    """Return the change, made so small that the estimate of `work` moves by a factor of `most` at most."""
    after = sum(work[term] * rate.seconds for term, rate in changed.items())
    if after <= 0 or estimate / most <= after <= estimate * most:
        return changed
    scale = (most if after > estimate else 1 / most) * estimate / after
    return {term: Rate(rate.seconds * scale, rate.samples) for term, rate in changed.items()}
