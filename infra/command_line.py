"""What the commands of this room read: a folder with templates, and nothing that only looks like one."""

import argparse
from pathlib import Path


def templates_folder(about: str | None) -> Path:
    """The folder that the command line names. Ends the process with 2 if it does not hold the templates of prod."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("folder", type=Path, help="the templates of prod, as build/cdk/prod")
    folder: Path = parser.parse_args().folder
    if not any(folder.glob("counterfoil-prod-*.template.json")):
        parser.error(
            f"folder {str(folder)!r} holds no counterfoil-prod-*.template.json: "
            "'python -m infra.synth build/cdk' writes them to build/cdk/prod"
        )
    return folder


def new_folder(about: str | None) -> Path:
    """The folder that is to be written; it is made if it is not there. Ends the process with 2 if it cannot be."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("folder", type=Path, help="where the templates go, as build/cdk")
    folder: Path = parser.parse_args().folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"{str(folder)!r} cannot be a folder ({error.strerror}): name another one")
    return folder
