"""The sections of all pages, in the order of the navigation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """One entry: its name in code, its label, and its address below the application's."""

    name: str
    label: str
    path: str


SECTIONS = (
    Section("projects", "Projects", "/app/projects"),
    Section("models", "Models", "/app/models"),
    Section("runs", "Runs", "/runs"),
    Section("predictions", "Predictions", "/app/predictions"),
    Section("intermediates", "Intermediates", "/app/intermediates"),
    Section("ask", "Ask", "/app/ask"),
    Section("storage", "Storage", "/app/storage"),
)
