"""The entry point of the image counterfoil-scoring."""

from counterfoil.service.server import main

if __name__ == "__main__":
    main()
