"""Scenes go in, the pictures of the documentation come out.

`python docs/pictures/make.py ITEMS.json` draws docs/pictures/july.jpg from the sample catalogue, or with `--real` the
picture of the README, august.jpg, from real scenes (contains modified Copernicus Sentinel data 2023).
"""

from __future__ import annotations

import argparse
import copy
import io
import json
from pathlib import Path
from typing import Any

import bestpixel as bp
import numpy as np
import numpy.typing as npt
import rasterio
from PIL import Image, ImageDraw, ImageFont
from rasterio.transform import Affine
from rasterio.warp import Resampling, reproject

HERE = Path(__file__).parent
COLOURS = ("red", "green", "blue")
DAYS = np.array(
    [[230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [0, 114, 178], [213, 94, 0], [204, 121, 167]],
    np.uint8,
)
"""Colours that all eyes can tell apart (Okabe and Ito)."""
NOTHING = 225
"""The grey of what no scene has seen."""
GAP, LINE, BIG = 8, 22, 600

Picture = npt.NDArray[np.uint8]


class Stretch:
    """Black for each band, which takes out its haze, and white for all, as a composite suggests them."""

    def __init__(self, values: npt.NDArray[Any]) -> None:
        """Look at the values (band, row, col) of a composite."""
        seen = [plane[plane < 65535] for plane in values]
        self.black = np.array([np.quantile(plane, 0.001) for plane in seen])[:, None, None]
        self.white = max(np.quantile(plane, 0.995) for plane in seen)

    def __call__(self, values: npt.NDArray[Any]) -> Picture:
        """Values as a picture, brightened as displays expect it."""
        share = np.clip((values - self.black) / (self.white - self.black), 0, 1) ** (1 / 1.7)
        return np.moveaxis((255 * share).astype(np.uint8), 0, -1)


def scene(items: list[dict[str, Any]], folder: Path, out: bp.Composite, stretch: Stretch) -> Picture:
    """What the satellite saw on a day, clouds and all, on the grid of a composite."""
    grid = out.grid
    seen = np.zeros((3, grid["height"], grid["width"]), np.uint16)
    for item in items:
        for plane, band in zip(seen, COLOURS):
            with rasterio.open(folder / item["assets"][band]["href"]) as file:
                part = np.zeros_like(plane)
                reproject(
                    rasterio.band(file, 1), part, src_nodata=0, dst_nodata=0, dst_transform=Affine(*grid["transform"]),
                    dst_crs=f"EPSG:{grid['epsg']}", resampling=Resampling.average,
                )  # fmt: skip
            plane[part > 0] = part[part > 0]
    picture = stretch(seen)
    picture[(seen == 0).all(0)] = NOTHING
    return picture


def draw(items: list[dict[str, Any]], folder: Path, ask: dict[str, Any], days: list[str]) -> Image.Image:
    """Some days, who has won where, and the composite of these days."""
    of_day = {day: [item for item in items if item["properties"]["datetime"][:10] == day] for day in days}
    chosen = absolute([item for day in days for item in of_day[day]], folder)
    out = bp.build_composite(**ask, endpoint="earth-search", bands=COLOURS, catalog=chosen)
    planes = np.stack([out.bands[band] for band in COLOURS])
    stretch, dates = Stretch(planes), out.date
    winners = np.full((*dates.shape, 3), NOTHING, np.uint8)
    cells: list[tuple[str, Picture]] = []
    for day, colour in zip(days, DAYS):
        cells.append((day, scene(of_day[day], folder, out, stretch)))
        winners[dates == np.datetime64(day)] = colour
    made = stretch(planes)
    made[out.quality == 65535] = NOTHING
    rows = (len(cells) + 2) // 2
    small = (BIG - (rows - 1) * (LINE + GAP)) // rows
    canvas = Image.new("RGB", (2 * small + BIG + 4 * GAP, BIG + LINE + 2 * GAP), "white")
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(14)
    for number, (label, picture) in enumerate([*cells, ("day of each pixel", winners)]):
        x = GAP + number % 2 * (small + GAP)
        y = GAP + number // 2 * (small + LINE + GAP)
        canvas.paste(Image.fromarray(picture).resize((small, small), Image.Resampling.BOX), (x, y))
        if label in days:
            pen.rectangle((x, y + small + 6, x + 10, y + small + 16), fill=tuple(DAYS[days.index(label)]))
        pen.text((x + 16 * (label in days), y + small + 2), label, fill="black", font=font)
    x = 2 * small + 3 * GAP
    canvas.paste(Image.fromarray(made).resize((BIG, BIG), Image.Resampling.LANCZOS), (x, GAP))
    share = 100 * float((out.quality == 0).mean())
    pen.text((x, GAP + BIG + 2), f"composite: {share:.1f} % clear", fill="black", font=font)
    return canvas


def absolute(items: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """The items with hrefs that do not depend on where their file lies."""
    moved = copy.deepcopy(items)
    for item in moved:
        for asset in item["assets"].values():
            asset["href"] = str(folder / asset["href"])
    return moved


def save(picture: Image.Image, path: Path) -> None:
    """Write a picture, small enough for a repository."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80, optimize=True)
    path.write_bytes(buffer.getvalue())
    print(path, picture.size, len(buffer.getvalue()))


def main() -> None:
    """Draw what is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("items", type=Path)
    parser.add_argument("--real", action="store_true")
    chosen = parser.parse_args()
    items = json.loads(chosen.items.read_text())["features"]
    folder = chosen.items.resolve().parent
    if chosen.real:
        ask: dict[str, Any] = {"bbox": (15.10, 45.10, 16.30, 45.95), "datetime": "2023-08", "resolution": 120.0}
        save(
            draw(items, folder, ask, ["2023-08-10", "2023-08-13", "2023-08-15", "2023-08-18", "2023-08-20"]),
            HERE / "august.jpg",
        )
        return
    ask = {"bbox": (17.4, 45.05, 18.75, 45.98), "datetime": "2024-07", "resolution": 120.0}
    days = sorted({item["properties"]["datetime"][:10] for item in items})
    save(draw(items, folder, ask, days[:5]), HERE / "july.jpg")


if __name__ == "__main__":
    main()
