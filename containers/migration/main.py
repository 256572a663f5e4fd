"""The entry point of the image counterfoil-migration: the database's schema and users, at each deployment."""

import sys

from counterfoil.processing.migration import main

if __name__ == "__main__":
    sys.exit(main())
