"""What is in a scene, in words: the graph that questions, captions and readers of pictures speak about.

A graph is either the truth (`graph_of`) or what a reader believes to see; both are asked by the same programs.
"""

import dataclasses

import numpy as np

from semjax.scenes.shapes import CLASS_NAMES
from semjax.scenes.world import BACKGROUNDS, COLOURS, TEXTURES, Scene

PLACES = ("top left", "top", "top right", "left", "middle", "right", "bottom left", "bottom", "bottom right")
"""The nine parts of a picture, row by row: it is cut at one and two thirds of its width and height."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Thing:
    """An object of a graph.

    Attributes:
      region: its region in the id map (slot + 1).
      name: one of `shapes.CLASS_NAMES`.
      colour, texture: of `world.COLOURS`, `world.TEXTURES`.
      x, y: centre in [-1, 1], x to the right, y downwards.
      radius: in half widths of the picture.
    """

    region: int
    name: str
    colour: str
    texture: str
    x: float
    y: float
    radius: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Graph:
    """All things of a scene, nearest first, and its background, one of `world.BACKGROUNDS`."""

    things: tuple[Thing, ...]
    background: str


def graph_of(scene: Scene) -> Graph:
    """The graph of one scene; empty slots are left out.

    Args:
      scene: without a batch axis, on the host or not.

    Returns:
      Its things, nearest first, and its background.

    Raises:
      ValueError: a batch of scenes.
    """
    present = np.asarray(scene.present)
    if present.ndim != 1:
        raise ValueError(f"graph_of takes one scene, got a batch of shape {present.shape[:-1]}")
    shape, colour, texture, radius, centre = (
        np.asarray(leaf).tolist() for leaf in (scene.shape, scene.colour, scene.texture, scene.radius, scene.centre)
    )
    things = tuple(
        Thing(
            region=slot + 1,
            name=CLASS_NAMES[shape[slot]],
            colour=COLOURS[colour[slot]],
            texture=TEXTURES[texture[slot]],
            x=centre[slot][0],
            y=centre[slot][1],
            radius=radius[slot],
        )
        for slot in np.flatnonzero(present).tolist()
    )
    return Graph(things=things, background=BACKGROUNDS[int(scene.background)])


def place(x: float, y: float) -> str:
    """The part of the picture that a point lies in.

    >>> place(0.0, 0.1), place(-0.9, -0.9), place(0.5, 0.0)
    ('middle', 'top left', 'right')
    """
    return PLACES[3 * _third(y) + _third(x)]


def _third(coordinate: float) -> int:
    return min(max(int((coordinate + 1) * 1.5), 0), 2)
