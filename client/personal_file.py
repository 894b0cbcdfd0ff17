"""The file of the shop's own model: its bytes under their hash, and what the model was fitted on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from highstreet.client.home import StoreHome
from highstreet.files import make_private_folder, read_limited, remove_leftovers, write_private

__all__ = ["Basis", "fitted_release", "forget_model", "keep_model", "kept_model", "read_model"]

_MODEL_LIMIT_BYTES = 256 << 20
_POINTER_LIMIT_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a personal model depends on; another basis means it is fitted anew.

    Attributes:
        release: number of the release it starts from, 0 for none.
        imports: number of the last import.
        agreed_sha256: of who agreed to the shop's own model, and to sensitive products in it.
        products_sha256: of the list of products, and of which are of a sensitive kind.
        as_of: the day it was fitted for.
        rights: number of the last request under somebody's rights that changed whose data may be used.
    """

    release: int
    imports: int
    agreed_sha256: str
    products_sha256: str
    as_of: str
    rights: int


def keep_model(home: StoreHome, data: bytes, basis: Basis) -> None:
    """Write a model under its hash, then the pointer that puts it in use, then remove the one before."""
    make_private_folder(home.personal)
    name = _name(data)
    write_private(home.personal / name, data)
    pointer = {"model": name, "basis": asdict(basis)}
    write_private(_pointer_file(home), json.dumps(pointer, sort_keys=True).encode())
    for other in home.personal.glob("*.safetensors"):
        if other.name != name:
            other.unlink(missing_ok=True)


def forget_model(home: StoreHome) -> int:
    """Remove the model, whatever is left of another one, and the pointer; return how many files there were.

    The caller holds the vault's write lock, as whoever keeps a model does.
    """
    if not home.personal.is_dir():
        return 0
    remove_leftovers(home.personal)
    models = [*home.personal.glob("*.safetensors"), _pointer_file(home)]
    return sum(_removed(path) for path in models)


def read_model(home: StoreHome, basis: Basis) -> bytes | None:
    """Return the model in use if it has this basis and is undamaged, else None."""
    return kept_model(home) if _pointer(home).get("basis") == asdict(basis) else None


def kept_model(home: StoreHome) -> bytes | None:
    """Return the model in use, whatever it was fitted on, if it is there and undamaged, else None."""
    path = home.personal / Path(str(_pointer(home).get("model", ""))).name
    if not path.is_file():
        return None
    data = read_limited(path, limit_bytes=_MODEL_LIMIT_BYTES)
    return data if _name(data) == path.name else None


def fitted_release(home: StoreHome) -> int:
    """Return the number of the release that the model in use starts from, 0 for none."""
    basis = _pointer(home).get("basis")
    number = basis.get("release") if isinstance(basis, dict) else 0
    return number if isinstance(number, int) else 0


def _removed(path: Path) -> bool:
    is_there = path.exists()
    path.unlink(missing_ok=True)
    return is_there


def _name(data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()}.safetensors"


def _pointer_file(home: StoreHome) -> Path:
    return home.personal / "active.json"


def _pointer(home: StoreHome) -> Mapping[str, object]:
    if not _pointer_file(home).is_file():
        return {}
    try:
        pointer = json.loads(read_limited(_pointer_file(home), limit_bytes=_POINTER_LIMIT_BYTES))
    except ValueError:
        return {}
    return pointer if isinstance(pointer, dict) else {}
