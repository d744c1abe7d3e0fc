"""The PredictionVisualizer: predictions of many models over the same examples (thesis chapter 6)."""
