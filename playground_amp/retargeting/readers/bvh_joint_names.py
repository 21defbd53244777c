"""Which joint of a skeleton is which of SMPL's, by name: CMU, LAFAN1, Mixamo, MotionBuilder, 3ds Max, Motive, SOMA.

Names are compared without prefix ('mixamorig:'), case, spaces and punctuation; the spine's joints are found by their
place between pelvis and chest, whatever they are called. Two names mean one joint here and its neighbour there: 'Foot'
is the ankle unless the skeleton has an 'Ankle' above it, and 'Leg' the knee unless it has a 'Shin' or 'Knee' below it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

PELVIS = ("hips", "hip", "pelvis")
MIDDLE = {"neck": ("neck", "neck1", "necka", "neck01"), "head": ("head", "head1", "head01")}
SIDED = {  # names of the part without its side, the best first; a joint has the first part that knows it
    "knee": ("lowerleg", "lowleg", "lleg", "shin", "calf", "knee", "leg"),
    "hip": ("upleg", "upperleg", "uleg", "thigh", "hip", "leg"),
    "ankle": ("ankle", "foot"),
    "foot": ("toebase", "toe", "toes", "toe0", "ball", "forefoot", "foot"),
    "collar": ("collar", "clavicle", "shoulder"),
    "shoulder": ("upperarm", "uparm", "uarm", "arm", "shldr", "shoulder"),
    "elbow": ("forearm", "lowerarm", "lowarm", "farm", "elbow"),
    "wrist": ("hand", "wrist"),
}
NEEDED = ("pelvis", "left_hip", "left_knee", "left_ankle", "right_hip", "right_knee", "right_ankle")
LONGEST = 64  # characters of a name; the patterns below take long over endless ones
SPINE = ("spine1", "spine2", "spine3")
_SIDES = (
    re.compile(r"(?P<side>left|right)[ _.\-]*(?P<part>.+)", re.IGNORECASE),
    re.compile(r"(?P<side>[lr])[ _.\-]+(?P<part>.+)", re.IGNORECASE),
    re.compile(r"(?P<part>.+?)[ _.\-]+(?P<side>left|right|l|r)", re.IGNORECASE),
    re.compile(r"(?P<side>[lrLR])(?P<part>[A-Z].*)"),
    re.compile(r"(?P<part>.+)(?P<side>Left|Right|[LR])"),
)
_PREFIX = re.compile(r"^(.*:|mixamorig\d*[_ ]?|bip\d+[ _\-]*|character\d*_|def-|jnt[_ ])", re.IGNORECASE)


def match(names: Sequence[str], parents: Sequence[int]) -> dict[str, int]:
    """Index of the BVH joint for each SMPL joint that the skeleton has, by SMPL's name."""
    common = _common_prefix(names)
    sided = {_split(name[common:]): i for i, name in reversed(list(enumerate(names)))}
    found = {joint: i for joint, known in (("pelvis", PELVIS), *MIDDLE.items()) if (i := _first(sided, "", known)) >= 0}
    for side in ("left", "right"):
        for joint, known in SIDED.items():
            index = _first(sided, side, known)
            if index >= 0 and index not in found.values():
                found[f"{side}_{joint}"] = index
        _mend_shoulder(found, side)
    if "pelvis" in found:
        found |= _spine(found, parents)
    return found


def _common_prefix(names: Sequence[str]) -> int:
    """Length of what all names begin with, up to its last separator: 'Skeleton1_LThigh'."""
    first, last = min(names), max(names)  # what these share, all share
    alike = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    prefix = first[:alike] if len(names) > 1 else ""
    return max(prefix.rfind(separator) for separator in "_: .-") + 1


def _split(name: str) -> tuple[str, str]:
    """Side ('left', 'right' or '') and part, in small letters and without punctuation."""
    name = _PREFIX.sub("", name.strip())[:LONGEST]
    for pattern in _SIDES:
        if matched := pattern.fullmatch(name):
            side = "left" if matched["side"][0] in "lL" else "right"
            return side, _plain(matched["part"])
    return "", _plain(name)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _first(sided: dict[tuple[str, str], int], side: str, known: Sequence[str]) -> int:
    return next((sided[side, part] for part in known if (side, part) in sided), -1)


def _mend_shoulder(found: dict[str, int], side: str) -> None:
    """'Shoulder' is the collar where an 'Arm' follows, and the shoulder itself where none does."""
    if f"{side}_shoulder" not in found and f"{side}_elbow" in found and f"{side}_collar" in found:
        found[f"{side}_shoulder"] = found.pop(f"{side}_collar")


def _spine(found: dict[str, int], parents: Sequence[int]) -> dict[str, int]:
    """First, middle and last joint between the pelvis and the place where arms and neck part."""
    tips = [found[tip] for tip in ("left_shoulder", "right_shoulder", "neck", "head") if tip in found]
    lines = [line for tip in tips if (line := _line(tip, found["pelvis"], parents))]
    used = set(found.values())
    common = [i for i in lines[0] if all(i in line for line in lines) and i not in used] if lines else []
    if len(common) < 3:
        return dict(zip(("spine3",) if len(common) == 1 else ("spine1", "spine3"), common, strict=False))
    return dict(zip(SPINE, (common[0], common[len(common) // 2], common[-1]), strict=True))


def _line(tip: int, pelvis: int, parents: Sequence[int]) -> list[int]:
    """Joints strictly between the pelvis and `tip`, from below; empty if `tip` is not above the pelvis."""
    line, i = [], parents[tip]
    while i not in (pelvis, -1):
        line.append(i)
        i = parents[i]
    return line[::-1] if i == pelvis else []
