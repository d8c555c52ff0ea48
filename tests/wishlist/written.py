"""Bodies of issues as GitHub writes them from the form."""

from __future__ import annotations

from wishlist.vocabulary import Field, wish_vocabulary

NOTHING = "_No response_"


def rendered(**answers: str) -> str:
    """Return the body of an issue whose form was answered so; what is left out has no answer."""
    labels = wish_vocabulary().labels
    return "\n\n".join(
        f"### {labels[field]}\n\n{answers.get(field.value, NOTHING)}" for field in Field
    )
