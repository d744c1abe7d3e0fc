"""Annotations: immutable values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fragment:
    """One part of an annotation: a message, or a reference to something of the run.

    Attributes
    ----------
    message
        What was written.
    frame_id, model_id, spec_id
        A data frame, a model, or the event that stands for a specification.
    is_gone
        Whether it referred to something that was deleted since.
    """

    message: str | None = None
    frame_id: int | None = None
    model_id: int | None = None
    spec_id: int | None = None
    is_gone: bool = False


@dataclass(frozen=True)
class AnnotationRecord:
    """What somebody wrote about a run and what is in it.

    Attributes
    ----------
    id, run_id
        Its row, and that of its run.
    posted_at
        Unix seconds.
    author
        Who; ``None`` if that is not known.
    fragments
        Its parts, in order.
    """

    id: int
    run_id: int
    posted_at: float
    author: str | None
    fragments: tuple[Fragment, ...]

    @property
    def text(self) -> str:
        """The annotation for people, with references as ``[model 3]``."""
        return " ".join(map(_shown, self.fragments))


def _shown(fragment: Fragment) -> str:
    if fragment.message is not None:
        return fragment.message
    for what, row in (
        ("data frame", fragment.frame_id),
        ("model", fragment.model_id),
        ("specification", fragment.spec_id),
    ):
        if row is not None:
            return f"[{what} {row}]"
    return "[deleted]"
