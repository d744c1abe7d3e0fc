"""Which intermediates stay stored; pure functions over values."""

from mistique_core.materialization.policy import Adaptive, Budget, KeepAll, Policy, parse_policy
from mistique_core.materialization.selection import Candidate, choose_kept

__all__ = ["Adaptive", "Budget", "Candidate", "KeepAll", "Policy", "choose_kept", "parse_policy"]
