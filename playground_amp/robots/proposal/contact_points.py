"""Where a foot touches the ground: contact spheres at the corners of its sole, made from whatever geoms it has."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from playground_amp.core.errors import InputError
from playground_amp.robots.files import VISUAL_GROUP
from playground_amp.robots.kinematic_tree import ancestors
from playground_amp.robots.record import Sphere
from playground_amp.robots.symmetry import P, partner_name

BOX, CAPSULE, MESH = mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_CAPSULE, mujoco.mjtGeom.mjGEOM_MESH
SPHERE = mujoco.mjtGeom.mjGEOM_SPHERE
RADIUS = 0.012  # of a corner's sphere, as a share of the leg's length
FLAT = 0.02  # height over the lowest point that still is the sole, as a share of the leg's length
SIDES = ("left", "right")
UP = np.array([0.0, 0.0, 1.0])
CORNERS = [("toe", 1, "outer", 1), ("toe", 1, "inner", -1), ("heel", -1, "outer", 1), ("heel", -1, "inner", -1)]


@dataclass(frozen=True)
class FootContacts:
    """Where a robot's feet touch: pads, left foot first, contact spheres to be added, and what was guessed."""

    pads: dict[str, tuple[str, ...]]  # names of the spheres of each pad
    mirror: dict[str, str]  # partner of each pad
    spheres: tuple[Sphere, ...]  # those that the MJCF does not have
    sentences: tuple[str, ...]

    def left_sole(self, flat: mujoco.MjData, foot: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Middle of the left sole, and from its heel to its toe if it has both, in the foot's frame: [3] m each."""
        added = {sphere.name: np.array(sphere.pos) for sphere in self.spheres}
        body = flat.body(foot)
        turn = body.xmat.reshape(3, 3).T
        places = {
            pad: np.mean([added[g] if g in added else turn @ (flat.geom(g).xpos - body.xpos) for g in geoms], axis=0)
            for pad, geoms in self.pads.items()
            if pad.startswith("left")
        }
        middle = np.mean(list(places.values()), axis=0)
        return middle, places["left_toe"] - places["left_heel"] if "left_toe" in places else None


@dataclass(frozen=True)
class ContactCandidate:
    """A place where a foot may touch the ground: a sphere, with its name if it is the robot's own."""

    centre: np.ndarray  # [3] m, world
    radius: float  # m
    name: str = ""

    @property
    def bottom(self) -> float:
        """Height of its lowest point, m."""
        return float(self.centre[2]) - self.radius


def find_foot_contacts(
    model: mujoco.MjModel,
    flat: mujoco.MjData,
    feet: tuple[str, str],
    *,
    paired: Collection[str],
    leg_length: float,
    source: str,
) -> FootContacts:
    """The contacts of `feet` (left, right bodies) in the pose `flat`, in which they stand.

    `paired` geoms have contact pairs in the MJCF; `leg_length` is in m. Raises InputError, which names `source`, for a
    foot without geoms.
    """
    left, right = (model.body(foot).id for foot in feet)
    geoms = foot_geoms(model, left, paired)
    if not geoms:
        raise InputError(f"{source}: the foot '{feet[0]}' has no geom to find its sole by; add one or its mesh")
    if own := _own_spheres(model, flat, geoms, leg_length):
        return own
    touches, sentences = _touches(model, flat, geoms, RADIUS * leg_length)
    corners = _corners(touches, FLAT * leg_length)
    taken = {model.geom(i).name for i in range(model.ngeom)}
    end = "_contact" if any(f"{side}_{corner}" in taken for side in SIDES for corner in corners) else ""
    spheres = [
        _sphere(model, flat, foot, f"{side}_{corner}{end}", reflect * touch.centre, touch.radius)
        for side, foot, reflect in zip(SIDES, (left, right), (1.0, P), strict=True)
        for corner, touch in corners.items()
    ]
    names = _pad_names(list(corners))
    pads = {f"{side}_{pad}": tuple(f"{side}_{c}{end}" for c in of) for side in SIDES for pad, of in names.items()}
    return FootContacts(pads, _mirror(pads), tuple(spheres), tuple(sentences))


def foot_geoms(model: mujoco.MjModel, foot: int, paired: Collection[str] = ()) -> list[int]:
    """Ids of the geoms of a foot and of what is fixed to it: those that collide, else primitives, else meshes."""
    rigid = [
        i for i in range(model.nbody) if model.body_weldid[i] == model.body_weldid[foot] and foot in ancestors(model, i)
    ]
    geoms = [i for i in range(model.ngeom) if model.geom_bodyid[i] in rigid]
    colliding = [i for i in geoms if model.geom_contype[i] or model.geom_conaffinity[i] or model.geom(i).name in paired]
    unseen = [i for i in geoms if model.geom_group[i] != VISUAL_GROUP and model.geom_type[i] != MESH]
    return colliding or unseen or geoms


def _own_spheres(
    model: mujoco.MjModel, flat: mujoco.MjData, geoms: Sequence[int], leg_length: float
) -> FootContacts | None:
    """The feet's own spheres, where all that collides are named spheres with a partner on the other side."""
    names = [model.geom(i).name for i in range(model.ngeom)]
    if any(model.geom_type[i] != SPHERE or not partner_name(names[i], names) for i in geoms):
        return None
    touches = [ContactCandidate(flat.geom_xpos[i], float(model.geom_size[i, 0]), names[i]) for i in geoms]
    corners = _corners(touches, FLAT * leg_length)
    left = {pad: tuple(corners[c].name for c in of) for pad, of in _pad_names(list(corners)).items()}
    pads = {f"left_{pad}": of for pad, of in left.items()}
    pads |= {f"right_{pad}": tuple(str(partner_name(geom, names)) for geom in of) for pad, of in left.items()}
    return FootContacts(pads, _mirror(pads), (), ())


def _touches(
    model: mujoco.MjModel, flat: mujoco.MjData, geoms: Sequence[int], radius: float
) -> tuple[list[ContactCandidate], list[str]]:
    """Candidates for contact spheres, and what has to be said about them."""
    kinds = {int(model.geom_type[i]) for i in geoms}
    sentences = []
    if int(BOX) in kinds:
        sentences.append(
            "the feet are boxes, whose contacts differ between MuJoCo and MJX: spheres at their corners touch instead"
        )
    if kinds == {int(MESH)}:
        sentences.append("the soles are guessed from the lower bounding boxes of the feet's meshes; check 'spheres'")
    return [touch for i in geoms for touch in _of_geom(model, flat, i, radius)], sentences


def _of_geom(model: mujoco.MjModel, flat: mujoco.MjData, geom: int, radius: float) -> list[ContactCandidate]:
    centre, turn, size = flat.geom_xpos[geom], flat.geom_xmat[geom].reshape(3, 3), model.geom_size[geom]
    if model.geom_type[geom] == SPHERE:
        return [ContactCandidate(centre, float(size[0]))]
    if model.geom_type[geom] == CAPSULE:
        return [ContactCandidate(centre + sign * size[1] * turn[:, 2], float(size[0])) for sign in (-1.0, 1.0)]
    if model.geom_type[geom] == MESH:
        points = centre + _vertices(model, geom) @ turn.T
        return [ContactCandidate(point + radius * UP, radius) for point in _lower_box(points, radius)]
    middle, half = model.geom_aabb[geom, :3], model.geom_aabb[geom, 3:]
    signs = np.stack(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), axis=-1).reshape(-1, 3)
    return [ContactCandidate(point + radius * UP, radius) for point in centre + (middle + signs * half) @ turn.T]


