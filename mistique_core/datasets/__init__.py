"""Intermediates as data sets of PyTorch, TensorFlow and Hugging Face; import the module of the one that is wanted."""
