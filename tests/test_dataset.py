"""Reading folders of label pictures: what is taken, what is left out, what is said about it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from labelled import draw_picture, write_pictures
from PIL import Image

from streamfilter.errors import DatasetError
from streamfilter.training.dataset import read_dataset
from streamfilter.training.examples import Dataset, Problem, ProblemKind
from streamfilter.types import Box


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two labels of six pictures each."""
    folder = tmp_path / "known"
    write_pictures(folder / "Alpha", range(6))
    write_pictures(folder / "Beta", range(10, 16), ".jpg")
    return folder


def of_kind(dataset: Dataset, kind: ProblemKind) -> list[Problem]:
    return [problem for problem in dataset.problems if problem.kind is kind]


def test_every_folder_is_a_label_and_every_picture_in_it_an_example(root: Path) -> None:
    dataset = read_dataset(root)
    assert dataset.labels == ("Alpha", "Beta")
    assert dataset.pictures_per_label() == {"Alpha": 6, "Beta": 6}
    assert [e.path.name for e in dataset.of_label("Beta")] == [f"{seed:03}.jpg" for seed in range(10, 16)]
    assert {(e.kind, e.width, e.height, e.boxes, e.has_alpha) for e in dataset.examples} == {
        ("known", 96, 72, (), False)
    }
    assert [p.kind for p in dataset.problems] == [ProblemKind.NO_NEGATIVES]


def test_negatives_and_unknown_logos_are_searched_through_all_their_folders(root: Path, tmp_path: Path) -> None:
    write_pictures(tmp_path / "n" / "deep" / "er", range(20, 23))
    write_pictures(tmp_path / "u", range(30, 32))
    dataset = read_dataset(root, negatives=[tmp_path / "n"], unknown=[tmp_path / "u"])
    assert [e.kind for e in dataset.examples] == ["known"] * 12 + ["negative"] * 3 + ["unknown"] * 2
    assert {e.label for e in dataset.of_kind("negative") + dataset.of_kind("unknown")} == {None}
    assert dataset.problems == ()


def test_progress_counts_every_picture(root: Path) -> None:
    calls: list[tuple[int, int]] = []
    read_dataset(root, on_progress=lambda done, total: calls.append((done, total)))
    assert calls == [(number, 12) for number in range(1, 13)]


def test_hidden_files_and_files_that_are_no_pictures_are_counted_silently(root: Path) -> None:
    for name in (".DS_Store", "._000.png", "notes.txt", "Thumbs.db"):
        (root / "Alpha" / name).write_bytes(b"x")
    (root / "README.md").write_bytes(b"x")
    write_pictures(root / ".trash", range(40, 45))
    dataset = read_dataset(root)
    assert dataset.labels == ("Alpha", "Beta")
    assert dataset.ignored_files == 5
    assert {p.kind for p in dataset.problems} == {ProblemKind.NO_NEGATIVES}


def test_an_unreadable_picture_is_named_and_skipped(root: Path) -> None:
    (root / "Alpha" / "bad.jpg").write_bytes(b"not a picture")
    dataset = read_dataset(root)
    (problem,) = of_kind(dataset, ProblemKind.UNREADABLE_PICTURE)
    assert problem.what.endswith("bad.jpg")
    assert dataset.pictures_per_label()["Alpha"] == 6


def test_a_format_that_cannot_be_read_is_named(root: Path) -> None:
    (root / "Alpha" / "IMG_1.HEIC").write_bytes(b"x")
    (problem,) = of_kind(read_dataset(root), ProblemKind.UNSUPPORTED_FORMAT)
    assert "save it as PNG or JPEG" in problem.detail


def test_a_picture_of_a_few_pixels_is_left_out(root: Path) -> None:
    draw_picture(1, 300, 8).save(root / "Alpha" / "line.png")
    (problem,) = of_kind(read_dataset(root), ProblemKind.TINY_PICTURE)
    assert "300×8" in problem.detail


def test_a_label_with_under_five_pictures_is_warned_of_and_kept(root: Path) -> None:
    write_pictures(root / "Few", range(50, 54))
    dataset = read_dataset(root)
    assert [p.what for p in of_kind(dataset, ProblemKind.FEW_PICTURES)] == ["Few"]
    assert dataset.labels == ("Alpha", "Beta", "Few")


def test_a_label_with_under_two_different_pictures_is_left_out(root: Path) -> None:
    (path,) = write_pictures(root / "One", [50])
    for number in range(5):
        shutil.copy(path, root / "One" / f"copy{number}.png")
    dataset = read_dataset(root)
    assert [p.what for p in of_kind(dataset, ProblemKind.LABEL_LEFT_OUT)] == ["One"]
    assert dataset.labels == ("Alpha", "Beta")
    assert len(dataset.examples) == 12


