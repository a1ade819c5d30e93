"""The model file: what goes in comes out, and whatever else lies there is one clear error."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save, save_file
from tiny import EMBEDDING, LABELS, tiny_model, write_tiny_model

from streamfilter.errors import ModelError
from streamfilter.model import Model, Thresholds, load_model, model_info, save_model

Header = dict[str, Any]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "whole.safetensors").read_bytes()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged") / "model.safetensors"


def split_file(data: bytes) -> tuple[dict[str, Any], Header, bytes]:
    """The table of tensors, streamfilter's own header, and the tensors' bytes."""
    length = int.from_bytes(data[:8], "little")
    table = json.loads(data[8 : 8 + length])
    return table, json.loads(table["__metadata__"]["streamfilter"]), data[8 + length :]


def with_header(data: bytes, header: object) -> bytes:
    """The same file with another header; a string stands there as it is."""
    table, _, body = split_file(data)
    table["__metadata__"]["streamfilter"] = header if isinstance(header, str) else json.dumps(header)
    text = json.dumps(table).encode()
    return len(text).to_bytes(8, "little") + text + body


def with_tensors(data: bytes, change: Callable[[dict[str, torch.Tensor]], object]) -> bytes:
    """The same file with other tensors."""
    tensors = load(data)
    change(tensors)
    return save(tensors, split_file(data)[0]["__metadata__"])


def refusal(path: Path, data: bytes | None = None) -> str:
    """The one line with which a file is refused."""
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ModelError) as caught:
        load_model(path)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


def outputs(model: Model) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    with torch.inference_mode():
        return model.network(torch.rand((1, 3, 64, 96), generator=generator) * 255).logits  # type: ignore[no-any-return]


@pytest.mark.parametrize(("weights", "step"), [("float16", 2.0**-11), ("int8", 1 / 254)])
def test_a_model_comes_back_within_the_error_of_its_weights(tmp_path: Path, weights: Any, step: float) -> None:
    path, model = tmp_path / "m.safetensors", tiny_model(("Café Ü", "星", "a/b, 'c'"))
    digest = save_model(model, path, weights=weights)
    back = load_model(path)
    assert (back.labels, back.short_side, back.thresholds) == (model.labels, 64, model.thresholds)
    assert (back.provenance, back.digest) == (model.provenance, digest)
    assert back.network.shape == model.network.shape
    assert not back.network.training
    for name in ("means", "whitening", "quantiles"):
        assert torch.equal(getattr(back.statistics, name), getattr(model.statistics, name))
    written = model.network.state_dict()
    for name, tensor in back.network.state_dict().items():
        if tensor.dim() == 4:
            largest = written[name].abs().amax(dim=(1, 2, 3), keepdim=True)
            assert ((tensor - written[name]).abs() <= largest * step * 1.001).all(), name
        else:
            assert torch.equal(tensor, written[name]), name
    assert (outputs(back) - outputs(model)).abs().mean() < 0.05 * outputs(model).std()


def test_the_same_model_is_the_same_file(tmp_path: Path) -> None:
    paths = [write_tiny_model(tmp_path / name) for name in ("a", "b")]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_an_unused_distance_threshold_survives(tmp_path: Path) -> None:
    model = tiny_model(thresholds=Thresholds())
    save_model(model, tmp_path / "m", weights="int8")
    assert load_model(tmp_path / "m").thresholds == Thresholds()


def test_info_tells_what_the_file_says_without_its_weights(place: Path, whole: bytes) -> None:
    place.write_bytes(whole)
    facts = model_info(place)
    assert facts["labels"] == list(LABELS)
    assert facts["network"] == {"architecture": "resnet18", "labels": 2, "reduced": 8, "embedding": EMBEDDING}
    assert facts["preprocessing"]["short_side"] == 64
    assert facts["thresholds"]["mahalanobis"] == 7.5
    assert facts["weights"] == "int8"


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    assert "streamfilter train" in refusal(tmp_path / "none.safetensors")
    assert "no model file" in refusal(tmp_path)


def test_a_name_that_no_file_can_have_is_one_error(tmp_path: Path) -> None:
    refusal(tmp_path / ("x" * 5000))


@pytest.mark.parametrize("share", [0.0, 1e-7, 1e-4, 0.3, 0.999999])
def test_a_truncated_file_is_refused_by_info_too(place: Path, whole: bytes, share: float) -> None:
    message = refusal(place, whole[: int(len(whole) * share)])
    assert "not a whole .safetensors file" in message
    with pytest.raises(ModelError, match="not a whole"):
        model_info(place)


def test_a_foreign_safetensors_file_is_named_as_such(place: Path) -> None:
    save_file({"conv1.weight": torch.zeros(2, 2)}, place)
    assert "not a streamfilter model" in refusal(place)


def test_a_newer_file_asks_for_an_upgrade(place: Path, whole: bytes) -> None:
    header = split_file(whole)[1] | {"format_version": 3, "labels": "another thing altogether"}
    assert "format version 3" in refusal(place, with_header(whole, header))
    assert "upgrade" in refusal(place)


def test_a_pickle_is_refused_and_never_run(place: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, tuple[object, ...]]:
            return Path.write_text, (tmp_path / "sprung", "")

    refusal(place, pickle.dumps(Trap()))
    torch.save({"a": torch.zeros(1)}, place)
    refusal(place)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda h: h["labels"].append("Third"), "3 names"),
        (lambda h: h["labels"].clear(), "labels"),
        (lambda h: h["labels"].__setitem__(0, h["labels"][1]), "twice"),
        (lambda h: h["labels"].__setitem__(0, 7), "labels"),
        (lambda h: h["network"].update(architecture="vit_b_16"), "vit_b_16"),
        (lambda h: h["network"].update(architecture="get_model"), "get_model"),
        (lambda h: h["network"].update(architecture="resnet50"), "weights"),
        (lambda h: h["network"].update(embedding=10**12), "expected"),
        (lambda h: h["network"].update(reduced=10**30), "damaged"),
        (lambda h: h["network"].update(reduced=0), "reduced=0"),
        (lambda h: h["network"].update(embedding=12.0), "embedding=12.0"),
        (lambda h: h["network"].update(depth=3), "depth"),
        (lambda h: h["preprocessing"].update(short_side=10**9), "short_side"),
        (lambda h: h["preprocessing"].update(order="BGR"), "BGR"),
        (lambda h: h["preprocessing"].pop("mean"), "mean"),
        (lambda h: h["thresholds"].update(temperature=0), "temperature"),
        (lambda h: h["thresholds"].update(temperature=float("nan")), "temperature"),
        (lambda h: h["thresholds"].update(max_softmax="high"), "damaged"),
        (lambda h: h["thresholds"].update(mahalanobis=float("nan")), "distance"),
        (lambda h: h.pop("provenance"), "provenance"),
        (lambda h: h.update(format_version=True), "header"),
        (lambda h: h.update(format_version=0), "header"),
        (lambda h: h.update(format_version=1e999), "header"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(
    place: Path, whole: bytes, change: Callable[[Header], object], word: str
) -> None:
    header = split_file(whole)[1]
    change(header)
    assert word in refusal(place, with_header(whole, header))


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '"format_version"', "[" * 100_000, "null"])
def test_a_header_that_is_no_object_is_refused(place: Path, whole: bytes, text: str) -> None:
    assert "damaged header" in refusal(place, with_header(whole, text))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda t: t.pop("layer4.0.conv1.weight"), "layer4.0.conv1.weight is missing"),
        (lambda t: t.pop("statistics.whitening"), "statistics.whitening"),
        (lambda t: t.update(extra=torch.zeros(1)), "extra is of no use"),
        (lambda t: t.update({"head.bias": torch.zeros(4)}), "head.bias is (4,)"),
        (lambda t: t.update({"head.bias": torch.full((3,), float("nan"))}), "not finite"),
        (lambda t: t.update({"head.bias": torch.zeros(3, dtype=torch.int64)}), "int64"),
        (lambda t: t.update({"head.weight.scale": torch.zeros(1)}), "damaged"),
        (lambda t: t.update({"statistics.means": torch.zeros(3, EMBEDDING)}), "means is (3, 12)"),
        (lambda t: t.update({"statistics.quantiles": torch.full((2, 101), float("inf"))}), "quantiles"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    place: Path, whole: bytes, change: Callable[[dict[str, torch.Tensor]], object], word: str
) -> None:
    assert word in refusal(place, with_tensors(whole, change))


def loads_or_is_refused(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    message = ""
    try:
        load_model(path)
    except ModelError as error:
        message = str(error)
    assert "\n" not in message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=40, deadline=None)
@given(choice=st.randoms(use_true_random=False), value=JSON)
def test_any_value_anywhere_in_the_header_loads_or_is_refused(
    place: Path, whole: bytes, choice: Any, value: object
) -> None:
    header = split_file(whole)[1]
    inside: Any = header
    key = choice.choice(list(inside))
    while isinstance(inside[key], dict) and inside[key] and choice.random() < 0.8:
        inside = inside[key]
        key = choice.choice(list(inside))
    inside[key] = value
    loads_or_is_refused(place, with_header(whole, header))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_flipped_bytes_in_the_table_load_or_are_refused(place: Path, whole: bytes, data: st.DataObject) -> None:
    end = 8 + int.from_bytes(whole[:8], "little")
    flipped = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        flipped[data.draw(st.integers(0, end - 1))] = data.draw(st.integers(0, 255))
    loads_or_is_refused(place, bytes(flipped))


def test_a_model_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_tiny_model(tmp_path / "m.safetensors")
    before = path.read_bytes()
    write = Path.write_bytes

    def fill_the_disk(self: Path, data: bytes) -> int:
        write(self, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill_the_disk)
    with pytest.raises(ModelError, match=r"m\.safetensors: No space left on device"):
        save_model(tiny_model(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_model_in_a_folder_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot write model"):
        save_model(tiny_model(), tmp_path / "none" / "m.safetensors")
