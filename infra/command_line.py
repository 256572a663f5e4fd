"""What the commands of this room read: a folder with templates, and nothing that only looks like one."""

import argparse
from pathlib import Path


def templates_folder(about: str | None) -> Path:
    """The folder that the command line names. Ends the process with 2 if it is not there or holds no template."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("folder", type=Path, help="the templates of one environment, as build/cdk/prod")
    folder: Path = parser.parse_args().folder
    if not any(folder.glob("*.template.json")):
        parser.error(f"folder {str(folder)!r} holds no *.template.json: 'python -m infra.synth build/cdk' writes them")
    return folder


def new_folder(about: str | None) -> Path:
    """The folder that is to be written; it need not be there. Ends the process with 2 if it is a file."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("folder", type=Path, help="where the templates go, as build/cdk")
    folder: Path = parser.parse_args().folder
    if folder.exists() and not folder.is_dir():
        parser.error(f"{str(folder)!r} is a file: name a folder")
    return folder
