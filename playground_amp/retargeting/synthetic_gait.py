"""The clock, the way and the footsteps of a person to make: what is asked for, before there is a body.

Stride time, size and pelvis motion wander by a percent or two from stride to stride, smoothly, as people's do. Who
walks ahead has the ankle under the hip in mid-stance; every foot is set down where the path will pass then, beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from playground_amp.motion.ground_path import GroundPath, resting
from playground_amp.retargeting.footsteps import Stance

FPS = 120.0
NATURAL_SPEED, NATURAL_CADENCE, CADENCE_POWER = 1.35, 115.0, 0.35  # m/s, steps per minute, cadence ~ speed^0.35
SLOWEST = 0.5  # m/s, of which steps on the spot have the cadence
DOUBLE_SUPPORT = 0.06  # of the cycle, when both feet are on the ground
MID_STANCE = 0.26  # of the cycle, when the ankle is under the hip
STEP_WIDTH = 0.12  # m between the lines of the feet
WOBBLE = 0.015  # relative size of the variation from stride to stride
SWAY = (0.004, 0.003)  # m, of a person who stands, forward and sideways: standard deviation
SWAY_FREQUENCY = 0.3  # Hz, of that sway: how often in the mean it passes its middle upwards
BREATHING_FREQUENCY = 0.25  # Hz
STANDING_TIME = 1.0  # s, before and after a walk that begins and ends in standing
TURNING_STEP = 0.3  # m/s, whose cadence goes with turning by 1 rad/s
SETTLING = 0.4  # s, over which speed and turning change


@dataclass(frozen=True)
class WalkStyle:
    """A straight walk to make."""

    speed: float  # m/s, of the person
    seed: int  # variation, heading and place on the floor
    strides: float  # number of strides
    from_standing: bool = False  # begin and end in standing


@dataclass(frozen=True)
class PathStyle:
    """A walk in any direction to make: a sequence of velocities, seen from the heading of the person."""

    legs: tuple[tuple[float, float, float, float], ...]  # m/s ahead and to the left, rad/s to the left, strides
    seed: int  # variation, heading and place on the floor
    from_standing: bool = False  # begin and end in standing
    duty: float | None = None  # share of the cycle a foot is on the ground, below a half with flight; None: a walk's


@dataclass(frozen=True)
class Stand:
    """A person standing, to make: both feet still, side by side."""

    seed: int  # variation, heading and place on the floor
    seconds: float  # s


@dataclass(frozen=True, eq=False)
class Gait:
    """The take's clock and the path of its pelvis, which begins at the origin heading +x. N frames."""

    phase: np.ndarray  # [N] strides of the left foot, heel strike at whole numbers
    effort: np.ndarray  # [N] 0 standing .. 1 walking
    path: GroundPath
    size: np.ndarray  # [N] of the stride ahead or back, relative to the natural one
    duty: float  # share of the cycle a foot is on the ground
    wobble: np.ndarray  # [8, N] slow variations around zero
    sway: np.ndarray  # [2, N] m, forward and to the left, of the pelvis over feet that stand
    chest: np.ndarray  # [2, N] rad, of standing: turned to the left, tilted back
    back: np.ndarray  # [N] bool, whether the walk goes back
    width: np.ndarray  # [N] m between the lines of the feet

    @property
    def clock(self) -> np.ndarray:
        """Place [N] of the left foot in its gait cycles; who walks back does so as in a film that runs backward."""
        return np.where(self.back, self.duty - self.phase, self.phase)

    def cycle(self, side: int) -> np.ndarray:
        """Place [N] of a foot in its gait cycle, 0 to 1."""
        return (self.clock - 0.5 * side) % 1.0

    def part(self, keep: np.ndarray) -> Gait:
        """The frames of the mask `keep` [N]."""
        names = ("phase", "effort", "size", "wobble", "sway", "chest", "back", "width")
        path = GroundPath(self.path.place[keep], self.path.heading[keep])
        return replace(self, path=path, **{name: getattr(self, name)[..., keep] for name in names})


def gait_of(take: WalkStyle | PathStyle | Stand, rng: np.random.Generator) -> Gait:
    """Clock and path of a take. The first and last strides of a steady walk are trimmed later."""
    if isinstance(take, WalkStyle):
        return _straight(take, rng)
    return _along(take, rng) if isinstance(take, PathStyle) else _standing(take, rng)


