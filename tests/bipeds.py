"""Small MJCFs for the tests of robots: a biped of 12 kg with box feet, in the styles in which people write them."""

from __future__ import annotations

from pathlib import Path

HIP, THIGH, SHIN, SOLE = 0.1, 0.3, 0.3, 0.05  # m: half distance of the hips, lengths, ankle to sole
BOX = '<geom name="{side}_foot" type="box" size="0.09 0.04 0.02" pos="0.03 0 -0.03" mass="0.4"/>'
CAPSULES = (
    '<geom type="capsule" size="0.02" fromto="-0.06 0.03 -0.03 0.12 0.03 -0.03" mass="0.2"/>'
    '<geom type="capsule" size="0.02" fromto="-0.06 -0.03 -0.03 0.12 -0.03 -0.03" mass="0.2"/>'
)
BALL = '<geom name="{side}_foot" type="sphere" size="0.05" mass="0.4"/>'
MESH = '<geom name="{side}_foot" type="mesh" mesh="foot" mass="0.4"/>'
UNITREE = "{side}_{joint}_joint"
JOINTS = ["hip_pitch", "hip_roll", "knee", "ankle_pitch"]
KEYFRAME = (
    '<keyframe><key name="tipped" qpos="0 0 1 0.7 0.7 0 0 0 0 0 0 0 0 0 0 0"/>'
    '<key name="stand" qpos="0 0 1 1 0 0 0 0.1 -0.3 0 0.6 -0.3 -0.3 0 0.6 -0.3"/></keyframe>'
)


def biped(
    feet: str = BOX, style: str = UNITREE, actuator: str = '<motor gear="50" ctrlrange="-1 1" joint="{name}"/>',
    root: str = "<freejoint/>", trunk: str = "", extra: str = "", shift: float = 0.0, option: str = "",
) -> str:  # fmt: skip
    """The MJCF; joints are called by `style`, `shift` (m) moves the right knee out of its mirror place."""
    names = ["waist_yaw_joint", *(joint_name(style, side, joint) for side in ("left", "right") for joint in JOINTS)]
    return f"""
<mujoco model="biped">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="0.002"/>{option}
  <default><joint damping="0.5" armature="0.01" range="-1.5 1.5"/><geom rgba="0.5 0.5 0.5 1"/></default>
  <asset><mesh name="foot" vertex="{foot_vertices()}"/></asset>
  <worldbody>
    <body name="pelvis" pos="0 0 0.75">{root}
      <geom type="box" size="0.06 0.1 0.05" mass="3"/>
      <body name="torso_link" pos="0 0 0.1">
        <joint name="waist_yaw_joint" axis="0 0 1"/>
        <geom type="box" size="0.06 0.1 0.15" pos="0 0 0.15" mass="4"/>{trunk}
      </body>
      {leg("left", 1, feet, style, 0.0)}{leg("right", -1, feet, style, shift)}
    </body>
  </worldbody>
  <actuator>{"".join(actuator.format(name=name) for name in names)}</actuator>{extra}
</mujoco>"""


def joint_name(style: str, side: str, joint: str) -> str:
    words = {"side": side, "Side": side.capitalize(), "s": side[0], "S": side[0].upper(), "joint": joint}
    return style.format(**words, Joint=joint.title())


def leg(side: str, sign: int, feet: str, style: str, shift: float) -> str:
    hip_pitch, hip_roll, knee, ankle = (joint_name(style, side, joint) for joint in JOINTS)
    return f"""
      <body name="{side}_hip" pos="0 {sign * HIP} 0">
        <joint name="{hip_pitch}" axis="0 1 0"/><geom type="sphere" size="0.03" mass="0.3"/>
        <body name="{side}_thigh">
          <joint name="{hip_roll}" axis="1 0 0" range="{-0.5 if sign > 0 else -0.3} {0.3 if sign > 0 else 0.5}"/>
          <geom type="capsule" size="0.03" fromto="0 0 -0.05 0 0 -0.25" mass="1"/>
          <body name="{side}_shin" pos="{shift} 0 {-THIGH}">
            <joint name="{knee}" axis="0 1 0" range="0 2"/>
            <geom type="capsule" size="0.03" fromto="0 0 -0.05 0 0 -0.25" mass="0.8"/>
            <body name="{side}_ankle" pos="0 0 {-SHIN}">
              <joint name="{ankle}" axis="0 1 0" range="-0.8 0.8"/>{feet.format(side=side)}
            </body>
          </body>
        </body>
      </body>"""


def foot_vertices() -> str:
    """A wedge: a sole of 0.18 x 0.08 m, 0.05 m under the ankle, and a ridge at the ankle."""
    sole = [f"{x} {y} -0.05" for x in (-0.06, 0.12) for y in (-0.04, 0.04)]
    return "  ".join([*sole, "-0.02 -0.02 0", "-0.02 0.02 0", "0.02 -0.02 0", "0.02 0.02 0"])


def write(folder: Path, xml: str) -> Path:
    path = folder / "biped.xml"
    path.write_text(xml)
    return path
