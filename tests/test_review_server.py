"""The review server: what it answers, to whom, and which files it shows."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from media import read_stamp, regular_times, stamped_clip
from reviewed import ask, clip_and_log, decide, event, event_id, opened, origin, serving, write_log

from streamfilter.errors import SinkError
from streamfilter.eventlog import read_amendments, review_path
from streamfilter.review import Address, page_url
from streamfilter.source.opening import fingerprint

FOREIGN = "http://evil.example"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_and_log(tmp_path_factory.mktemp("review"))


@pytest.fixture(scope="module")
def url(log: Path) -> Iterator[str]:
    with serving(log) as address:
        yield address


def first_key(log: Path) -> str:
    return event_id(f"{log.with_name('clip.mp4')} 0.5")


def stamp(data: bytes) -> float:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return read_stamp(np.asarray(picture, np.uint8))


def test_the_address_is_loopback_and_needs_no_token(url: str) -> None:
    assert urlsplit(url).hostname == "127.0.0.1"
    assert urlsplit(url).query == ""


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "192.0.2.7", "", "[::1", "localhost.evil"])
def test_a_request_under_another_name_is_refused(url: str, name: str) -> None:
    assert ask(url, "/api/library", Host=f"{name}:{urlsplit(url).port}").status in (400, 403)
    assert ask(url, "/", Host=name).status in (400, 403)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_every_name_of_the_loopback_interface_is_taken(url: str, name: str) -> None:
    assert ask(url, "/api/library", Host=f"{name}:9000").status == 200


@pytest.mark.parametrize("headers", [{}, {"Origin": FOREIGN}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"}])
def test_a_decision_from_any_other_origin_is_refused_and_not_written(
    url: str, log: Path, headers: dict[str, str]
) -> None:
    library = ask(url, "/api/library").json()["library"]
    change = {"id": first_key(log), "state": 2}
    body = {"library": library, "changes": [change]}
    assert ask(url, "/api/decide", method="POST", body=body, **headers).status == 403
    assert not review_path(log).exists()


@pytest.mark.parametrize("path", ["/api/library", "/video/0", "/page/main.js", "/thumb/x", "/?token=1"])
def test_other_pages_cannot_embed_or_fetch_anything(url: str, path: str) -> None:
    assert ask(url, path, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors").status == 403
    assert ask(url, path, Sec_Fetch_Site="same-site", Sec_Fetch_Mode="cors").status == 403


def test_a_link_on_another_page_may_lead_here(url: str) -> None:
    assert ask(url, "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status == 200


@pytest.mark.parametrize("path", ["/", "/api/library", "/nothing", "/thumb/x", "/video/0", "/page/style.css"])
def test_every_answer_forbids_what_the_page_does_not_need(url: str, path: str) -> None:
    headers = ask(url, path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "://" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


def test_only_the_pages_own_files_are_served(url: str) -> None:
    assert ask(url, "/page/main.js").status == 200
    for path in ("/page/../app.py", "/page/..%2fapp.py", "/page/%2e%2e/app.py", "/page/app.py", "/app.py", "/page/"):
        assert ask(url, path).status == 404


def test_no_file_of_the_page_names_another_address() -> None:
    folder = Path(__file__).resolve().parent.parent / "streamfilter/review/page"
    texts = {path.name: path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "") for path in folder.iterdir()}
    assert "index.html" in texts
    assert [name for name, text in texts.items() if "://" in text] == []
    assert [name for name, text in texts.items() if "innerHTML" in text or "eval(" in text] == []


def test_ranges_of_the_video_are_answered_exactly(url: str, log: Path) -> None:
    data = log.with_name("clip.mp4").read_bytes()
    whole = ask(url, "/video/0")
    part = ask(url, "/video/0", Range="bytes=100-299")
    tail = ask(url, "/video/0", Range="bytes=-50")
    assert (whole.status, whole.body) == (200, data)
    assert (part.status, part.body) == (206, data[100:300])
    assert (tail.status, tail.body) == (206, data[-50:])
    assert ask(url, "/video/0", Range=f"bytes={len(data)}-").status == 416


def test_a_frame_is_the_one_shown_at_that_time(url: str) -> None:
    for time_s in (0.0, 1.0, 2.36, 5.96):
        assert stamp(ask(url, f"/frame/0?t={time_s}").body) == pytest.approx(time_s, abs=0.001)
    assert stamp(ask(url, "/frame/0?t=99").body) == pytest.approx(5.96, abs=0.001)


@pytest.mark.parametrize("query", ["", "?t=", "?t=nan", "?t=-1", "?t=inf", "?t=1e300", "?t=x"])
def test_a_frame_at_no_time_is_refused(url: str, query: str) -> None:
    assert ask(url, f"/frame/0{query}").status == 400


@pytest.mark.parametrize("path", ["/frame/9?t=1", "/video/9", "/piece/9?start=0&end=1", "/thumb/x", "/api/event/x"])
def test_what_is_not_there_is_not_found(url: str, path: str) -> None:
    assert ask(url, path).status == 404


def test_a_piece_of_a_video_begins_where_it_was_asked_for(url: str, tmp_path: Path) -> None:
    answer = ask(url, "/piece/0?start=2&end=4")
    assert answer.headers["content-type"] == "video/mp4"
    clip = tmp_path / "piece.mp4"
    clip.write_bytes(answer.body)
    capture = cv2.VideoCapture(str(clip))
    stamps = []
    while (found := capture.read())[0]:
        stamps.append(read_stamp(np.asarray(found[1], np.uint8)))
    capture.release()
    assert stamps == pytest.approx([2 + i / 25 for i in range(50)], abs=0.001)


@pytest.mark.parametrize("query", ["start=2&end=2", "start=3&end=2", "start=0&end=1000", "start=0", "end=1"])
def test_a_piece_of_no_or_endless_length_is_refused(url: str, query: str) -> None:
    assert ask(url, f"/piece/0?{query}").status == 400


def test_a_thumbnail_shows_the_event_at_its_best(url: str, log: Path) -> None:
    answer = ask(url, f"/thumb/{first_key(log)}")
    picture = cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_COLOR)
    assert answer.headers["content-type"] == "image/jpeg"
    assert picture is not None
    assert picture.shape == (112, 160, 3)


def test_the_evidence_comes_in_plain_words(url: str, log: Path) -> None:
    facts = ask(url, f"/api/event/{first_key(log)}").json()
    assert "max-softmax 0.98, but farther from the mean than 99.7 % of Solari pictures" in " ".join(facts["words"])
    assert facts["best_s"] == 1.0
    assert facts["track"][0] == [0.5, 0.1, 0.2, 0.2, 0.3, 0.8]


def test_the_library_tells_sources_gaps_and_rejections(url: str) -> None:
    facts = ask(url, "/api/library").json()
    (source,) = facts["sources"]
    assert facts["count"] == 5
    assert facts["labels"] == ["", "Solari", "Trivane"]
    assert source["gaps"] == [[5.5, 5.8, "decode_error"]]
    assert (source["video"], source["playable"]) == (True, True)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"null", b'{"library":1}', b"[" * 100_000, b'{"library":"LIBRARY","changes":7}', b"\xff\xfe"],
)
def test_what_is_no_decision_is_refused(url: str, body: bytes) -> None:
    library = ask(url, "/api/library").json()["library"].encode()
    answer = ask(url, "/api/decide", method="POST", body=body.replace(b"LIBRARY", library), Origin=origin(url))
    assert answer.status in (400, 409)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"state": 9},
        {"state": -1},
        {"state": "1"},
        {"state": 1, "label": "Pepsi"},
        {"state": 3},
        {"state": 3, "label": ""},
        {"state": 3, "label": " Pepsi"},
        {"state": 3, "label": "a\nb"},
        {"state": 3, "label": "\ud800"},
        {"state": 3, "label": "x" * 500},
        {"id": "0" * 24, "state": 1},
        {"id": ["x"], "state": 1},
    ],
)
def test_a_decision_that_makes_no_sense_is_refused(url: str, log: Path, change: dict[str, object]) -> None:
    assert decide(url, {"id": first_key(log)} | change).status == 400
    assert not review_path(log).exists()


def test_decisions_about_other_logs_are_refused(url: str, log: Path) -> None:
    body = {"library": "x", "changes": [{"id": first_key(log), "state": 1}]}
    assert ask(url, "/api/decide", method="POST", body=body, Origin=origin(url)).status == 409


def test_a_request_of_many_megabytes_is_refused(url: str) -> None:
    answer = ask(url, "/api/decide", method="POST", body=b"x" * (17 << 20), Origin=origin(url))
    assert answer.status == 413


def test_an_answered_decision_is_in_the_file_and_the_log_is_as_it_was(tmp_path: Path) -> None:
    log = clip_and_log(tmp_path)
    before = log.read_bytes()
    with serving(log) as url:
        assert decide(url, {"id": first_key(log), "state": 3, "label": "Pepsi"}).json() == {"held": 1, "revision": 1}
        (amendment,) = read_amendments(review_path(log))
        news = ask(url, "/api/changes?after=0").json()
    assert (amendment.event_id, amendment.decision, amendment.label) == (first_key(log), "relabelled", "Pepsi")
    assert news["changes"] == [[first_key(log), 3, "Pepsi"]]
    assert log.read_bytes() == before


def test_no_file_is_shown_that_is_none_of_the_videos_in_the_given_folders(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    secret = stamped_clip(outside / "secret.mp4", regular_times(5))
    shutil.copy(secret, inside / "other.mp4")
    (inside / "link.mp4").symlink_to(secret)
    (inside / "notes.txt").write_text("secret")
    names = [
        str(secret),
        "../outside/secret.mp4",
        "link.mp4",
        "notes.txt",
        "/etc/passwd",
        "../../../../../../etc/passwd",
        "rtsp://camera/live",
        "a\0b.mp4",
        "x" * 5000 + ".mp4",
        "",
        ".",
    ]
    wrong = opened("other.mp4", digest="f" * 64)
    log = write_log(inside / "events.jsonl", [*(event(name, 0.0, 0.1) for name in names), wrong])
    with serving(log) as url:
        sources = ask(url, "/api/library").json()["sources"]
        assert [source["name"] for source in sources if source["video"]] == []
        for number in range(len(sources)):
            for path in (f"/video/{number}", f"/frame/{number}?t=0", f"/piece/{number}?start=0&end=1"):
                assert ask(url, path).status == 404
        for source in sources:
            assert source["why"]


def test_a_video_is_found_by_its_name_in_a_folder_that_was_given(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "moved").mkdir()
    clip = stamped_clip(tmp_path / "moved" / "clip.mp4", regular_times(5))
    name = "/somewhere/else/clip.mp4"
    log = write_log(
        tmp_path / "logs/events.jsonl", [opened(name, digest=fingerprint(str(clip))), event(name, 0.0, 0.1)]
    )
    with serving(log, videos=[tmp_path / "moved"]) as url:
        assert ask(url, "/video/0").body == clip.read_bytes()


def test_a_hostile_log_comes_through_as_data(tmp_path: Path) -> None:
    label = "<img src=x onerror=alert(1)>\u202e\n\ud800\"'"
    log = write_log(tmp_path / "events.jsonl", [event("<b>\r\n", 0.0, 1.0, label=label, event_id="../../<x>")])
    with serving(log) as url:
        library = ask(url, "/api/library")
        columns = ask(url, "/api/events").body
        assert library.json()["labels"] == ["", label, "Solari", "Trivane"]
        key = columns[-12:].hex()
        assert ask(url, f"/api/event/{key}").status == 200
        assert decide(url, {"id": key, "state": 1}).status == 200
    (amendment,) = read_amendments(review_path(log))
    assert amendment.event_id == "../../<x>"


def test_another_address_asks_for_the_token_that_is_in_the_url(tmp_path: Path) -> None:
    log = clip_and_log(tmp_path)
    with serving(log, address=Address("0.0.0.0", 0)) as url:
        port, token = urlsplit(url).port, urlsplit(url).query.removeprefix("token=")
        assert len(token) >= 24
        local = f"http://127.0.0.1:{port}/"
        assert ask(local, "/").status == 403
        assert ask(local, "/?token=wrong").status == 403
        assert ask(local, f"/api/library?token={token}").status == 403
        invited = ask(local, f"/?token={token}")
        cookie = invited.headers["set-cookie"]
        assert invited.status == 200
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        named = {"Cookie": cookie.partition(";")[0]}
        assert ask(local, "/api/library", **named).status == 200
        assert ask(local, "/api/library", Host="evil.example", **named).status == 403
        assert ask(local, "/api/library", Cookie=f"streamfilter-{port}=wrong").status == 403


def test_the_url_names_an_address_that_can_be_opened() -> None:
    assert page_url("127.0.0.1", 80, None) == "http://127.0.0.1:80/"
    assert page_url("::1", 80, None) == "http://[::1]:80/"
    assert page_url("10.0.0.7", 80, "t") == "http://10.0.0.7:80/?token=t"
    assert page_url("0.0.0.0", 80, "t") == f"http://{os.uname().nodename}:80/?token=t"


def test_a_port_that_is_taken_is_one_clear_error(url: str, log: Path) -> None:
    from streamfilter.review import read_library, serve

    taken = Address(port=urlsplit(url).port)
    with pytest.raises(SinkError, match=r"cannot listen on 127.0.0.1 port \d+: .*; give another --port"):
        serve(read_library([log]), folders=[], address=taken, started=print, should_stop=lambda: True)
