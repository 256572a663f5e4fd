"""Open an input file as bytes to read through once, whatever it is packed in. Nothing is ever written."""

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from counterfoil.adapters.files.parts import Part
from counterfoil.adapters.files.unpacking import FIRST_BYTES, UNPACKERS, Budget, StreamLimits, packing_of, unpacked
from counterfoil.adapters.files.zip_members import members_of
from counterfoil.domain.intake.raw import printable
from counterfoil.errors import InputFileError


def parts_of(path: Path, limits: StreamLimits) -> Generator[Part, None, None]:
    """Yield the payment files in a file, in order: one, or an archive's members.

    A part is open until the next is asked for. Raises InputFileError if the file is missing or may not be read,
    is packed in a way that is not known, or is an archive that is damaged or has members that are refused.
    """
    with ExitStack() as open_until_next:

        def opened() -> BinaryIO:
            return open_until_next.enter_context(_opened(path))

        packing = packing_of(opened().read(FIRST_BYTES))
        place, source = printable(str(path)), printable(path.name)
        if packing == "zip":
            yield from members_of(opened(), place, source, Budget(place, path.stat().st_size, limits), limits)
        elif packing is None:
            yield Part(place, source, None, opened)
        elif packing in UNPACKERS:
            budget = Budget(place, path.stat().st_size, limits)
            unpack = UNPACKERS[packing]
            yield Part(place, source, None, lambda: unpacked(unpack(opened()), place, packing, budget))
        else:
            raise InputFileError(f"{place} is packed with {packing}: pack it with gzip, bzip2, xz, zstd or zip instead")


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise InputFileError(f"{printable(str(path))} does not exist") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its name is no file name"
        raise InputFileError(f"{printable(str(path))} cannot be read: {reason}") from None
    with file:
        yield file
