"""The demo clip's story: its shots, and who appears in them when.

Times are seconds of the clip. Taught logos are on screen for about half of it, untaught ones just as large for about a
third; the rest shows neither.
"""

from __future__ import annotations

from dataclasses import dataclass

from streamfilter.demo.clutter import (
    Painter,
    blobs,
    buildings,
    clouds,
    crowd,
    foliage,
    gradient,
    grid,
    lettering,
    stripes,
)
from streamfilter.demo.marks import INK, TAUGHT, UNTAUGHT
from streamfilter.demo.scene import Actor, Camera, Pose
from streamfilter.demo.shapes import Colour, Mark, ellipse, layer, rectangle

DURATION_S = 60.0
_MARKS = {mark.name: mark for mark in (*TAUGHT, *UNTAUGHT)}


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One shot: a background, a camera over it, and actors. `dissolve_s` is how long it is blended in; 0 is a cut."""

    start_s: float
    end_s: float
    painter: Painter
    camera: Camera
    actors: tuple[Actor, ...] = ()
    dissolve_s: float = 0.0


def _logo(name: str, *poses: Pose) -> Actor:
    return Actor(_MARKS[name], name, poses)


def _passer(colour: Colour, skin: Colour, *poses: Pose) -> Actor:
    """A person who walks by."""
    body = rectangle(0.02, 0.3, width=0.56, height=0.69, rounding=0.2)
    return Actor(
        Mark("passer", 0.6, (layer(colour, body), layer(skin, ellipse(0.3, 0.17, rx=0.13, ry=0.16)))), None, poses
    )


def _van(colour: Colour, *poses: Pose) -> Actor:
    """A van that drives by."""
    cabin = rectangle(0.02, 0.05, width=1.96, height=0.75, rounding=0.12)
    window = rectangle(1.5, 0.16, width=0.36, height=0.26, rounding=0.04)
    wheels = [ellipse(x, 0.8, rx=0.18) for x in (0.45, 1.5)]
    layers = (layer(colour, cabin), layer((190, 215, 225), window), *(layer(INK, wheel) for wheel in wheels))
    return Actor(Mark("van", 2.0, layers), None, poses)


def _city() -> Shot:
    """After a second of nothing, Trivane comes up small and grows."""
    trivane = _logo(
        "Trivane",
        Pose(1.0, 0.3, 0.3, 0.06, opacity=0.0),
        Pose(1.4, 0.3, 0.3, 0.06),
        Pose(2.8, 0.38, 0.36, 0.15, turn=0.05),
        Pose(4.8, 0.52, 0.46, 0.42, turn=0.1),
        Pose(7.0, 0.56, 0.5, 0.5, turn=-0.1),
    )
    return Shot(0, 7, buildings, Camera((0.38, 0.45), (0.6, 0.52), zoom=(1.0, 1.15)), (trivane,))


def _garden() -> Shot:
    """Folivo floats from left to right, turning, while somebody walks past it."""
    folivo = _logo(
        "Folivo",
        Pose(7.4, -0.12, 0.55, 0.3, turn=-0.3),
        Pose(9.2, 0.35, 0.42, 0.36, turn=0.15, yaw=0.5),
        Pose(11.0, 0.6, 0.48, 0.34, turn=-0.1, yaw=-0.4),
        Pose(12.8, 1.14, 0.4, 0.3, turn=0.3),
    )
    passer = _passer((70, 90, 150), (224, 172, 136), Pose(8.8, 1.2, 0.6, 1.0), Pose(11.4, -0.2, 0.6, 1.0))
    return Shot(7, 13, foliage, Camera((0.6, 0.5), (0.42, 0.45), roll=(0.0, 0.08)), (folivo, passer))


def _strangers_in_the_sky() -> Shot:
    """Two untaught marks that come near Trivane and Hexora, as large as those."""
    velquo = _logo(
        "Velquo",
        Pose(13.5, 0.27, 0.5, 0.1, opacity=0.0),
        Pose(14.0, 0.27, 0.5, 0.16),
        Pose(16.0, 0.3, 0.48, 0.5, turn=0.3),
        Pose(18.0, 0.3, 0.5, 0.52, turn=0.6),
    )
    gerano = _logo(
        "Gerano",
        Pose(14.6, 1.15, 0.4, 0.35),
        Pose(16.2, 0.72, 0.45, 0.42, turn=0.4),
        Pose(18.0, 0.7, 0.5, 0.44, turn=0.9),
    )
    return Shot(13, 18, clouds, Camera((0.4, 0.4), (0.55, 0.6)), (velquo, gerano))


def _page() -> Shot:
    """Quillbar on a page of text, joined by Undula."""
    quillbar = _logo(
        "Quillbar",
        Pose(18.6, 0.3, -0.16, 0.22),
        Pose(19.8, 0.32, 0.3, 0.24, turn=0.05),
        Pose(23.4, 0.36, 0.34, 0.26, turn=-0.06, yaw=0.45),
        Pose(25.0, 0.4, 0.3, 0.26, yaw=-0.2),
    )
    undula = _logo(
        "Undula",
        Pose(20.4, 0.7, 0.72, 0.07, opacity=0.0),
        Pose(20.8, 0.7, 0.72, 0.08),
        Pose(22.8, 0.66, 0.7, 0.3, turn=-0.12),
        Pose(25.0, 0.64, 0.7, 0.34, turn=0.08),
    )
    return Shot(18, 25, lettering, Camera((0.45, 0.4), (0.5, 0.6)), (quillbar, undula))


def _nothing() -> Shot:
    """No logo at all: shapes in all colours and somebody who passes."""
    passer = _passer((190, 60, 70), (150, 100, 74), Pose(26.0, -0.2, 0.65, 0.9), Pose(28.4, 1.2, 0.65, 0.9))
    return Shot(25, 29, crowd, Camera((0.4, 0.55), (0.6, 0.45), zoom=(1.2, 1.0)), (passer,))


def _strangers_on_cloth() -> Shot:
    """Untaught marks in the colours of Undula and Quillbar, one of them covered for a while, then a third."""
    cheva = _logo(
        "Cheva",
        Pose(29.4, -0.2, 0.34, 0.34),
        Pose(31.0, 0.3, 0.36, 0.4, turn=-0.1),
        Pose(34.5, 0.36, 0.4, 0.42, yaw=0.5),
        Pose(36.0, 0.38, 0.4, 0.42),
    )
    boltar = _logo(
        "Boltar",
        Pose(30.2, 0.74, 0.62, 0.08, opacity=0.0),
        Pose(30.6, 0.74, 0.62, 0.1),
        Pose(32.4, 0.72, 0.6, 0.34, turn=0.2),
        Pose(36.0, 0.7, 0.6, 0.38, turn=-0.2),
    )
    houra = _logo(
        "Houra", Pose(33.0, 0.5, 1.2, 0.3), Pose(34.4, 0.52, 0.78, 0.34), Pose(36.0, 0.52, 0.76, 0.34, turn=0.4)
    )
    van = _van((90, 110, 96), Pose(31.8, -0.4, 0.6, 0.5), Pose(34.0, 1.4, 0.6, 0.5))
    return Shot(29, 36, stripes, Camera((0.5, 0.42), (0.5, 0.58), roll=(-0.05, 0.05)), (cheva, boltar, houra, van))


def _twins() -> Shot:
    """Hexora twice, one large and one small."""
    large = _logo(
        "Hexora",
        Pose(36.6, 0.3, 1.2, 0.36),
        Pose(38.0, 0.3, 0.52, 0.42, turn=-0.15),
        Pose(41.5, 0.34, 0.46, 0.46, turn=0.15),
        Pose(44.0, 0.34, 0.48, 0.46, yaw=0.5),
    )
    small = _logo(
        "Hexora",
        Pose(38.6, 1.1, 0.3, 0.16),
        Pose(40.0, 0.74, 0.34, 0.18, turn=0.1),
        Pose(44.0, 0.7, 0.4, 0.24, turn=-0.1),
    )
    return Shot(36, 44, blobs, Camera((0.42, 0.5), (0.58, 0.5), zoom=(1.0, 1.2)), (large, small))


def _evening() -> Shot:
    """Dissolved in: Solari rises, and an untaught fish swims by beside it."""
    solari = _logo(
        "Solari",
        Pose(44.6, 0.62, 1.2, 0.3),
        Pose(46.6, 0.6, 0.5, 0.4),
        Pose(48.8, 0.58, 0.42, 0.32, turn=0.08),
        Pose(50.4, 0.56, 0.4, 0.2),
        Pose(50.8, 0.56, 0.4, 0.18, opacity=0.0),
    )
    fish = _logo(
        "Pescara", Pose(45.4, -0.2, 0.3, 0.3), Pose(47.6, 0.2, 0.34, 0.32, turn=0.1), Pose(51.0, 0.24, 0.7, 0.36)
    )
    return Shot(43, 51, gradient, Camera((0.45, 0.45), (0.55, 0.55)), (solari, fish), dissolve_s=1.0)


def _strangers_on_tiles() -> Shot:
    """Four untaught marks, two at a time."""
    rosola = _logo(
        "Rosola",
        Pose(51.2, 0.22, 0.5, 0.2, opacity=0.0),
        Pose(51.6, 0.22, 0.5, 0.26),
        Pose(54.0, 0.24, 0.48, 0.52, turn=0.2),
        Pose(55.5, 0.24, 0.5, 0.52),
    )
    corunna = _logo(
        "Corunna", Pose(51.5, 0.6, -0.2, 0.3), Pose(52.8, 0.56, 0.4, 0.36), Pose(53.8, 0.6, 1.25, 0.36, turn=0.2)
    )
    spirono = _logo(
        "Spirono",
        Pose(52.6, 1.2, 0.3, 0.34),
        Pose(54.0, 0.8, 0.34, 0.38, turn=1.2),
        Pose(55.5, 0.78, 0.36, 0.38, turn=2),
    )
    lockett = _logo("Lockett", Pose(53.8, 0.52, 1.2, 0.24), Pose(54.8, 0.52, 0.7, 0.28), Pose(55.5, 0.52, 0.68, 0.28))
    return Shot(51, 55.5, grid, Camera((0.5, 0.45), (0.5, 0.55)), (rosola, corunna, spirono, lockett))


def _finale() -> Shot:
    """Duplen, large, is covered by a van for a moment; Trivane stays small in a corner."""
    duplen = _logo(
        "Duplen",
        Pose(55.7, 0.4, 0.5, 0.12, opacity=0.0),
        Pose(56.1, 0.4, 0.5, 0.16),
        Pose(57.6, 0.42, 0.5, 0.5, turn=0.12),
        Pose(60.0, 0.42, 0.48, 0.54, turn=-0.08),
    )
    trivane = _logo("Trivane", Pose(56.2, 0.86, -0.1, 0.11), Pose(57.0, 0.86, 0.18, 0.12), Pose(60.0, 0.82, 0.2, 0.14))
    van = _van((222, 210, 180), Pose(57.4, -0.5, 0.62, 0.62), Pose(59.0, 1.5, 0.62, 0.62))
    return Shot(55.5, 60, foliage, Camera((0.6, 0.5), (0.45, 0.45)), (duplen, trivane, van))


def storyboard() -> tuple[Shot, ...]:
    """All shots in order; together they fill the clip."""
    return (
        _city(), _garden(), _strangers_in_the_sky(), _page(), _nothing(), _strangers_on_cloth(), _twins(), _evening(),
        _strangers_on_tiles(), _finale(),
    )  # fmt: skip
