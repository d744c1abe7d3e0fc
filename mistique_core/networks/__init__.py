"""Deep networks: every layer's output of a Keras model as an intermediate (thesis 5.1.1, 5.4)."""