def _straight(walk: WalkStyle, rng: np.random.Generator) -> Gait:
    stride_time = float(_stride_time(np.array(walk.speed)))
    stand = STANDING_TIME if walk.from_standing else 0.0
    t = np.arange(0.0, 2.0 * stand + walk.strides * stride_time, 1.0 / FPS)
    wobble = _wobble(t, stride_time, rng)
    effort = np.ones_like(t)
    if walk.from_standing:
        effort = _effort(t, stand, stride_time, stride_time)
    # A person who sets off reaches the full cadence at once and the full step in about one stride.
    clock = np.minimum(1.0, 4.0 * effort) * (1.0 + wobble[0]) / stride_time
    phase = DOUBLE_SUPPORT + np.cumsum(clock) / FPS
    size = (walk.speed / NATURAL_SPEED) ** (1.0 - CADENCE_POWER)
    surge = 0.012 * size * np.sin(4.0 * np.pi * (phase - 0.05))  # fastest in double support
    ahead = np.cumsum(walk.speed * effort * (1.0 + wobble[0] + wobble[1])) / FPS + effort * surge
    still = np.zeros((2, len(t)))
    return Gait(
        phase=phase,
        effort=effort,
        path=GroundPath(np.column_stack([ahead, still[0]]), still[0]),
        size=np.full_like(t, size),
        duty=_duty(walk.speed),
        wobble=wobble,
        sway=still,
        chest=still,
        back=np.zeros(len(t), bool),
        width=np.full_like(t, STEP_WIDTH),
    )


def _along(walk: PathStyle, rng: np.random.Generator) -> Gait:
    """Of a sequence of velocities, from each to the next in about a step."""
    velocities, usual = np.array(walk.legs)[:, :3], _usual_speeds(walk)
    times = _stride_time(np.maximum(usual, SLOWEST))
    stand = STANDING_TIME if walk.from_standing else 0.0
    ends = stand + np.cumsum(np.array(walk.legs)[:, 3] * times)
    t = np.arange(0.0, ends[-1] + stand, 1.0 / FPS)
    leg = np.minimum(np.searchsorted(ends, t, side="right"), len(ends) - 1)
    stride_time, wanted = (
        gaussian_filter1d(values[leg], SETTLING * FPS, axis=0, mode="nearest") for values in (times, velocities)
    )
    wobble = _wobble(t, float(times.mean()), rng)
    effort = _effort(t, stand, times[0], times[-1]) if walk.from_standing else np.ones_like(t)
    phase = DOUBLE_SUPPORT + np.cumsum(np.minimum(1.0, 4.0 * effort) * (1.0 + wobble[0]) / stride_time) / FPS
    made = wanted * (effort * (1.0 + wobble[0] + wobble[1]))[:, None]
    size = (np.abs(wanted[:, 0]) / NATURAL_SPEED) ** (1.0 - CADENCE_POWER)
    surge = 0.012 * size * np.sin(4.0 * np.pi * (phase - 0.05)) * np.sign(wanted[:, 0])
    still = np.zeros((2, len(t)))
    return Gait(
        phase=phase,
        effort=effort,
        path=_path(made, effort * surge),
        size=size,
        duty=walk.duty or _duty(float(usual.mean())),
        wobble=wobble,
        sway=still,
        chest=still,
        back=wanted[:, 0] < 0.0,
        width=STEP_WIDTH + 0.5 * np.abs(made[:, 1]) * stride_time,
    )


def _usual_speeds(walk: PathStyle) -> np.ndarray:
    """Speeds, m/s, of straight walks with the cadence of each leg of a walk."""
    ahead, left, turning, _ = np.array(walk.legs).T
    return np.sqrt(ahead**2 + left**2 + (TURNING_STEP * turning) ** 2)


def _effort(t: np.ndarray, stand: float, first: float, last: float) -> np.ndarray:
    """0 while standing for `stand` s at both ends of the times `t` [N], 1 from `first` s later to `last` s before."""
    return _ramp((t - stand) / first) * _ramp((t[-1] - stand - t) / last)


def _path(velocity: np.ndarray, surge: np.ndarray) -> GroundPath:
    """The path of velocities [N, 3] m/s ahead and to the left and rad/s, with a surge [N] m ahead."""
    heading = np.cumsum(velocity[:, 2]) / FPS
    steps = velocity / FPS + np.gradient(surge)[:, None] * [1.0, 0.0, 0.0]
    turning = GroundPath(np.zeros((len(surge), 2)), heading)
    return GroundPath(np.cumsum(turning.world(steps)[:, :2], axis=0), heading)


