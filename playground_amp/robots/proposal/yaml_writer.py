"""A proposed record as YAML for people: one key after the other, with comments on what was guessed."""

from __future__ import annotations

import dataclasses
import json
import re
import textwrap
from collections.abc import Iterable

from playground_amp.robots.proposal.proposal import Proposal
from playground_amp.robots.record import Gains, Sphere

RESERVED = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
COLUMN = 34  # of the comments
OPTIONS = """\
options:                          # 4 substeps of 5 ms a control step of 20 ms
  timestep: 0.005
  integrator: implicitfast        # stable under strong damping
  cone: elliptic
  iterations: 4
  ls_iterations: 8
"""


def write_record(proposal: Proposal) -> str:
    """The YAML text of the record that a proposal makes."""
    clearance = list(proposal.clearance)
    return "".join(
        [
            "# Proposed by playground-amp retarget --propose-robot; docs/robots.md says what each key is.\n",
            *(f"# Check: {line}\n" for line in _wrapped(proposal.sentences)),
            _line("name", json.dumps(proposal.name), "clips are made for a robot of this name"),
            _line("mjcf", json.dumps(proposal.mjcf)),
            _line("root", json.dumps(proposal.root), "body with the free joint"),
            _joints(proposal),
            _section("home", "standing pose, rad; joints left out are at zero", _home(proposal)),
            _section("pads", "left foot first: spheres that touch the floor", _lists(proposal.contacts.pads)),
            _section("spheres", "contact spheres added to the feet", map(_sphere, proposal.contacts.spheres)),
            "mirror:" + " " * (COLUMN - 7) + "# reflection through the sagittal plane: [partner, sign]\n",
            _section("  joints", "found by name, signs by the axes", _mirror(proposal)),
            _section("  pads", "", [f"    {pad}: {other}" for pad, other in proposal.contacts.mirror.items()]),
            _line("contact_clearance", str(clearance), "m; pads below the first touch, above the second do not"),
            _section("gains", "of the servos: N m/rad, N m s/rad, N m, kg m^2", map(_gains, proposal.gains.items())),
            OPTIONS,
            _section("bodies", "what a person's motion is carried over to; [left, right]", _bodies(proposal)),
        ]
    )


def _wrapped(sentences: Iterable[str]) -> list[str]:
    return [line for sentence in sentences for line in textwrap.wrap(sentence, 108)]


def _line(key: str, value: str, comment: str = "") -> str:
    text = f"{key}: {value}"
    return f"{text:<{COLUMN - 1}} # {comment}\n" if comment else f"{text}\n"


def _section(key: str, comment: str, lines: Iterable[str]) -> str:
    """Nothing where there are no lines."""
    lines = list(lines)
    head = f"{key}:"
    head = f"{head:<{COLUMN - 1}} # {comment}" if comment else head
    return "\n".join([head, *lines]) + "\n" if lines else ""


def _number(value: float) -> str:
    """Without an exponent, which YAML 1.1 takes for text."""
    return f"{value:.8f}".rstrip("0").rstrip(".")


def _name(name: str) -> str:
    """A name, in quotes where YAML might read something else."""
    plain = re.fullmatch(r"[A-Za-z_][\w.-]*", name) and name.lower() not in RESERVED
    return name if plain else json.dumps(name)


def _list(names: Iterable[str]) -> str:
    return f"[{', '.join(map(_name, names))}]"


def _joints(proposal: Proposal) -> str:
    names = textwrap.wrap(_list(proposal.symmetry.joints), 108, break_on_hyphens=False, break_long_words=False)
    return _section("joints", "in the order of the MJCF", [f"  {' ' * (i > 0)}{line}" for i, line in enumerate(names)])


def _home(proposal: Proposal) -> list[str]:
    return [
        f"  {_name(joint)}: {_number(round(angle, 4))}" for joint, angle in proposal.home.items() if round(angle, 4)
    ]


def _lists(pads: dict[str, tuple[str, ...]]) -> list[str]:
    return [f"  {pad}: {_list(geoms)}" for pad, geoms in pads.items()]


def _sphere(sphere: Sphere) -> str:
    pos, radius = ", ".join(map(_number, sphere.pos)), _number(sphere.radius)
    return f"  - {{name: {_name(sphere.name)}, body: {_name(sphere.body)}, pos: [{pos}], radius: {radius}}}"


def _mirror(proposal: Proposal) -> list[str]:
    pairs = proposal.symmetry.joints.items()
    return [f"    {_name(joint)}: [{_name(partner)}, {sign}]" for joint, (partner, sign) in pairs]


def _gains(item: tuple[str, Gains]) -> str:
    joint, gains = item
    values = {field.name: getattr(gains, field.name) for field in dataclasses.fields(gains)}
    given = [f"{key}: {_number(value)}" for key, value in values.items() if value is not None]
    return f"  {_name(joint)}: {{{', '.join(given)}}}"


def _bodies(proposal: Proposal) -> list[str]:
    values = vars(proposal.anatomy.bodies).items()
    return [f"  {key}: {_name(value) if isinstance(value, str) else _list(value)}" for key, value in values if value]
