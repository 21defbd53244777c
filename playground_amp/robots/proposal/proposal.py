"""What was found of the robot in an MJCF: what a proposed record is written from."""

from __future__ import annotations

from dataclasses import dataclass

from playground_amp.robots.proposal.anatomy import LegAnatomy
from playground_amp.robots.proposal.contact_points import FootContacts
from playground_amp.robots.record import Gains
from playground_amp.robots.symmetry import Symmetry


@dataclass(frozen=True)
class Proposal:
    """What a record is written from; `sentences` say what was guessed and what needs a hand."""

    name: str
    mjcf: str  # as the record names the file
    root: str  # body with the free joint
    symmetry: Symmetry
    anatomy: LegAnatomy
    home: dict[str, float]  # rad
    contacts: FootContacts
    clearance: tuple[float, float]  # m
    gains: dict[str, Gains]  # what the MJCF does not say
    sentences: tuple[str, ...]
