"""What is kept of an iteration in which a number became none: the state before it, and what was wrong after it.

`playground-amp doctor --replay FILE` does the iteration again and says where it began.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from playground_amp.amp import AMP, TrainState
from playground_amp.core.errors import InputError
from playground_amp.core.files import parse_json, whole

FILE = "diverged.npz"  # in the folder of a run; the newest one
ABOUT = "about"
MOST_BYTES = 2**33  # of a dump


@jax.jit
def is_finite(state: TrainState) -> jax.Array:
    """Whether every number [] of a state is one."""
    return jnp.all(jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(state) if _is_float(leaf)]))


def not_finite(state: Any) -> dict[str, int]:
    """How many numbers are none, by the path of the array, for arrays that have any."""
    found = {}
    for path, leaf in jax.tree.leaves_with_path(state):
        if _is_float(leaf) and (count := int(np.sum(~np.isfinite(np.asarray(leaf))))):
            found[jax.tree_util.keystr(path)] = count
    return found


def write_dump(run_dir: Path, state: TrainState, about: Mapping[str, Any]) -> Path:
    """Write the state before an iteration, and JSON `about` it, to FILE in the folder of a run; whole or not at all."""
    arrays: dict[str, Any] = {ABOUT: np.array(json.dumps(about))}
    arrays |= {str(i): np.asarray(_plain(leaf)) for i, leaf in enumerate(jax.tree.leaves(state))}
    path = run_dir / FILE
    with whole(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)
    return path


def read_about(path: Path) -> dict[str, Any]:
    """What a dump is about; raises InputError for a file that is none."""
    text = str(_read(path, ABOUT))
    try:
        about = parse_json(text)
        return {**about, "iteration": int(about["iteration"]), "config": dict(about["config"])}
    except (KeyError, TypeError, ValueError):
        raise _no_dump(path) from None


def read_state(path: Path, amp: AMP) -> TrainState:
    """The state in a dump; raises InputError unless it is one of `amp`."""
    leaves, tree = jax.tree.flatten(jax.eval_shape(amp.init, jax.random.key(0)))
    found = []
    for i, leaf in enumerate(leaves):
        array, key = _read(path, str(i)), jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        plain = jax.eval_shape(jax.random.key_data, leaf) if key else leaf
        if array.shape != plain.shape or array.dtype != plain.dtype:
            raise InputError(f"'{path}' was made with other sizes than its configuration gives here")
        found.append(jax.random.wrap_key_data(jnp.asarray(array)) if key else jnp.asarray(array))
    return jax.tree.unflatten(tree, found)


def _read(path: Path, name: str) -> np.ndarray:
    """One array of a dump: nothing in it is packed, so that no array is larger than the file, and none is an object."""
    try:
        with zipfile.ZipFile(path) as file:
            info = file.getinfo(f"{name}.npy")
            if info.compress_type != zipfile.ZIP_STORED or info.file_size > MOST_BYTES:
                raise _no_dump(path)
            with file.open(info) as stream:
                return np.lib.format.read_array(stream, allow_pickle=False)
    except OSError as error:
        raise InputError(
            f"'{path}' cannot be read: {error.strerror or error}; give the diverged.npz that a run leaves in its "
            f"folder when it diverges"
        ) from None
    except InputError:
        raise
    except Exception:  # NumPy and zipfile raise a different type for every kind of damage
        raise _no_dump(path) from None


def _no_dump(path: Path) -> InputError:
    return InputError(f"'{path}' is not a {FILE} of this version, as a run that diverges leaves one, or it is damaged")


def _is_float(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jnp.floating)


def _plain(leaf: jax.Array) -> jax.Array:
    return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
