"""Images of the user's: folders, paths in tables, and what must not be followed or decoded."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.core.errors import AssetError, DataError, UserError
from bench.core.task import Modality
from bench.tasks import duplicates_across
from bench.tasks._images import decode
from bench.tasks._media import Media

from .own import load, make, write


def paint(path: Path, shade: int, size: tuple[int, int] = (6, 4), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, (shade, 255 - shade, 7))
    image.putpixel((0, 0), (shade, 0, 0))
    image.convert(mode).save(path)


def album(folder: Path, *parts: str, n: int = 4) -> None:
    for part in parts:
        for i in range(n):
            paint(folder / part / f"{i}.png", shade=20 * i + 3 * len(part))


def test_a_folder_of_class_folders(tmp_path: Path) -> None:
    album(tmp_path / "pets", "cat", "horse")
    paint(tmp_path / "pets" / "cat" / ".hidden.png", 9)
    (tmp_path / "pets" / "cat" / "Thumbs.db").write_bytes(b"x")
    splits = load(tmp_path, "file:pets")
    assert splits.class_names == ("cat", "horse")
    assert (len(splits.train), len(splits.test)) == (6, 2)
    assert isinstance(splits.train.inputs, Media)
    for split in (splits.train, splits.test):
        assert {(item.shape, item.dtype) for item in split.inputs} == {
            ((4, 6, 3), np.dtype(np.uint8))
        }
    part = splits.train.take(np.array([2, 0]))
    np.testing.assert_array_equal(part.inputs[1], splits.train.inputs[0])
    np.testing.assert_array_equal(splits.train.inputs[1:3][0], splits.train.inputs[1])
    assert duplicates_across(splits) == 0


def test_train_and_test_folders(tmp_path: Path) -> None:
    album(tmp_path / "pets", "train/cat", "train/horse", "val/cat", "test/cat", "test/horse", n=2)
    splits = load(tmp_path, "file:pets/")
    assert (len(splits.train), len(splits.test)) == (6, 4)
    assert dict(splits.notes) == {"validation_in_train": 2}


def test_what_is_no_split_does_not_make_classes_of_the_splits(tmp_path: Path) -> None:
    album(tmp_path / "pets", "train/cat", "train/horse", "test/cat", "test/horse", "extra/cat", n=2)
    with pytest.raises(DataError, match="beside the splits stands 'extra'"):
        load(tmp_path, "file:pets/")


@pytest.mark.parametrize("names", [("Train", "Test"), ("Training", "testing"), ("train", "Valid")])
def test_splits_are_known_however_they_are_written(tmp_path: Path, names: tuple[str, str]) -> None:
    album(tmp_path / "pets", *(f"{name}/{pet}" for name in names for pet in ("cat", "dog")), n=4)
    splits = load(tmp_path, data="file:pets")
    assert splits.class_names == ("cat", "dog")


@pytest.mark.parametrize("extra", ["Training/cat", "val/cat"])
def test_of_split_and_class_folders_side_by_side_neither_is_guessed(
    tmp_path: Path, extra: str
) -> None:
    album(tmp_path / "pets", "train/cat", extra, "test/cat", "Cats/cat", n=2)
    with pytest.raises(DataError, match="beside the splits stands 'Cats'"):
        load(tmp_path, data="file:pets")


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    album(tmp_path / "vehicles", "bus", "car", "train", n=4)
    assert load(tmp_path, data="file:vehicles").class_names == ("bus", "car", "train")


def test_no_class_is_lost_for_what_its_files_are(tmp_path: Path) -> None:
    album(tmp_path / "pets", "cat", "dog", "fox", n=4)
    for file in (tmp_path / "pets/fox").iterdir():
        file.rename(file.with_suffix(".jpx"))
    with pytest.raises(
        DataError, match=r"folder 'fox' has files \(fox/0.jpx\), but no image files"
    ):
        load(tmp_path, data="file:pets")
    (tmp_path / "pets/fox/0.jpx").rename(tmp_path / "pets/fox/0.HEIC")
    with pytest.raises(DataError, match=r"fox/0.HEIC is of a kind that is not read"):
        load(tmp_path, data="file:pets")


def test_a_changed_image_is_another_task(tmp_path: Path) -> None:
    album(tmp_path / "pets", "cat", "horse")
    write(tmp_path, "image,label\npets/cat/0.png,a\npets/cat/1.png,b\n")
    before = [make(tmp_path, uri, **how).spec.fingerprint for uri, how in BOTH]
    paint(tmp_path / "pets" / "cat" / "0.png", 77)
    after = [make(tmp_path, uri, **how).spec.fingerprint for uri, how in BOTH]
    assert before[0] != after[0]
    assert before[1] != after[1]


BOTH = (("file:pets", {}), ("file:mine.csv", {"modality": Modality.IMAGE}))


def test_paths_in_a_table(tmp_path: Path) -> None:
    album(tmp_path / "data" / "pets", "cat", "horse")
    lines = "".join(f"pets/{k}/{i}.png,{k}\n" for i in range(4) for k in ("cat", "horse"))
    write(tmp_path / "data", "image,label\n,cat\n" + lines)
    splits = load(tmp_path, "file:data/mine.csv", modality=Modality.IMAGE)
    assert (len(splits.train), len(splits.test)) == (6, 2)
    assert splits.test.inputs[0].shape == (4, 6, 3)
    assert dict(splits.notes) == {"rows_dropped_without_input": 1}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../secret.png", "not a plain path under"),
        ("pets/../../secret.png", "not a plain path under"),
        ("{absolute}", "not a plain path under"),
        ("pets\\secret.png", "not a plain path under"),
        ("out.png", "leads out of the table's folder"),
        ("away/secret.png", "leads out of the table's folder"),
        ("none.png", "is not there"),
        ("pets", "is not there"),
    ],
)
def test_paths_do_not_leave_the_folder(tmp_path: Path, name: str, message: str) -> None:
    folder = tmp_path / "data"
    paint(tmp_path / "secret.png", 1)
    paint(folder / "pets" / "0.png", 1)
    (folder / "out.png").symlink_to(tmp_path / "secret.png")
    (folder / "away").symlink_to(tmp_path)
    name = name.format(absolute=tmp_path / "secret.png")
    uri = write(folder, f'image,label\n"{name}",a\npets/0.png,b\n')
    with pytest.raises(DataError, match=message):
        load(folder, uri, modality=Modality.IMAGE)


def test_a_nul_in_a_path(tmp_path: Path) -> None:
    uri = write(tmp_path, '{"image": "a\\u0000.png", "label": "a"}', "mine.jsonl")
    with pytest.raises(DataError, match="is no path"):
        load(tmp_path, uri, modality=Modality.IMAGE)


@pytest.mark.parametrize("place", ["cat/link.png", "link"])
def test_links_in_a_folder_of_images_are_refused(tmp_path: Path, place: str) -> None:
    album(tmp_path / "pets", "cat", "horse")
    album(tmp_path / "other", "cat")
    (tmp_path / "pets" / place).symlink_to(tmp_path / "other" / "cat")
    with pytest.raises((DataError, AssetError), match="link"):
        load(tmp_path, "file:pets")


def test_folders_without_images_or_with_columns(tmp_path: Path) -> None:
    (tmp_path / "empty" / "cat").mkdir(parents=True)
    (tmp_path / "empty" / "cat" / "notes.txt").write_text("x")
    with pytest.raises(
        DataError, match="no image files found; a folder holds one subfolder per class"
    ):
        load(tmp_path, "file:empty")
    with pytest.raises(UserError, match="has no columns; drop 'label', 'group'"):
        load(tmp_path, "file:empty", group="who", label="kind")
    with pytest.raises(UserError, match="a folder holds images or audio, but modality is text"):
        load(tmp_path, "file:empty", modality=Modality.TEXT)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("L", "png"), ("1", "png"), ("P", "gif"), ("RGBA", "png"), ("CMYK", "jpg"), ("LA", "png")],
)
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    paint(path, 100, mode=mode)
    assert decode(path, "x").shape == (4, 6, 3)
    assert decode(path.read_bytes(), "x").dtype == np.uint8


def test_a_palette_with_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (2, 2))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.save(tmp_path / "x.png", transparency=b"\x00\xff")
    assert decode(tmp_path / "x.png", "x")[0, 0].tolist() == [10, 20, 30]


def test_photographs_stand_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: rotate by 90 degrees
    Image.new("RGB", (6, 4)).save(tmp_path / "x.jpg", exif=exif)
    assert decode(tmp_path / "x.jpg", "x").shape == (6, 4, 3)


def _png(width: int, height: int, rows: bytes = b"x", bits: int = 8, kind: int = 2) -> bytes:
    """A PNG that claims a size, with these rows: hardly any data."""

    def chunk(name: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + crc

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10_000, 100_000])
def test_decompression_bombs_are_refused(side: int) -> None:
    with pytest.raises(DataError, match="image bomb is too large"):
        decode(_png(side, side), "bomb")


@pytest.mark.parametrize("data", [b"", b"no image at all", _png(4, 4), b"GIF89a"])
def test_damaged_images_are_named(data: bytes) -> None:
    with pytest.raises(DataError, match=r"image 3\.png cannot be decoded"):
        decode(data, "3.png")


def test_truncated_images_are_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("x.jpg", "x.png"):
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(tmp_path / name)
        data = (tmp_path / name).read_bytes()
        for cut in (len(data) // 4, len(data) // 2, len(data) - 30):
            with pytest.raises(DataError, match="cannot be decoded"):
                decode(data[:cut], "x")


def test_sixteen_bits_are_refused_rather_than_cut(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 2), 40_000, dtype=np.uint16)).save(tmp_path / "x.png")
    with pytest.raises(DataError, match="more than 8 bits"):
        decode(tmp_path / "x.png", "x")


@pytest.mark.parametrize(("bits", "refused"), [(8, False), (16, True)])
@pytest.mark.parametrize(("kind", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_so_are_sixteen_bits_of_a_colour(
    kind: int, channels: int, bits: int, refused: bool
) -> None:
    """Pillow opens them under the names of modes of eight."""
    rows = (b"\0" + bytes(range(2 * channels * bits // 8))) * 2
    data = _png(2, 2, rows, bits, kind)
    if refused:
        with pytest.raises(DataError, match="more than 8 bits"):
            decode(data, "x")
    else:
        assert decode(data, "x").shape == (2, 2, 3)


def test_a_column_of_numbers_is_no_image(tmp_path: Path) -> None:
    uri = write(tmp_path, '{"image": 1, "label": "a"}', "mine.jsonl")
    with pytest.raises(DataError, match="image '1' is not there"):
        load(tmp_path, uri, modality=Modality.IMAGE)


def test_of_an_animation_the_first_frame_counts(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), (shade, 0, 0)) for shade in (10, 200)]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:], duration=10)
    found = decode(tmp_path / "x.gif", "x")
    assert found.shape == (4, 4, 3)
    assert found[0, 0, 0] < 50