def test_a_label_whose_pictures_are_all_unreadable_is_left_out_by_name(root: Path) -> None:
    (root / "Gone").mkdir()
    (root / "Gone" / "1.png").write_bytes(b"")
    assert [p.what for p in of_kind(read_dataset(root), ProblemKind.LABEL_LEFT_OUT)] == ["Gone"]


def test_an_empty_label_folder_is_named(root: Path) -> None:
    (root / "Empty").mkdir()
    (problem,) = of_kind(read_dataset(root), ProblemKind.EMPTY_FOLDER)
    assert problem.what.endswith("Empty")


def test_pictures_beside_the_label_folders_are_named(root: Path) -> None:
    write_pictures(root, [60])
    (problem,) = of_kind(read_dataset(root), ProblemKind.MISPLACED_PICTURE)
    assert problem.what.endswith("060.png")


def test_a_folder_one_level_too_high_is_an_error_that_names_the_right_one(root: Path) -> None:
    with pytest.raises(DatasetError, match=rf"did you mean {root}\?"):
        read_dataset(root.parent)


def test_no_label_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no label to train in .*expected one folder per label"):
        read_dataset(tmp_path)


def test_only_unreadable_pictures_are_an_error_that_counts_them(tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    for number in range(3):
        (tmp_path / "A" / f"{number}.jpg").write_bytes(b"")
    with pytest.raises(DatasetError, match="3 unreadable_picture"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("missing", ["root", "negatives", "unknown", "boxes"])
def test_a_folder_or_file_that_is_missing_is_an_error(root: Path, tmp_path: Path, missing: str) -> None:
    gone = tmp_path / "gone"
    with pytest.raises(DatasetError, match="gone: No such file"):
        read_dataset(
            gone if missing == "root" else root,
            negatives=[gone] if missing == "negatives" else (),
            unknown=[gone] if missing == "unknown" else (),
            boxes=gone if missing == "boxes" else None,
        )


def test_one_label_alone_is_trained_but_said(tmp_path: Path) -> None:
    write_pictures(tmp_path / "Only", range(5))
    dataset = read_dataset(tmp_path)
    assert dataset.labels == ("Only",)
    assert of_kind(dataset, ProblemKind.UNDER_TWO_LABELS)


def test_negatives_inside_the_label_folder_are_no_label(root: Path) -> None:
    write_pictures(root / "nothing", range(70, 76))
    dataset = read_dataset(root, negatives=[root / "nothing"])
    assert dataset.labels == ("Alpha", "Beta")
    assert len(dataset.of_kind("negative")) == 6


def test_a_file_that_is_both_a_labels_and_a_negative_counts_as_the_labels(root: Path) -> None:
    dataset = read_dataset(root, negatives=[root])
    assert [e.kind for e in dataset.examples] == ["known"] * 12


def test_a_copy_of_a_labels_picture_among_the_negatives_is_left_out(root: Path, tmp_path: Path) -> None:
    write_pictures(tmp_path / "n", [80])
    draw_picture(3).save(tmp_path / "n" / "copy.jpg", quality=40)
    dataset = read_dataset(root, negatives=[tmp_path / "n"])
    (problem,) = of_kind(dataset, ProblemKind.KNOWN_AMONG_OTHERS)
    assert problem.what.endswith("copy.jpg")
    assert len(dataset.of_kind("negative")) == 1


@pytest.mark.parametrize("name", ["a b", "Ünïcødé", "日本", "--flag", "$(rm)", "a,b\"c'", "🍏"])
def test_any_text_is_a_label(root: Path, name: str) -> None:
    write_pictures(root / name, range(90, 95))
    assert name in read_dataset(root).labels


@pytest.mark.parametrize("name", ["line\nbreak", "bell\x07", " spaced", "\udcff"])
def test_a_label_name_that_no_log_can_show_is_refused_and_shown_escaped(root: Path, name: str) -> None:
    write_pictures(root / name, range(90, 95))
    dataset = read_dataset(root)
    (problem,) = of_kind(dataset, ProblemKind.BAD_LABEL_NAME)
    assert str(problem).isprintable()
    assert dataset.labels == ("Alpha", "Beta")


def test_a_pipe_that_is_called_like_a_picture_is_not_opened(root: Path) -> None:
    os.mkfifo(root / "Alpha" / "pipe.jpg")
    assert read_dataset(root).ignored_files == 1


def write_boxes(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["image,x1,y1,x2,y2,label", *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("image", ["known/Alpha/000.png", "Alpha/000.png", "./known/../known/Alpha/000.png"])
def test_images_are_named_relative_to_the_csv_or_to_the_label_folders(root: Path, tmp_path: Path, image: str) -> None:
    dataset = read_dataset(root, boxes=write_boxes(tmp_path / "boxes.csv", f"{image},24,18,48,36,Alpha"))
    assert dataset.examples[0].boxes == ((Box(0.25, 0.25, 0.25, 0.25), "Alpha"),)
    assert all(e.boxes == () for e in dataset.examples[1:])


def test_a_csv_from_elsewhere_still_finds_the_folder_it_names(root: Path, tmp_path: Path) -> None:
    (tmp_path / "else").mkdir()
    path = write_boxes(tmp_path / "else" / "boxes.csv", "known/Alpha/000.png,24,18,48,36,Alpha")
    assert read_dataset(root, boxes=path).examples[0].boxes


def test_boxes_are_relative_to_the_picture_as_displayed(root: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    draw_picture(99, 200, 100).save(root / "Alpha" / "turned.jpg", exif=exif)
    dataset = read_dataset(root, boxes=write_boxes(tmp_path / "b.csv", "known/Alpha/turned.jpg,0,150,50,200,Alpha"))
    (example,) = (e for e in dataset.examples if e.path.name == "turned.jpg")
    assert (example.width, example.height) == (100, 200)
    assert example.boxes == ((Box(0.0, 0.75, 0.5, 0.25), "Alpha"),)


def test_a_picture_may_hold_boxes_of_several_labels_and_doubles_are_merged(root: Path, tmp_path: Path) -> None:
    rows = ["10,10,40,40,Alpha", "11,10,41,40,Alpha", "50,10,90,40,Beta"]
    dataset = read_dataset(root, boxes=write_boxes(tmp_path / "b.csv", *(f"known/Alpha/001.png,{row}" for row in rows)))
    assert [label for _, label in dataset.examples[1].boxes] == ["Alpha", "Beta"]


def test_bad_boxes_are_named_by_their_line_and_the_rest_is_used(root: Path, tmp_path: Path) -> None:
    path = write_boxes(
        tmp_path / "b.csv",
        "known/Alpha/000.png,0,0,50,50,Alpha",
        "known/Alpha/none.png,0,0,50,50,Alpha",
        "known/Alpha/000.png,0,0,50,50,Gamma",
        "known/Alpha/001.png,500,500,600,600,Alpha",
        "known/Alpha/002.png,60,0,120,50,Alpha",
        "known/Alpha/003.png,here,0,120,50,Alpha",
    )
    dataset = read_dataset(root, boxes=path)
    assert {(p.kind, p.what) for p in dataset.problems if p.what.startswith("b.csv")} == {
        (ProblemKind.BOX_OF_UNKNOWN_IMAGE, "b.csv line 3"),
        (ProblemKind.BOX_OF_UNKNOWN_LABEL, "b.csv line 4"),
        (ProblemKind.BOX_OUTSIDE, "b.csv line 5"),
        (ProblemKind.BOX_CLIPPED, "b.csv line 6"),
        (ProblemKind.MALFORMED_ROW, "b.csv line 7"),
    }
    assert [len(e.boxes) for e in dataset.of_label("Alpha")] == [1, 0, 1, 0, 0, 0]


def test_boxes_of_unknown_logos_may_carry_any_label(root: Path, tmp_path: Path) -> None:
    write_pictures(tmp_path / "unknown", [30, 31])
    path = write_boxes(tmp_path / "u.csv", "unknown/030.png,0,0,48,36,whatever", "031.png,0,0,48,36,unknown")
    dataset = read_dataset(root, unknown=[tmp_path / "unknown"], unknown_boxes=path)
    assert [e.boxes for e in dataset.of_kind("unknown")] == [
        ((Box(0, 0, 0.5, 0.5), "whatever"),),
        ((Box(0, 0, 0.5, 0.5), "unknown"),),
    ]


def test_a_symbolic_link_to_a_picture_in_two_labels_is_an_example_of_both_with_its_boxes(
    root: Path, tmp_path: Path
) -> None:
    (root / "Beta" / "both.png").symlink_to(root / "Alpha" / "000.png")
    dataset = read_dataset(root, boxes=write_boxes(tmp_path / "b.csv", "known/Alpha/000.png,0,0,48,36,Alpha"))
    boxed = [e for e in dataset.examples if e.boxes]
    assert [e.label for e in boxed] == ["Alpha", "Beta"]
    assert boxed[0].group == boxed[1].group


def test_the_digest_follows_the_content_and_not_the_place(root: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(root, moved)
    assert read_dataset(moved).digest() == read_dataset(root).digest()
    (moved / "Alpha" / "000.png").unlink()
    assert read_dataset(moved).digest() != read_dataset(root).digest()
