"""What the tests share: the robot, a synthetic walk (no file of `data/` is needed), its reference and the physics."""

from __future__ import annotations

import os

# Before jax is imported, and for the processes that tests start. The tests are small, and bits are compared.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Compiling takes most of the time. JAX_DISABLE_MOST_OPTIMIZATIONS=0 tests what training compiles, in five times of it.
if os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1") == "1":
    # Without the emitters of MLIR, which load a compiler anew for each of some hundred kernels of a training.
    quick = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {quick}"

import ctypes
import gc
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np
import pytest
from jax._src import lru_cache
from measure import Measure, resident_mb

from playground_amp.config import CommandConfig, EnvConfig
from playground_amp.core.console import show_sentences
from playground_amp.core.types import PhysicsState
from playground_amp.envs.env import Env
from playground_amp.envs.physics import Physics, make_physics
from playground_amp.motion.clip import MotionClip, save_clip
from playground_amp.motion.reference_builder import Reference, make_reference
from playground_amp.robots import Robot, load_robot

CONTROL_DT = 0.02

# A user is told in one sentence and nothing beside it. Reads that Orbax dropped in a test of damaged checkpoints may be
# collected, and told of, in any later test.
ONE_SENTENCE = pytest.mark.filterwarnings(
    "error", "ignore:Exception ignored in. <coroutine object _read_array:pytest.PytestUnraisableExceptionWarning"
)


LARGEST_CACHE = 500e6  # bytes of compiled code kept from one run of the tests to the next
MEMORY = 900.0  # MB of a worker above which it lets go of what the tests of a file compiled
MEMORY_WITHIN = 1500.0  # the same in the middle of a file, whose next tests may have to compile again


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--measure", action="store_true", help="print wall time, CPU time and memory at the end")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("measure"):
        config.pluginmanager.register(Measure(config))
    keep_compiled(config.cache.mkdir("jax"), prune=not hasattr(config, "workerinput"))


def keep_compiled(folder: Path, *, prune: bool) -> None:
    """What was compiled is kept in a folder, for the other worker and the next run; JAX knows it by its content.

    Not what calls back to Python, as all does that steps the native physics: JAX never keeps that.
    """
    if prune and sum(path.stat().st_size for path in folder.iterdir()) > LARGEST_CACHE:
        shutil.rmtree(folder)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

    def put(cache: lru_cache.LRUCache, key: str, value: bytes) -> None:
        """JAX writes in place, where the other worker may read half of it, and an interruption leaves half of it."""
        part = folder / f"{key}.{os.getpid()}"
        part.write_bytes(value)
        part.replace(folder / f"{key}-cache")

    lru_cache.LRUCache.put = put


def give_back_memory(limit: float) -> None:
    """A program takes a MB or more, be it one addition, and JAX keeps them all."""
    if resident_mb() > limit:
        jax.clear_caches()
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture(scope="module", autouse=True)
def memory_is_given_back() -> Iterator[None]:
    yield
    give_back_memory(MEMORY)


@pytest.fixture(autouse=True)
def memory_is_given_back_within() -> Iterator[None]:
    yield
    give_back_memory(MEMORY_WITHIN)


