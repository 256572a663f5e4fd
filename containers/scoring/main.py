"""The entry point of the image counterfoil-scoring."""

from counterfoil.cores import settle_threads

settle_threads()  # before numpy is imported, which starts its threads then

from counterfoil.service.server import main  # noqa: E402

if __name__ == "__main__":
    main()
