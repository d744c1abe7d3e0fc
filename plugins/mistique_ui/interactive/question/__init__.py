"""Asking any technique of the registry."""
