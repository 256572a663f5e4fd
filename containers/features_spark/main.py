"""What spark-submit is given in the image counterfoil-features-spark."""

import sys

from counterfoil.processing.features_spark import app
from counterfoil.processing.job import main

if __name__ == "__main__":
    sys.exit(main(app))
