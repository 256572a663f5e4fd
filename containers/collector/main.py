"""The entry point of the image counterfoil-collector."""

import sys

from counterfoil.processing.collector import app
from counterfoil.processing.job import main

if __name__ == "__main__":
    sys.exit(main(app))
