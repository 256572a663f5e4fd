"""How vectors are compared, apart from the libraries that do it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Compute:
    """Where vectors are compared, whether the nearest are found in half precision, and how many rows at once."""

    device: str = "cpu"
    half: bool = False
    batch_rows: int = 16_384
