"""What decisions teach, and the pictures that come of it."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from fakes import LABELS, STRANGER, color_clip
from reviewed import ask, decide, event, event_id, opened, origin, serving, write_log

from streamfilter.cli.main import exit_code
from streamfilter.errors import DatasetError, SourceError
from streamfilter.eventlog import Amendment, Decision, append_amendments, review_path
from streamfilter.likeness import encode_likeness
from streamfilter.review.boxes import BoxLine, replace_boxes
from streamfilter.review.harvest import cut
from streamfilter.review.lessons import folder_name, lessons, shots_of
from streamfilter.review.library import event_key, read_library
from streamfilter.source.opening import fingerprint
from streamfilter.training.dataset import read_dataset
from streamfilter.training.duplicates import shot_of
from streamfilter.training.split import split
from streamfilter.types import Box

SPANS = [(0.5, 2.5, "Red"), (3.0, 4.0, "Red"), (8.0, 10.0, "Green"), (14.0, 16.0, "Green"), (17.0, 19.0, "Red")]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The second square that the log calls Green is blue."""
    colors = {**LABELS, "Green": STRANGER}
    shows = [(start_s, end_s, LABELS["Green"] if start_s == 8.0 else colors[label]) for start_s, end_s, label in SPANS]
    return color_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", shows, seconds=20, rate_hz=10)


def square_at(time_s: float) -> list[float]:
    """Where `color_clip` draws its square."""
    return [(10 + round(15 * time_s) % 80) / 160, 0.25, 60 / 160, 0.5]


def logged(clip: Path, folder: Path) -> Path:
    """A log of the squares in the clip, with a track that follows them."""
    source = str(clip)
    events = []
    for start_s, end_s, label in SPANS:
        times = np.arange(start_s, end_s, 0.1).round(3)
        track = [{"time_s": float(t), "box": square_at(float(t)), "score": 0.9} for t in times]
        events.append(event(source, start_s, end_s, label=label, track=track))
    return write_log(folder / "events.jsonl", [opened(source, digest=fingerprint(source), duration_s=20.0), *events])


def key(clip: Path, number: int) -> str:
    return event_id(f"{clip} {SPANS[number][0]}")


def say(log: Path, clip: Path, *decisions: tuple[int, Decision, str | None]) -> None:
    wanted = [Amendment(key(clip, number), decision, label) for number, decision, label in decisions]
    append_amendments(review_path(log), wanted)


def learn(log: Path, data: Path, clip: Path, *more: str) -> int:
    return exit_code(["learn", str(log), "--data", str(data), "--videos", str(clip.parent), *more])


def pictures(data: Path) -> dict[str, int]:
    """How many pictures there are, by folder."""
    folders = sorted({path.parent for path in data.rglob("*.jpg")})
    return {folder.relative_to(data).as_posix(): len(list(folder.glob("*.jpg"))) for folder in folders}


def box_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_accepted_renamed_and_rejected_events_become_what_training_reads(clip: Path, tmp_path: Path) -> None:
    log, data = logged(clip, tmp_path), tmp_path / "data"
    say(
        log, clip, (0, Decision.ACCEPTED, None), (2, Decision.RELABELLED, "Pepsi & Söhne"), (3, Decision.REJECTED, None)
    )
    assert learn(log, data, clip, "--per-event", "4") == 0
    assert pictures(data) == {
        "known/Pepsi & Söhne": 4,
        "known/Red": 4,
        "negatives/review": 2,
        "unknown/not Green": 4,
    }
    dataset = read_dataset(
        data / "known",
        boxes=data / "boxes.csv",
        negatives=[data / "negatives"],
        unknown=[data / "unknown"],
        unknown_boxes=data / "unknown_boxes.csv",
    )
    assert dataset.labels == ("Pepsi & Söhne", "Red")
    assert [len(one.boxes) for one in dataset.examples if one.kind != "negative"] == [1] * 12
    assert [one.label for one in dataset.of_kind("unknown")] == [None] * 4


def test_the_box_of_a_crop_is_on_the_logo(clip: Path, tmp_path: Path) -> None:
    log, data = logged(clip, tmp_path), tmp_path / "data"
    say(log, clip, (0, Decision.ACCEPTED, None))
    learn(log, data, clip)
    rows = box_rows(data / "boxes.csv")
    assert len(rows) == 6
    for row in rows:
        picture = cv2.cvtColor(cv2.imread(str(data / row["image"])), cv2.COLOR_BGR2RGB).astype(int)
        near = np.abs(picture - LABELS["Red"]).max(axis=2) < 60
        ys, xs = np.nonzero(near)
        drawn = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        assert [float(row[name]) for name in ("x1", "y1", "x2", "y2")] == pytest.approx(drawn, abs=4)


