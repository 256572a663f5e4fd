"""What all sections of a mapping have in common."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A section of a mapping: never changed, and without keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")
