"""The README of an exported folder, for whoever puts the policy on the robot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playground_amp.export.describe import markdown_of_held, markdown_tables
from playground_amp.export.graph import IR_VERSION, OPSET

TEXT = """# A walking policy for {robot}

From the run `{run}`, iteration {iteration}. It takes one observation of {size} numbers {rate:g} times a second
and gives one target for each of {joints} position servos. `contract.json` says all of this page for programs.

| file | what it is |
|---|---|
| `policy.onnx` | `observation [batch, {size}]` -> `action`, `target [batch, {joints}]`; opset {opset}, IR {ir} |
| `policy.npz`, `player.py` | the same for NumPy alone |
| `contract.json` | joints, gains, order, units, rate, hashes; what a runner checks |
| `trace.npz` | readings of real episodes, and what has to come of them |
| `robot.xml` | the robot as it was simulated, for MuJoCo |

Held against the trained policy on {count} observations: ONNX within {onnx:.1e}, NumPy within {numpy:.1e}. Observations
are normalised inside; give them as they are.

## What the robot has to tell

All vectors are in the frame of the body `{root}`: x ahead, y to the left, z up. Turn the IMU's axes into it.

{readings}

{estimator}

`gravity` upright and still is (0, 0, -1). Of an orientation (w, x, y, z) of the body in the world it is
(2 (w y - x z), -2 (w x + y z), 2 (x x + y y) - 1). The command is held within {ranges}.

## The observation

{history}

{terms}

## The servos

target = default + scale x action, held within the range. Torque = kp (target - position) - kd velocity, held within
the limit, for the {period:g} ms until the next step; kp in N m/rad, kd in N m s/rad. Other gains are another robot: the
policy was trained with these.

{joint_table}
{held}
## First steps

1. On the robot's computer, without JAX:

   ```bash
   pip install numpy onnxruntime
   pip install --no-deps playground_amp
   playground-amp deploy .
   ```

   The last line checks every file and replays the trace. With NumPy alone: `--engine numpy`.
2. In simulation: `pip install mujoco`, `playground-amp deploy . --simulate 10`.
3. Hang the robot up. Check signs one by one: move each joint by hand, and look at the reading; tilt the body forward,
   and `gravity` x grows; turn it to the left, and `gyro` z grows.
4. Join your driver by lines of JSON, over stdin and stdout or UDP; the project's docs/deploy.md has them, and what
   they are in ROS 2. The first line names your joints, gains and rate: any difference to this page is refused.
5. The runner goes to the standing pose by a slow ramp, holds it, and walks when `run` is true. It stops, with no
   stiffness and full damping, when a reading is older than {stale:.0f} ms or absurd. Try that while it hangs.
6. On the ground, with a slack rope and a hand on the emergency stop: stand, then the smallest command, then others.

A simulation is not your robot: delay, friction and backlash are yours. `playground-amp transfer` tells how much of
each this policy bears.
"""


def readme(interface: Mapping[str, Any], source: Mapping[str, Any], errors: Mapping[str, float], count: int) -> str:
    """README.md of a folder; `errors` are the engines' largest differences to JAX on `count` observations."""
    readings, terms, joints = markdown_tables(interface)
    estimated = [f"`{one['name']}`" for one in interface["readings"] if one["needs_estimator"]]
    return TEXT.format(
        robot=interface["robot"],
        run=source["run"],
        iteration=source["iteration"],
        size=interface["history"] * sum(term["size"] for term in interface["observation"]),
        history=_history(interface),
        rate=interface["rate"],
        joints=len(interface["joints"]),
        opset=OPSET,
        ir=IR_VERSION,
        count=count,
        onnx=errors["onnx"],
        numpy=errors["numpy"],
        root=interface["root"],
        readings=readings,
        estimator=_estimator(estimated),
        ranges=", ".join(f"{one['low']:g} to {one['high']:g} {one['unit']}" for one in interface["command"]),
        terms=terms,
        period=1e3 / interface["rate"],
        joint_table=joints,
        held=_held(interface),
        stale=2.5e3 / interface["rate"],
    )


def _history(interface: Mapping[str, Any]) -> str:
    frame, length = sum(term["size"] for term in interface["observation"]), interface["history"]
    if length == 1:
        return f"{frame} numbers of the control step:"
    return (
        f"The frames of {length} control steps, oldest first and the newest last, {frame} numbers each. When the "
        "policy begins, its first frame stands for those before it. A frame:"
    )


def _held(interface: Mapping[str, Any]) -> str:
    """A paragraph on joints that the policy does not move, or nothing."""
    if not (table := markdown_of_held(interface)):
        return ""
    text = "These joints are no targets of the policy and not in its observation; hold them where it was trained:"
    return f"\n{text}\n\n{table}\n"


def _estimator(names: list[str]) -> str:
    if not names:
        return (
            "An IMU with an orientation filter and encoders give all of it: no velocity of the body, no height and no "
            "foot contact has to be estimated."
        )
    return f"**{', '.join(names)} is no sensor's: the robot needs an estimator for it, as the task's own observation.**"
