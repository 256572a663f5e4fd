"""Fraud and anomaly detection in payments, where every score names its precedents.

In a notebook: `import counterfoil as cf`, then `lab = cf.open("folder")`; see `counterfoil.insights.lab.Lab`.
"""

from typing import Any

__version__ = "0.1.0"

_LAZY = {"open": "open_lab", "Lab": "Lab"}
"""Names of the public face, and what they are called in `counterfoil.insights.lab`."""

__all__ = ["Lab", "__version__", "open"]


def __getattr__(name: str) -> Any:
    """Import the public face when it is asked for: the command line answers without it."""
    if name not in _LAZY:
        raise AttributeError(f"module 'counterfoil' has no attribute {name!r}; there are: {', '.join(sorted(_LAZY))}")
    from importlib import import_module

    return getattr(import_module("counterfoil.insights.lab"), _LAZY[name])


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
