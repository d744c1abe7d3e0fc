"""Which intermediates stay stored; pure functions over values."""

from mistique_core.materialization.candidate import Candidate, Part, levels
from mistique_core.materialization.eviction import HYSTERESIS, Holder, make_room, worth_of
from mistique_core.materialization.forecast import queries_needed, queries_until_kept
from mistique_core.materialization.policy import Adaptive, Budget, KeepAll, Policy, parse_policy
from mistique_core.materialization.selection import choose_kept

__all__ = [
    "HYSTERESIS",
    "Adaptive",
    "Budget",
    "Candidate",
    "Holder",
    "KeepAll",
    "Part",
    "Policy",
    "choose_kept",
    "levels",
    "make_room",
    "parse_policy",
    "queries_needed",
    "queries_until_kept",
    "worth_of",
]
