"""How the figures of an evaluation are shown and written: order, names, units and digits, in tables and in JSON."""

from __future__ import annotations

import math

GROUPS = {  # heading -> figures of the evaluation and their units
    "task": {
        "episodes": "",
        "episode_length": "control steps",
        "survival": "share of episodes without a fall",
        "command": "m/s asked for",
        "forward_velocity": "m/s",
        "velocity_error": "m/s, mean over episodes",
        "turn_error": "rad/s, mean over episodes",
    },
    "gait": {
        "cadence": "steps a minute; the reference's at the robot's speed",
        "cadence_error": "relative, at the speed of each episode",
        "step_length": "m; the reference's at the robot's speed",
        "step_length_error": "relative, at the speed of each episode",
        "duty_factor": "share of a stride with the foot on the ground",
        "alternation": "share of the strikes that change foot",
        "phase": "of right strikes in the left stride, 0.5 is even",
        "step_asymmetry": "left against right, relative: time, length or duty of steps",
        "asymmetry": "left against right, relative to the joints' range",
        "foot_skating": "m/s while in contact",
    },
    "style": {
        "style_frechet": "Fréchet distance from the training clips, per dimension; 0 is alike",
        "style_kernel": "squared kernel distance (MMD) from the training clips; 0 is alike",
        "style_kernel_p": "p-value of that, windows taken for independent",
        "held_out_frechet": "Fréchet distance from clips that were not trained on",
        "held_out_kernel": "squared kernel distance from clips that were not trained on",
    },
    "effort": {
        "action_rate": "rad, root mean square change of the servo targets per control step",
        "cost_of_transport": "mechanical work over weight times distance",
    },
}

SPEED_COLUMNS = {  # heading -> figure of a part of the range of commands, the reference's beside it
    "asked (m/s)": ("command", None),
    "episodes": ("episodes", None),
    "no fall": ("survival", None),
    "speed (m/s)": ("forward_velocity", None),
    "error (m/s)": ("velocity_error", None),
    "cadence (1/min)": ("cadence", "reference_cadence"),
    "step (m)": ("step_length", "reference_step_length"),
    "duty factor": ("duty_factor", None),
    "step asym.": ("step_asymmetry", None),
}


def number(value: float | None) -> str:
    """Three digits, or a dash for what does not exist."""
    return "–" if value is None or math.isnan(value) else f"{value:.3g}"


def between(low: float, high: float) -> str:
    """Bounds in words."""
    if math.isinf(high):
        return f"at least {low:g}"
    return f"at most {high:g}" if low == 0.0 else f"{low:g} to {high:g}"
