"""The entry point of the image counterfoil-curation."""

import sys

from counterfoil.processing.curation import app
from counterfoil.processing.job import main

if __name__ == "__main__":
    sys.exit(main(app))
