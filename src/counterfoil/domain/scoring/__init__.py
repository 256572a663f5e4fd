"""Hold payments against references: nearest on each side, margin, signal, novelty, precedents."""
