"""The aliases that a release may have: one release scores, one waits to be promoted by a person."""

CHAMPION = "champion"
CHALLENGER = "challenger"
