"""Slices through the middle of the lattice as a moving picture: GIF, or MP4 where ffmpeg is there."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.figures.base import FigureError, Option
from tumorsim.figures.files import write_whole
from tumorsim.figures.spatial.base import SpatialFigure, SpatialView
from tumorsim.figures.spatial.looks import (
    KEY_LINE,
    PLANE,
    arm_heading,
    content_key,
    day_label,
    footer,
    labels,
    middle,
    scale_bar,
    show_slice,
    usable_plane,
    write_key,
)
from tumorsim.figures.style import HEAD, arm_colour, canvas, journal, place, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

WIDTH, PER_ROW, GAP = 7.0, 3, 0.1
DPI = 120
LAST = 3  # times as long as the others: how it ended
Frame = NDArray[np.uint8]


def draw_frame(view: SpatialView, fps: float, plane: str, shot: int = -1) -> Drawing:
    """One moment, one panel an arm; the last moment if none is given."""
    _check_fps(fps)
    data = view.data
    plane = usable_plane(data, plane)
    shot = range(_moments(view))[shot]
    columns = 2 if len(data.arms) == 4 else min(PER_ROW, len(data.arms))
    width = min((WIDTH - 0.2 - GAP * (columns - 1)) / columns, 3.4)
    rows, across = middle(data.snapshots[data.arms[0]]["content"][0], plane).shape
    height = width * rows / across
    step = height + 0.26
    figure = canvas(WIDTH, 1.0)
    lines = content_key(figure, data, WIDTH - 0.2)
    figure.set_size_inches(WIDTH, 0.94 + KEY_LINE * len(lines) + step * -(-len(data.arms) // columns))
    full = float(figure.get_size_inches()[1])
    write(figure, 0.1, full - 0.22, "Slices through the middle of the lattice", size=HEAD, weight="bold")
    write(figure, WIDTH - 0.1, full - 0.22, day_label(data.shot[shot]), size=HEAD, weight="bold", ha="right")
    top = write_key(figure, lines, 0.1, full - 0.44)
    for number, (arm, label) in enumerate(zip(data.arms, labels(view), strict=True)):
        left = 0.1 + (number % columns) * (width + GAP)
        bottom = top - 0.28 - height - (number // columns) * step
        arm_heading(figure, label, left, bottom + height + 0.05, width, arm_colour(number))
        axes = place(figure, left, bottom, width, height)
        content, dots = (middle(data.snapshots[arm][name][shot], plane) for name in ("content", "lymphocytes"))
        show_slice(axes, content, dots, width, f"{arm}-{shot}")
        if number == 0:
            scale_bar(axes, data, across)
    footer(figure, view, "First replicate.")
    return figure


def _moments(view: SpatialView) -> int:
    return min(int(held["content"].shape[0]) for held in view.data.snapshots.values())


def _check_fps(fps: float) -> None:
    if not 0.2 <= fps <= 50.0:
        raise FigureError(f"fps: {fps:g} must lie between 0.2 and 50 frames a second, e.g. fps=4")


def frames(view: SpatialView, fps: float, plane: str, dpi: int = DPI) -> list[Frame]:
    """Every moment as pixels, (height, width, 3), both even as films need them."""
    made = []
    for shot in range(_moments(view)):
        with journal():
            drawing = draw_frame(view, fps, plane, shot)
            drawing.set_dpi(dpi)
            canvas_: Any = drawing.canvas
            canvas_.draw()
            pixels = np.asarray(canvas_.buffer_rgba())[..., :3]
        made.append(np.ascontiguousarray(pixels[: pixels.shape[0] // 2 * 2, : pixels.shape[1] // 2 * 2]))
    return made


def gif(made: list[Frame], fps: float, loop: bool = True) -> bytes:
    """Frames as a GIF; the last one stays three times as long. Without ``loop`` it plays once."""
    from PIL import Image

    # one palette for all, so that colours do not flicker from frame to frame
    palette = Image.fromarray(np.concatenate(made[:: max(1, len(made) // 6)])).quantize(128, dither=Image.Dither.NONE)
    pictures = [Image.fromarray(one).quantize(palette=palette, dither=Image.Dither.NONE) for one in made]
    each = max(20, round(1000.0 / fps))
    buffer = io.BytesIO()
    pictures[0].save(
        buffer, format="GIF", save_all=True, append_images=pictures[1:], optimize=False,
        duration=[each] * (len(pictures) - 1) + [LAST * each], **({"loop": 0} if loop else {}),
    )  # fmt: skip
    return buffer.getvalue()


def mp4(made: list[Frame], fps: float) -> bytes:
    """Frames as an MP4 film by ``ffmpeg``; the last one stays three times as long, as in a GIF.

    Raises
    ------
    FigureError
        ffmpeg is not there, or fails.
    """
    tool = shutil.which("ffmpeg")
    if tool is None:
        raise FigureError("an MP4 needs ffmpeg, which is not installed; write a GIF instead, e.g. animation.gif")
    height, width = made[0].shape[:2]
    shown = [*made, *made[-1:] * (LAST - 1)]
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        command = [
            tool, "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}",
            "-r", f"{fps:g}", "-i", "-", "-pix_fmt", "yuv420p", "-r", "25", "-movflags", "+faststart",
            "-f", "mp4", str(film),
        ]  # fmt: skip
        done = subprocess.run(command, input=b"".join(one.tobytes() for one in shown), capture_output=True, check=False)
        if done.returncode or not film.is_file():
            told = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
            raise FigureError(f"ffmpeg failed: {told[0]}; write a GIF instead, e.g. animation.gif")
        return film.read_bytes()


def save_animation(view: SpatialView, path: str | os.PathLike[str], **options: Any) -> Path:
    """Write the moving picture; the suffix of ``path`` says the format.

    Raises
    ------
    FigureError
        An unknown option or format, fewer than two snapshots, no ffmpeg for MP4, or a folder that is not there.
    """
    target = Path(path)
    kind = target.suffix.lower().removeprefix(".")
    if kind not in ANIMATION.suffixes:
        raise FigureError(f'{target}: an animation ends in .gif or .mp4, e.g. "{target.stem or "animation"}.gif"')
    if kind == "mp4" and shutil.which("ffmpeg") is None:
        mp4([np.zeros((2, 2, 3), dtype=np.uint8)], 1.0)  # says so before anything is drawn
    chosen = ANIMATION.read(options)
    ANIMATION.check(view)
    _check_fps(chosen["fps"])
    made = frames(view, **chosen)
    return write_whole(target, gif(made, chosen["fps"]) if kind == "gif" else mp4(made, chosen["fps"]))


ANIMATION = SpatialFigure(
    name="animation",
    title="Animation",
    description=(
        "The slices of `lattice` as a moving picture, one panel an arm, one frame a snapshot, in the first replicate: "
        "a GIF, or an MP4 where ffmpeg is installed."
    ),
    render=draw_frame,
    options=(Option("fps", 4.0, "Frames a second.", kind=float), PLANE),
    needs="motion",
    suffixes=("gif", "mp4"),
)