def pytest_collection_finish() -> None:
    """Python's collector leaves alone what was imported and looks less often: it took a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def slow(*values: object) -> list:
    """Values of a parameter that are tried among the slow tests alone."""
    return [
        pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=pytest.mark.slow) for value in values
    ]


def synthetic_walk(robot: Robot, frames: int = 120) -> np.ndarray:
    """A small sinusoidal walk [frames, nq] along +x that touches the ground and swings the pelvis about every axis."""
    t = np.arange(frames) * CONTROL_DT
    phase = 2.0 * np.pi * t / 0.76
    left, right = np.maximum(np.sin(phase), 0.0) ** 2, np.maximum(-np.sin(phase), 0.0) ** 2
    qpos = np.tile(robot.home_qpos, (frames, 1))
    qpos[:, 0] = 0.55 * t
    qpos[:, 1] = 0.02 * np.sin(phase)
    angles = np.stack([0.05 * np.sin(phase), 0.03 * np.sin(2 * phase) + 0.02, 0.06 * np.cos(phase) + 0.01], axis=-1)
    qpos[:, 3:7] = np.concatenate([np.ones((frames, 1)), 0.5 * angles], axis=-1)
    qpos[:, 3:7] /= np.linalg.norm(qpos[:, 3:7], axis=1, keepdims=True)
    qpos[:, 7] += 0.05 * np.cos(phase)
    qpos[:, 8] += 0.25 * np.sin(phase - 0.8)
    qpos[:, 12] += 0.25 * np.sin(phase - 0.8)
    qpos[:, 10] += 0.5 * left
    qpos[:, 14] += 0.5 * right
    qpos[:, 11] -= 0.25 * left
    qpos[:, 15] -= 0.25 * right
    lower, upper = robot.joint_range.T
    qpos[:, 7:] = np.clip(qpos[:, 7:], lower, upper)
    qpos[:, 2] -= robot.pad_heights(qpos).min(axis=1)
    return qpos


def make_clip(robot: Robot, qpos: np.ndarray, name: str = "walk", label: str = "") -> MotionClip:
    """A clip of `robot` at the control rate."""
    return MotionClip(name, robot.name, robot.joints, qpos, 1.0 / CONTROL_DT, "made by the tests", label=label)


def gait_clips(robot: Robot) -> list[MotionClip]:
    """Walks at 0.55 and 0.25 m/s, one clip of standing between them, labelled walk and stand."""
    walk, stand = synthetic_walk(robot), np.tile(robot.home_qpos, (60, 1))
    stand[:, 7:] += 0.02 * np.sin(0.3 * np.arange(60))[:, None]
    slow = walk[:80] * np.where(np.arange(walk.shape[1]) == 0, 0.25 / 0.55, 1.0)
    motions = {"fast": (walk, "walk"), "stand": (stand, "stand"), "slow": (slow, "walk")}
    return [make_clip(robot, qpos, name, label) for name, (qpos, label) in motions.items()]


@pytest.fixture(autouse=True)
def sentences_on_standard_error() -> None:
    """As on the command line, whatever of it a test calls."""
    show_sentences()


@pytest.fixture
def float64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="session")
def robot() -> Robot:
    return load_robot("wildrobot")


@pytest.fixture(scope="session")
def walk(robot: Robot) -> np.ndarray:
    """qpos [120, nq]."""
    return synthetic_walk(robot)


@pytest.fixture(scope="session")
def clips_folder(robot: Robot, walk: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the synthetic walk as its only clip."""
    folder = tmp_path_factory.mktemp("clips")
    save_clip(folder / "walk.npz", make_clip(robot, walk))
    return folder


@pytest.fixture(scope="session")
def native(robot: Robot) -> Physics:
    return make_physics("native", robot, control_dt=CONTROL_DT)


@pytest.fixture(scope="session")
def reference_of(robot: Robot, walk: np.ndarray) -> Callable[[int], Reference]:
    """The reference of the synthetic walk, by length of the window."""
    made: dict[int, Reference] = {}

    def make(window: int) -> Reference:
        if window not in made:
            clips = [make_clip(robot, walk)]
            made[window] = make_reference(clips, robot, window=window, mirror=False, control_dt=CONTROL_DT)
        return made[window]

    return make


@pytest.fixture(scope="session")
def gaits_of(robot: Robot) -> Callable[[int], Reference]:
    """The reference of two gaits and their reflections, by length of the window: see `gait_clips`."""
    made: dict[int, Reference] = {}

    def make(window: int) -> Reference:
        if window not in made:
            made[window] = make_reference(gait_clips(robot), robot, window=window, mirror=True, control_dt=CONTROL_DT)
        return made[window]

    return make


@pytest.fixture(scope="session")
def make_env(robot: Robot, native: Physics, reference_of: Callable[[int], Reference]) -> Callable[..., Env]:
    """An environment on the native engine; keywords are fields of EnvConfig, `window`, `physics` and what is asked."""

    def make(*, window: int = 1, physics: Physics = native, command: dict | None = None, **settings: object) -> Env:
        asked = CommandConfig(**{"forward": (0.4, 0.8)} | (command or {}))
        return Env(EnvConfig(command=asked, **settings), robot, physics, reference_of(window))

    return make


@pytest.fixture
def instant(monkeypatch):
    """Training that counts iterations and computes nothing, for tests of what happens around it."""
    from training_runs import make_instant_chunk

    from playground_amp.training import loop

    monkeypatch.setattr(loop, "make_chunk", make_instant_chunk)
    return make_instant_chunk


def roll(physics: Physics, qpos: np.ndarray, qvel: np.ndarray, targets: np.ndarray) -> PhysicsState:
    """States [T, B, ...] of a rollout."""

    @jax.jit
    def scan(qpos: jax.Array, qvel: jax.Array, targets: jax.Array) -> PhysicsState:
        def step(state: PhysicsState, target: jax.Array) -> tuple[PhysicsState, PhysicsState]:
            return (state := physics.step(state, target)), state

        return jax.lax.scan(step, physics.init(qpos, qvel), targets)[1]

    return jax.device_get(scan(qpos, qvel, targets))
