"""The entry point of the image counterfoil-detector."""

import sys

from counterfoil.processing.detector import app
from counterfoil.processing.job import main

if __name__ == "__main__":
    sys.exit(main(app))
