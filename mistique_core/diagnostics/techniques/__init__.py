"""One technique a module; :mod:`mistique_core.diagnostics` has the functions."""