def _vertices(model: mujoco.MjModel, geom: int) -> np.ndarray:
    mesh = model.geom_dataid[geom]
    first = model.mesh_vertadr[mesh]
    return model.mesh_vert[first : first + model.mesh_vertnum[mesh]]


def _lower_box(points: np.ndarray, radius: float) -> np.ndarray:
    """The four corners of the rectangle around the lowest points, those within a sphere's radius of the ground."""
    bottom = points[:, 2].min()
    sole = points[points[:, 2] < bottom + radius]
    (x0, y0, _), (x1, y1, _) = sole.min(axis=0), sole.max(axis=0)
    return np.array([[x, y, bottom] for x in (x0, x1) for y in (y0, y1)])


def _corners(touches: Sequence[ContactCandidate], tolerance: float) -> dict[str, ContactCandidate]:
    """Of what touches the ground, the outermost towards each corner; one in all, or a toe and a heel, where it is few.

    Outer is +y: the foot is the left one.
    """
    lowest = min(touch.bottom for touch in touches)
    low = sorted((touch for touch in touches if touch.bottom <= lowest + tolerance), key=lambda touch: touch.bottom)
    places = np.array([touch.centre[:2] for touch in low])
    extent = np.maximum(np.ptp(places, axis=0), 1e-6)
    scaled = (places - places.min(axis=0)) / extent
    length, width = extent > 0.5 * low[0].radius
    if not length:
        return {"foot": low[0]}
    if not width:
        return {"toe": low[int(scaled[:, 0].argmax())], "heel": low[int(scaled[:, 0].argmin())]}
    return {
        f"{part}_{side}": low[int((x * scaled[:, 0] + y * scaled[:, 1]).round(6).argmax())]
        for part, x, side, y in CORNERS
    }


def _pad_names(corners: Sequence[str]) -> dict[str, list[str]]:
    """Pad -> its corners."""
    pads = dict.fromkeys(corner.partition("_")[0] for corner in corners)
    return {pad: [corner for corner in corners if corner.partition("_")[0] == pad] for pad in pads}


def _mirror(pads: Collection[str]) -> dict[str, str]:
    return {pad: str(partner_name(pad, pads)) for pad in pads}


def _sphere(
    model: mujoco.MjModel, flat: mujoco.MjData, body: int, name: str, centre: np.ndarray, radius: float
) -> Sphere:
    """A sphere at a place of the world, fixed to a body."""
    local = flat.xmat[body].reshape(3, 3).T @ (centre - flat.xpos[body])
    x, y, z = (round(float(value), 5) + 0.0 for value in local)
    return Sphere(name=name, body=model.body(body).name, pos=(x, y, z), radius=round(radius, 4))