def test_open_skipped_and_undone_events_teach_nothing(
    clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log, data = logged(clip, tmp_path), tmp_path / "data"
    say(log, clip, (0, Decision.SKIPPED, None), (1, Decision.ACCEPTED, None), (1, Decision.UNDONE, None))
    assert learn(log, data, clip) == 0
    assert not data.exists()
    assert "no decision in these reviews teaches anything yet" in capfd.readouterr().err


def test_a_frame_with_anything_else_in_it_is_no_negative(clip: Path, tmp_path: Path) -> None:
    log = logged(clip, tmp_path)
    say(log, clip, (1, Decision.REJECTED, None))
    kinds = {lesson.kind for lesson in lessons(read_library([log]))}
    assert kinds == {"unknown"}, "event 0, which nobody has judged, ends half a second before"
    say(log, clip, (0, Decision.REJECTED, None))
    assert {lesson.kind for lesson in lessons(read_library([log]))} == {"unknown", "negatives"}


def test_learning_again_follows_what_was_decided_since(clip: Path, tmp_path: Path) -> None:
    log, data = logged(clip, tmp_path), tmp_path / "data"
    say(log, clip, (0, Decision.ACCEPTED, None), (2, Decision.ACCEPTED, None))
    learn(log, data, clip)
    first = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    learn(log, data, clip)
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == first
    say(log, clip, (0, Decision.RELABELLED, "Blue"), (2, Decision.UNDONE, None))
    assert learn(review_path(log), data, clip) == 0
    assert pictures(data) == {"known/Blue": 6}
    assert {row["label"] for row in box_rows(data / "boxes.csv")} == {"Blue"}


def test_rows_and_pictures_of_others_stay_as_they_are(clip: Path, tmp_path: Path) -> None:
    log, data = logged(clip, tmp_path), tmp_path / "data"
    (data / "known/Red").mkdir(parents=True)
    (data / "known/Red/mine.jpg").write_bytes(b"mine")
    (data / "boxes.csv").write_text("label,image,x1,y1,x2,y2,by\nRed,known/Red/mine.jpg,1,2,3,4,Ann\n", "utf-8")
    say(log, clip, (0, Decision.ACCEPTED, None))
    learn(log, data, clip)
    rows = box_rows(data / "boxes.csv")
    assert rows[0] == {
        "label": "Red",
        "image": "known/Red/mine.jpg",
        "x1": "1",
        "y1": "2",
        "x2": "3",
        "y2": "4",
        "by": "Ann",
    }
    assert len(rows) == 7
    assert (data / "known/Red/mine.jpg").read_bytes() == b"mine"


def test_a_box_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text("image,left,top\n", "utf-8")
    with pytest.raises(DatasetError, match="lacks a column: expected image,x1,y1,x2,y2,label"):
        replace_boxes(path, [BoxLine("a.jpg", (0.0, 0.0, 1.0, 1.0), "Red")], set())
    assert path.read_text("utf-8") == "image,left,top\n"


def test_nothing_learned_for_want_of_the_video_is_an_error_that_says_where_to_look(
    clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log, data = logged(clip, tmp_path), tmp_path / "data"
    say(log, clip, (0, Decision.ACCEPTED, None))
    assert exit_code(["learn", str(log), "--data", str(data), "-q"]) == SourceError.exit_code
    (line,) = capfd.readouterr().err.splitlines()
    assert "nothing from" in line
    assert "--videos" in line
    assert pictures(data) == {}


def test_pictures_of_one_shot_are_never_on_both_sides_of_a_split(clip: Path, tmp_path: Path) -> None:
    log, data = logged(clip, tmp_path), tmp_path / "data"
    say(log, clip, *((number, Decision.ACCEPTED, None) for number in range(5)))
    learn(log, data, clip)
    dataset = read_dataset(data / "known", boxes=data / "boxes.csv")
    for seed in range(20):
        parts = split(dataset, validation=0.3, seed=seed)
        sides = [{shot_of(example.path.name) for example in part.examples} for part in parts]
        assert None not in sides[0] | sides[1]
        assert sides[0] & sides[1] == set()
        assert len(sides[0] | sides[1]) == 3


def test_events_that_are_near_in_time_are_one_shot(clip: Path, tmp_path: Path) -> None:
    entries = read_library([logged(clip, tmp_path)]).entries
    assert shots_of(entries) == [key(clip, number) for number in (0, 0, 2, 3, 3)]


def test_a_logo_that_stays_for_hours_does_not_join_all_that_happens_meanwhile(tmp_path: Path) -> None:
    events = [
        event("a", 0.0, 7200.0),
        *(event("a", 30.0 * n, 30.0 * n + 1, event_id=event_id(str(n))) for n in range(1, 9)),
    ]
    entries = read_library([write_log(tmp_path / "events.jsonl", events)]).entries
    assert len(set(shots_of(entries))) == 7


@pytest.mark.parametrize(
    ("label", "is_kept"),
    [
        ("Coca-Cola", True),
        ("AT&T", True),
        ("Söhne & Co. 2", True),
        ("../up", False),
        ("a/b", False),
        ("..", False),
        (".hidden", False),
        ("", False),
        ("a\nb", False),
        ("\u202eevil", False),
        ("x" * 300, False),
        (" x", False),
    ],
)
def test_a_label_is_its_folder_unless_that_is_no_name_for_one(label: str, is_kept: bool) -> None:
    name = folder_name(label)
    assert (name == label) == is_kept
    assert name
    assert "/" not in name
    assert name not in (".", "..")
    assert not name.startswith(".")


def test_labels_that_differ_have_folders_that_differ() -> None:
    labels = ["a/b", "a\\b", "a-b", "a b", "../a", "a\n", "x" * 300, "x" * 301]
    assert len({folder_name(label) for label in labels}) == len(labels)


@pytest.mark.parametrize(
    "box", [Box(0, 0, 0.1, 0.1), Box(0.9, 0.9, 0.1, 0.1), Box(0, 0, 1, 1), Box(0.4, 0.4, 0.2, 0.3)]
)
def test_a_crop_holds_its_box_and_as_much_around_it_as_there_is(box: Box) -> None:
    rows, columns = np.mgrid[0:200, 0:300]
    picture = np.stack([columns % 256, rows, columns // 256], axis=2).astype(np.uint8)
    crop, inner = cut(picture, box)
    top, left = (round(inner.y * crop.shape[0]), round(inner.x * crop.shape[1]))
    corner = crop[min(top, crop.shape[0] - 1), min(left, crop.shape[1] - 1)]
    assert (int(corner[0]) + 256 * int(corner[2]), int(corner[1])) == pytest.approx(
        (box.x * 300, box.y * 200), abs=1.01
    )
    assert inner.width * crop.shape[1] == pytest.approx(box.width * 300)
    assert crop.shape[1] <= min(300, box.width * 300 * 3 + 2)


def test_unknown_regions_are_clustered_and_a_name_takes_their_pictures(clip: Path, tmp_path: Path) -> None:
    log = logged(clip, tmp_path)
    records = log.read_text("utf-8").splitlines()
    here, there = encode_likeness(np.array([1.0, 0.1])), encode_likeness(np.array([0.0, 1.0]))
    looks = iter([here, there, here, there, here])
    unknown = [
        line.replace('"label":"Red"', f'"label":null,"likeness":"{like}"').replace(
            '"label":"Green"', f'"label":null,"likeness":"{like}"'
        )
        for line in records[2:]
        for like in [next(looks)]
    ]
    log.write_text("\n".join([*records[:2], *unknown]) + "\n", "utf-8")
    data = tmp_path / "data"
    with serving(log, videos=[clip.parent], data=data) as url:
        groups = ask(url, "/api/clusters").json()["clusters"]
        assert groups == [[key(clip, n) for n in (0, 2, 4)], [key(clip, n) for n in (1, 3)]]
        decide(url, *({"id": one, "state": 3, "label": "Blue"} for one in groups[1]))
        library = ask(url, "/api/library").json()
        body = {"library": library["library"], "ids": groups[1]}
        answer = ask(url, "/api/collect", method="POST", body=body, Origin=origin(url))
        assert library["collects"] is True
        assert answer.json()["pictures"] == 12
        bad = {"library": library["library"], "ids": ["x"]}
        assert ask(url, "/api/collect", method="POST", body=bad, Origin=origin(url)).status == 400
        assert ask(url, "/api/collect", method="POST", body=body).status == 403
    assert pictures(data) == {"known/Blue": 12}
    assert {row["label"] for row in box_rows(data / "boxes.csv")} == {"Blue"}
    assert event_key(groups[0][0]) == groups[0][0]


def test_pictures_of_one_shot_share_a_group_but_do_not_count_as_copies(tmp_path: Path) -> None:
    shot, other = "a" * 24, "b" * 24
    names = {
        "known/Red": [f"shot-{shot}-{'1' * 24}-0.jpg", f"shot-{other}-{'2' * 24}-0.jpg", "mine.jpg"],
        "unknown/x": [f"shot-{shot}-{'3' * 24}-0.jpg", "shot-of-mine.jpg"],
    }
    rng = np.random.default_rng(1)
    for folder, files in names.items():
        (tmp_path / folder).mkdir(parents=True)
        for name in files:
            small = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
            cv2.imwrite(str(tmp_path / folder / name), cv2.resize(small, (96, 96), interpolation=cv2.INTER_CUBIC))
    examples = read_dataset(tmp_path / "known", unknown=[tmp_path / "unknown"]).examples
    groups = {example.path.name: example.group for example in examples}
    assert len(groups) == 5, "nothing was left out as a copy of a label's picture"
    assert groups[names["known/Red"][0]] == groups[names["unknown/x"][0]]
    assert len(set(groups.values())) == 4