def _standing(stand: Stand, rng: np.random.Generator) -> Gait:
    """A clock that rests while both feet are on the ground, no effort, and sway."""
    t = np.arange(0.0, stand.seconds, 1.0 / FPS)
    wobble = _wobble(t, 1.0 / (np.sqrt(8.0) * np.pi * SWAY_FREQUENCY), rng)
    slow = wobble / WOBBLE  # of standard deviation 1
    breath = np.sin(2.0 * np.pi * (BREATHING_FREQUENCY * t + rng.uniform()))
    sway = np.array(SWAY)[:, None] * slow[:2]
    chest = np.deg2rad([[0.6], [0.4]]) * np.stack([slow[4], breath])
    still = np.zeros_like(t)
    return Gait(
        phase=np.full_like(t, DOUBLE_SUPPORT),
        effort=still,
        path=resting(len(t)),
        size=still,
        duty=0.64,
        wobble=wobble,
        sway=sway,
        chest=chest,
        back=np.zeros(len(t), bool),
        width=np.full_like(t, STEP_WIDTH),
    )


def _stride_time(speed: np.ndarray) -> np.ndarray:
    return 120.0 / (NATURAL_CADENCE * (speed / NATURAL_SPEED) ** CADENCE_POWER)


def _duty(speed: float) -> float:
    return 0.60 + 0.03 * (NATURAL_SPEED - speed)


def _ramp(s: np.ndarray) -> np.ndarray:
    """Smooth step from 0 (s <= 0) to 1 (s >= 1), two continuous derivatives."""
    s = np.clip(s, 0.0, 1.0)
    return s**3 * (10.0 - 15.0 * s + 6.0 * s**2)


def _wobble(t: np.ndarray, stride_time: float, rng: np.random.Generator) -> np.ndarray:
    """Eight independent slow variations [8, N], correlated over about one stride."""
    noise = gaussian_filter1d(rng.standard_normal((8, len(t))), stride_time * FPS, axis=1, mode="wrap")
    noise = (noise - noise.mean(axis=1, keepdims=True)) / noise.std(axis=1, keepdims=True)
    return WOBBLE * np.clip(noise, -2.0, 2.0)


def stances_of(gait: Gait, side: int) -> list[Stance]:
    """Contacts of a foot, from the clock: heel strike at whole phases (right: half a cycle later)."""
    phase = gait.phase - 0.5 * side
    stances = []
    for k in range(int(np.floor(phase[0])), int(np.floor(phase[-1])) + 1):
        inside = np.flatnonzero((phase >= k) & (phase <= k + gait.duty))
        if len(inside) < 2:
            continue
        standing = (gait.effort[inside[[0, -1]]] == 0.0).tolist()
        middle = k + _mid_stance(gait, inside)
        cut = not any(standing) and not phase[0] <= middle <= phase[-1]
        if not cut:
            # A foot that stood at first did so beside the other one; any other lands where the pelvis will pass.
            at = phase[0] if standing[0] else middle
            width = 0.5 * np.interp(at, phase, gait.width) * (1.0 + 2.0 * gait.wobble[2, inside[len(inside) // 2]])
            stances.append(_beside(gait, phase, at, width * (1 - 2 * side), inside))
    return stances


def _beside(gait: Gait, phase: np.ndarray, at: float, aside: float, inside: np.ndarray) -> Stance:
    """A stance in the frames `inside`, `aside` m to the left of where the path is at the phase `at`."""
    x, y, yaw = (float(np.interp(at, phase, way)) for way in (*gait.path.place.T, gait.path.heading))
    x, y = x - aside * np.sin(yaw), y + aside * np.cos(yaw)
    return Stance(int(inside[0]), int(inside[-1]), float(x), float(y), yaw)


def _mid_stance(gait: Gait, inside: np.ndarray) -> float:
    """When in a cycle the pelvis passes a foot that stands in the frames `inside`: later, the less it goes ahead."""
    size, back = gait.size[inside].mean(), gait.back[inside].mean() > 0.5
    early = (0.5 * gait.duty - MID_STANCE) * min(1.0, 4.0 * size)
    return 0.5 * gait.duty + (early if back else -early)
