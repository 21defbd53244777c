"""The clips that ship for Unitree's G1: all its joints, arms that swing, the ways that their names say; a small set."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from playground_amp.motion.clip_commands import mean_command
from playground_amp.retargeting.readers.amass import load_take
from playground_amp.retargeting.retarget import retarget
from playground_amp.retargeting.synthetic_human import directions, held_out_walks, shipped_walks, standing
from playground_amp.robots import load_robot
from playground_amp.robots.load import FOLDER
from playground_amp.robots.record import read_record

DATA = Path(__file__).parents[1] / "data"
WALKS = sorted((DATA / "unitree_g1").glob("walk_*.npz"))
OMNI = sorted((DATA / "unitree_g1_omni").glob("*.npz"))
STANDING = sorted((DATA / "unitree_g1_stand").glob("*.npz"))
EVERY = sorted(DATA.glob("unitree_g1*/**/*.npz"))
WAYS = {"back": (0, -1), "left": (1, 1), "right": (1, -1), "turn_left": (2, 1), "turn_right": (2, -1)}  # number, sign


def joint(path: Path, name: str) -> np.ndarray:
    """Angles [N] rad of a joint in a clip."""
    with np.load(path) as clip:
        return clip["qpos"][:, 7 + list(clip["joints"]).index(name)]


def test_the_set_is_of_the_projects_own_takes_and_small() -> None:
    names = {**shipped_walks(), **held_out_walks(), **standing(), **directions()}
    assert WALKS and OMNI and STANDING and {path.stem for path in EVERY} <= set(names)
    assert sum(path.stat().st_size for path in EVERY) < 2e6


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.stem)
def test_a_clip_has_all_joints_of_the_record_at_50_hz(path: Path) -> None:
    record = read_record(FOLDER / "unitree_g1" / "robot.yaml")
    with np.load(path) as clip:
        assert (str(clip["robot"]), tuple(clip["joints"])) == (record.name, record.joints)
        assert float(clip["frequency"]) == 50.0 and clip["qpos"].shape[1] == 7 + 29
        assert "own work" in str(clip["source"])


@pytest.mark.parametrize("path", WALKS, ids=lambda path: path.stem)
def test_arms_swing_against_the_legs(path: Path) -> None:
    """A person's arm at 18 degrees to either side, less the slower the walk."""
    for side in ("left", "right"):
        arm, leg = joint(path, f"{side}_shoulder_pitch_joint"), joint(path, f"{side}_hip_pitch_joint")
        assert np.ptp(arm) > 0.2 and np.corrcoef(arm, leg)[0, 1] < -0.9


@pytest.mark.parametrize("path", OMNI, ids=lambda path: path.stem)
def test_a_clip_goes_where_its_name_says(path: Path) -> None:
    with np.load(path) as clip:
        command = mean_command(clip["qpos"].astype(np.float64), 1.0 / float(clip["frequency"]))
    for beginning, (number, sign) in WAYS.items():
        if path.stem.startswith(beginning) and "and" not in path.stem:
            assert sign * command[number] > 0.1


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("UNITREE_G1_MJCF"), reason="UNITREE_G1_MJCF names no robot")
def test_a_clip_comes_out_of_the_scripts_again() -> None:
    with np.load(DATA / "unitree_g1" / "walk_0.6_a.npz") as old:
        clip = retarget(load_take(DATA / "takes" / "walk_0.6_a.npz"), load_robot("unitree_g1")).clip
        np.testing.assert_allclose(clip.qpos, old["qpos"], atol=1e-3)
