"""Recorded motions of a Unitree G1 become clips whose feet stand, on the record that is proposed for its MJCF.

They are found through G1_MOTIONS (a folder of `.npz`), the MJCF in the package mjlab where that is installed.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from playground_amp.motion.clip import MotionClip
from playground_amp.motion.metrics.bounds import AHEAD, ARC, ASIDE, BACK, RUNNING, STANDING, TURN
from playground_amp.motion.metrics.gait import measure
from playground_amp.retargeting.clip_verdict import FAIL, assess_clip
from playground_amp.retargeting.foot_planting import find_stands
from playground_amp.retargeting.preparation import prepared
from playground_amp.retargeting.readers.any import read_recordings
from playground_amp.retargeting.retarget import FREQUENCY, retarget
from playground_amp.robots import Robot, load_robot
from playground_amp.robots.proposal.propose import write_proposal

FOLDER = Path(os.environ.get("G1_MOTIONS", "/nonexistent"))
MJLAB = importlib.util.find_spec("mjlab")
XML = "asset_zoo/robots/unitree_g1/xmls/g1.xml"
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir() or MJLAB is None, reason="needs G1_MOTIONS and `pip install --no-deps mjlab`"
)
FILES = sorted(FOLDER.glob("*.npz")) or [Path("none.npz")]


@pytest.fixture(scope="module")
def g1(tmp_path_factory: pytest.TempPathFactory) -> Robot:
    assert MJLAB and MJLAB.submodule_search_locations
    folder = tmp_path_factory.mktemp("g1")
    write_proposal(str(Path(next(iter(MJLAB.submodule_search_locations))) / XML), folder)
    return load_robot(next(folder.glob("*.yaml")))


def clip_of(path: Path, g1: Robot, *, plant: bool) -> MotionClip:
    return retarget(prepared(read_recordings(path, robot=g1)[0], robot=g1), g1, plant=plant).clip


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_recorded_motion_fails_by_the_bounds_of_its_kind(path: Path, g1: Robot) -> None:
    verdict = assess_clip(clip_of(path, g1, plant=True), g1)[0]
    kinds = {kind for kind, *_ in verdict.parts}
    expected = {"arc": ARC, "turn": TURN, "jog": RUNNING, "backward": BACK, "forward": AHEAD, "sideway": ASIDE}
    assert verdict.verdict != FAIL, verdict.wrong
    assert next((kind for name, kind in expected.items() if name in path.stem), STANDING) in kinds


def standing_share(clip: MotionClip, g1: Robot) -> float:
    """Share of the standing pads within 3 mm of the ground."""
    stands = find_stands(clip.qpos, g1, FREQUENCY).standing
    return float((np.abs(g1.pad_heights(clip.qpos)[stands]) < 0.003).mean())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_feet_stand_on_the_ground_and_do_not_skate(path: Path, g1: Robot) -> None:
    clip, as_is = (clip_of(path, g1, plant=plant) for plant in (True, False))
    assert standing_share(clip, g1) > 0.95 > standing_share(as_is, g1)
    assert measure(clip, g1).skating < 0.04


@pytest.mark.parametrize("path", [path for path in FILES if "forward" in path.stem and "jog" not in path.stem])
def test_contacts_of_a_forward_walk_are_those_of_a_walk(path: Path, g1: Robot) -> None:
    clip = clip_of(path, g1, plant=True)
    touching, clear = g1.contact_clearance
    contact = np.clip((clear - g1.pad_heights(clip.qpos)) / (clear - touching), 0.0, 1.0)
    feet = contact.reshape(len(contact), 2, -1).mean(axis=(0, 2))
    assert (feet > 0.5).all() and (feet < 0.7).all()
