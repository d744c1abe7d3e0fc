"""What is known about a fitted model or transformer, as plain values (thesis 4.4)."""

from mistique_core.fitted.facts.fit_facts import fit_facts
from mistique_core.fitted.facts.hyperparameters import hyperparameters_of
from mistique_core.fitted.facts.keras_network import keras_facts

__all__ = ["fit_facts", "hyperparameters_of", "keras_facts"]
