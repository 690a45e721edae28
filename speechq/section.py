"""What all parts of a recipe share."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Seed = Annotated[int, Field(ge=0)]
"""What random numbers are drawn from."""


def _different(alphabet: str) -> str:
    repeated = sorted({letter for letter in alphabet if alphabet.count(letter) > 1})
    if repeated:
        raise ValueError(f"{', '.join(map(repr, repeated))} occurs twice")
    return alphabet


Alphabet = Annotated[str, Field(min_length=1), AfterValidator(_different)]
"""Different characters."""


class Section(BaseModel):
    """A part of a recipe: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
