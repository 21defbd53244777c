"""How far a point is from the feet: the convex hull of what touches the ground."""

from __future__ import annotations

import numpy as np


def distance_to_hull(point: np.ndarray, corners: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Distance [N] m of `point` [N, 2] from the convex hull of the valid ones of `corners` [N, C, 2]; 0 inside.

    `valid` is [N, C] bool; NaN in frames without a valid corner, or where the point is NaN.
    """
    return np.linalg.norm(nearest_in_hull(point, corners, valid) - point, axis=-1)


def nearest_in_hull(point: np.ndarray, corners: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The point [N, 2] of the hull that is nearest to `point`; the arguments and NaN are those of distance_to_hull.

    The edges of a hull are among the segments between any two corners, and the other segments lie within it: no hull
    has to be built.
    """
    rays = np.where(valid[..., None], corners - point[:, None], np.nan)
    first, second = np.triu_indices(corners.shape[1])
    ways = _to_segment(rays[:, first], rays[:, second])
    distances = np.linalg.norm(ways, axis=-1)
    nearest = np.argmin(np.where(np.isnan(distances), np.inf, distances), axis=1)
    way = np.take_along_axis(ways, nearest[:, None, None], axis=1)[:, 0]
    inside = _enclosed(rays) & np.isfinite(distances).any(axis=1)
    return point + np.where(inside[:, None], 0.0, way)


def _to_segment(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Way [..., 2] from the origin to the nearest point of segments [..., 2]; also of no length."""
    way = end - start
    length = np.maximum(np.sum(way**2, axis=-1), 1e-18)
    share = np.clip(-np.sum(start * way, axis=-1) / length, 0.0, 1.0)
    return start + share[..., None] * way


def _enclosed(rays: np.ndarray) -> np.ndarray:
    """Whether the rays [N, C, 2] (NaN: none) leave no half plane free: their greatest gap is less than half a turn."""
    angles = np.sort(np.arctan2(rays[..., 1], rays[..., 0]), axis=1)  # NaN come last
    last = np.take_along_axis(angles, np.maximum(np.isfinite(angles).sum(axis=1) - 1, 0)[:, None], axis=1)[:, 0]
    around = angles[:, 0] + 2.0 * np.pi - last
    gaps = np.concatenate([np.diff(angles, axis=1), around[:, None]], axis=1)
    return np.max(np.where(np.isnan(gaps), 0.0, gaps), axis=1) < np.pi - 1e-9
