"""Jobs: what is asked, what a chunk writes, and what is refused; expected values are whole explanations."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scale_jobs import Given, contents, explained, files, in_batches, network, samples
from threadpoolctl import threadpool_info

import lrp_ref as lrp
from lrp_ref.errors import BackendError, ModelFormatError, ParameterError, ShapeError
from lrp_ref.propagation import composites
from lrp_ref.scale import Job, Labels, ModelFile, job, run
from lrp_ref.scale.jobs import explaining, models
from lrp_ref.scale.running import store_of

MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files(tmp_path, network(), samples(10))
    return tmp_path


def made(folder: Path, **asked: Any) -> Job:
    return job(folder / "net.npz", folder / "x.npy", **{"composite": "epsilon_plus", "batch": 4, **asked})


def sent(asked: Job) -> Job:
    """Return a job as a worker gets it."""
    found: Job = pickle.loads(pickle.dumps(asked))  # noqa: S301 - of our own making
    return found


def done(asked: Job, out: Path) -> Any:
    """Return the store of a job whose chunks are done in no order."""
    store = store_of(asked, out)
    for i in reversed(asked.chunks()):
        asked.run_chunk(i, store)
    return store


# -- what a chunk writes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("batch", "together"), [(1, 1), (4, 1), (3, 2), (16, 1)])
def test_rows_are_those_of_explaining_each_batch(folder: Path, batch: int, together: int) -> None:
    store = done(made(folder, batch=batch, together=together), folder / "out")
    expected = in_batches(network(), samples(10), batch, composite="epsilon_plus")
    for name, array in expected.items():
        np.testing.assert_array_equal(store[name], array, err_msg=name)
    assert store.states().tolist() == [1] * -(-10 // (batch * together))


@pytest.mark.parametrize(
    ("asked", "same"),
    [
        ({"target": 2}, {"target": 2}),
        ({"target": ((0, 2),)}, {"target": ((0, 2),)}),
        ({"target": np.int64(1), "start": "one_hot"}, {"target": 1, "start": "one_hot"}),
        ({"target": 1, "start": "difference", "against": 0}, {"target": 1, "start": lrp.start.Difference(0)}),
        ({"start": lrp.start.Reference(0.5)}, {"start": lrp.start.Reference(0.5)}),
        ({"start": "positive"}, {"start": "positive"}),
        ({"epsilon": 0.25}, {"epsilon": 0.25}),
        ({"composite": lrp.rules.Flat()}, {"composite": lrp.rules.Flat()}),
    ],
)
def test_the_question_is_that_of_explain(folder: Path, asked: dict[str, Any], same: dict[str, Any]) -> None:
    store = done(made(folder, **asked), folder / "out")
    expected = lrp.explain(network(), samples(10), **{"composite": "epsilon_plus", **same})
    np.testing.assert_allclose(store["relevance"], expected.relevance, atol=1e-5 * np.abs(expected.relevance).max())
    np.testing.assert_array_equal(store["target"].reshape(10, -1), expected.target)


def test_each_sample_has_its_label(folder: Path) -> None:
    targets = np.array([2, 0, 1, 1, 0, 2, 2, 1, 0, 0], np.uint8)
    np.save(folder / "labels.npy", targets)
    store = done(made(folder, target=Labels.of(folder / "labels.npy")), folder / "out")
    expected = lrp.explain(network(), samples(10), target=targets.astype(int), composite="epsilon_plus")
    np.testing.assert_allclose(store["relevance"], expected.relevance, atol=1e-5 * np.abs(expected.relevance).max())
    np.testing.assert_array_equal(store["target"], targets)


def test_channels_of_values_are_their_sum_largest_number_and_its_place(folder: Path) -> None:
    store = done(made(folder, at=["relu", "fc"]), folder / "out")
    at = lrp.explain(network(), samples(10), composite="epsilon_plus", trace=True).trace.relevance
    flat = at["relu"].reshape(10, 3, -1)
    for name, expected in (("sum", flat.sum(2)), ("max", flat.max(2))):
        np.testing.assert_allclose(store[f"channels_0_{name}"], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(store["channels_0_position"], flat.argmax(2))
    np.testing.assert_allclose(store["channels_1_sum"], at["fc"], rtol=1e-5)


def test_a_chunk_done_again_writes_equal_bytes(folder: Path) -> None:
    asked = made(folder)
    before = contents(done(asked, folder / "out").path)
    for i in asked.chunks():
        sent(asked).run_chunk(i, store_of(asked, folder / "out"))
    assert contents(folder / "out") == before


def test_a_chunk_that_could_not_be_written_is_not_marked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = made(folder)
    store = store_of(asked, folder / "out")

    def full(part: slice, arrays: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "write", full)
    with pytest.raises(OSError, match="No space"):
        asked.run_chunk(0, store)
    assert asked.todo(store) == [0, 1, 2]
    assert store.errors() == {}


def test_the_blas_has_as_many_threads_as_are_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = explaining.explain

    def watched(*given: Any, **asked: Any) -> Any:
        seen.append({one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"})
        return real(*given, **asked)

    monkeypatch.setattr(explaining, "explain", watched)
    done(made(folder, threads=2), folder / "two")
    assert seen
    assert all(threads == {2} for threads in seen)
    assert store_of(made(folder, threads=2), folder / "two").attributes["threads"] == 2


# -- samples that cannot be explained -------------------------------------------------------------------------


def test_a_sample_that_is_not_finite_does_not_take_its_neighbours_along(folder: Path) -> None:
    x = samples(10)
    x[5, 1, 2, 3] = np.nan
    np.save(folder / "x.npy", x)
    store = done(made(folder), folder / "out")
    alone = in_batches(network(), samples(10), 1, composite="epsilon_plus")
    whole = in_batches(network(), samples(10), 4, composite="epsilon_plus")
    for name in alone:  # of the batch 4 to 7 each sample is explained by itself
        expected = np.concatenate([whole[name][:4], alone[name][4:8], whole[name][8:]])
        expected[5] = -1 if name == "target" else np.nan
        np.testing.assert_array_equal(store[name][:4], expected[:4])
        np.testing.assert_array_equal(store[name][8:], expected[8:])
        if name != "target":
            np.testing.assert_array_equal(np.asarray(store[name])[[4, 6, 7]], expected[[4, 6, 7]], err_msg=name)
    assert store.states().tolist() == [1, 2, 1]
    (reasons,) = store.errors().values()
    assert reasons["samples"] == {
        "5": "input 'input' has 1 values that are not finite; the first is nan at (0, 1, 2, 3)"
    }


def test_rows_of_refused_samples_are_empty_in_zarr(folder: Path) -> None:
    pytest.importorskip("zarr")
    source = Given({"input": samples(10)}, {2: "two.png: no picture"}, broken=(9,))
    asked = replace(made(folder, together=2), source=source)
    store = done(asked, folder / "out.zarr")
    expected = in_batches(network(), samples(10), 4, composite="epsilon_plus")
    gone = [2, 8, 9]
    assert np.isnan(store["relevance"][:][gone]).all()
    assert (store["target"][:][gone] == -1).all()
    assert np.isnan(store["ledger"][:][gone]).all()
    np.testing.assert_array_equal(store["relevance"][4:8], expected["relevance"][4:8])
    three = explained(network(), samples(10)[[0, 1, 3]], composite="epsilon_plus")["relevance"]
    np.testing.assert_array_equal(store["relevance"][:][[0, 1, 3]], three)
    assert store.errors()[0]["samples"] == {"2": "two.png: no picture"}
    assert set(store.errors()[1]["samples"].values()) == {"ZeroDivisionError: a codec that is broken"}


def test_a_chunk_that_is_tried_again_with_success_has_no_reasons_left(folder: Path) -> None:
    source = Given({"input": samples(10)}, {2: "gone"})
    asked = replace(made(folder), source=source)
    store = done(asked, folder / "out")
    assert asked.todo(store) == []
    assert asked.todo(store, retry_failed=True) == [0]
    source.refused.clear()
    outcome = asked.run_chunk(0, store)
    assert (outcome.samples, outcome.refused, outcome.reason) == (4, 0, "")
    assert contents(store.path) == contents(done(asked, folder / "other").path)


def test_too_little_memory_is_told_and_no_smaller_batch_is_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = made(folder, batch=3, together=2)
    store = store_of(asked, folder / "out")
    real, sizes = explaining.explain, []

    def small(net: Any, x: Any, **given: Any) -> Any:
        sizes.append(len(x))
        if (x == samples(10)[4]).all(axis=(1, 2, 3)).any():
            raise MemoryError("Unable to allocate 9 GiB")
        return real(net, x, **given)

    monkeypatch.setattr(explaining, "explain", small)
    outcome = asked.run_chunk(0, store)
    assert sizes == [3, 3]
    assert (outcome.samples, outcome.refused) == (6, 3)
    assert outcome.reason.startswith("sample 3: not enough memory to explain 3 samples together")
    np.testing.assert_array_equal(store["target"][:3], in_batches(network(), samples(10), 3)["target"][:3])


def test_relevance_beyond_float16_is_refused_sample_by_sample(folder: Path) -> None:
    x = samples(10)
    x[3] *= 1e5
    np.save(folder / "x.npy", x)
    store = done(made(folder, dtype="float16", composite="lrp0"), folder / "out")
    assert store["relevance"].dtype == np.float16
    (reasons,) = store.errors().values()
    assert list(reasons["samples"]) == ["3"]
    assert "beyond float16" in reasons["samples"]["3"]
    expected = lrp.explain(network(), x[4:8], composite="lrp0").relevance.astype(np.float16)
    np.testing.assert_array_equal(store["relevance"][4:8], expected)


# -- kinds of networks and samples ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of", "asked", "kept", "computed"),
    [
        ("float64", None, "float64", "float64"),
        ("float64", "float32", "float32", "float32"),
        ("float32", "float64", "float64", "float64"),
        ("float32", None, "float32", "float32"),
        ("float64", "float16", "float16", "float32"),
    ],
)
def test_in_which_numbers_is_computed(folder: Path, of: str, asked: str | None, kept: str, computed: str) -> None:
    np.save(folder / "x.npy", samples(10, of))
    store = done(made(folder, dtype=asked), folder / "out")
    expected = explained(network(), samples(10, of)[:4].astype(computed), composite="epsilon_plus")
    assert (store["relevance"].dtype, store["output"].dtype) == (np.dtype(kept), np.dtype(computed))
    np.testing.assert_array_equal(store["relevance"][:4], expected["relevance"].astype(kept))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tokens_are_integers_and_the_network_computes_in_the_type_asked_for(tmp_path: Path, dtype: str) -> None:
    table = np.random.default_rng(3).normal(size=(7, 4)).astype("f4")
    net = lrp.Network.sequential(
        [lrp.layers.Embedding(table), lrp.layers.Flatten(), lrp.layers.Dense(np.ones((12, 2), "f4"))]
    )
    x = np.random.default_rng(4).integers(0, 7, (5, 3))
    files(tmp_path, net, x)
    store = done(job(tmp_path / "net.npz", tmp_path / "x.npy", batch=2, dtype=dtype), tmp_path / "out")
    expected = in_batches(net.astype(dtype), x, 2)
    assert store["relevance"].dtype == dtype
    np.testing.assert_array_equal(store["relevance"], expected["relevance"])


def test_each_of_several_inputs_has_its_relevance(tmp_path: Path) -> None:
    nodes = (lrp.Node("add", lrp.layers.Add(), ("a", "b")), lrp.Node("fc", lrp.layers.Dense(np.eye(3)), ("add",)))
    net = lrp.Network(nodes, (lrp.Input("a"), lrp.Input("b")), ("fc",))
    lrp.save(net, tmp_path / "net.npz")
    a, b = np.random.default_rng(5).normal(size=(2, 5, 3))
    store = done(job(tmp_path / "net.npz", Given({"a": a, "b": b}), composite="lrp0", batch=2), tmp_path / "out")
    expected = lrp.explain(net, {"a": a, "b": b}, composite="lrp0").relevance
    np.testing.assert_allclose(store["relevance_0"], expected["a"], rtol=1e-12)
    np.testing.assert_allclose(store["relevance_1"], expected["b"], rtol=1e-12)
    assert store.attributes["inputs"] == ["a", "b"]


def test_channels_that_are_last_are_added_up(tmp_path: Path) -> None:
    net = network()
    nodes = (lrp.Node("turn", lrp.layers.Transpose((0, 3, 1, 2)), (net.inputs[0].name,)),
             *(replace(n, inputs=("turn",)) if n.name == "conv" else n for n in net.nodes))  # fmt: skip
    net = replace(net, nodes=nodes)
    x = samples(5).transpose(0, 2, 3, 1)
    files(tmp_path, net, x)
    (tmp_path / "net.json").write_text(
        '{"input": {"kind": "image", "size": [4, 4], "channels": "RGB", "layout": "NHWC", "mean": 0, "scale": 1, '
        '"resize": "stretch"}}'
    )
    store = done(job(tmp_path / "net.npz", tmp_path / "x.npy", reduce="channels", batch=5), tmp_path / "out")
    np.testing.assert_array_equal(store["relevance"], explained(net, x)["relevance"].sum(axis=3))


@pytest.mark.parametrize("start", ["logit", "output"])
def test_a_final_softmax_is_left_out_or_kept_as_by_explain(tmp_path: Path, start: str) -> None:
    net = network()
    net = replace(net, nodes=(*net.nodes, lrp.Node("chance", lrp.layers.Softmax(), ("fc",))), outputs=("chance",))
    files(tmp_path, net, samples(5))
    rules = [(lrp.layers.Softmax, lrp.rules.Taylor()), (lrp.layers.Linear, lrp.rules.Epsilon())]
    asked = job(tmp_path / "net.npz", tmp_path / "x.npy", composite=rules, start=start, batch=5)
    store = done(asked, tmp_path / "out")
    expected = explained(net, samples(5), composite=rules, start=start)
    for name in ("relevance", "output"):
        np.testing.assert_array_equal(store[name], expected[name])


def test_a_network_that_cannot_take_zeros_is_made_known_by_a_sample(tmp_path: Path) -> None:
    net = lrp.Network.sequential([lrp.layers.Power(-1.0), lrp.layers.Dense(np.ones((3, 2)))])
    x = np.random.default_rng(6).random((5, 3)) + 1
    x[0] = 0  # nor the first
    files(tmp_path, net, x)
    store = done(job(tmp_path / "net.npz", tmp_path / "x.npy", composite="gradient", batch=2), tmp_path / "out")
    assert store.states().tolist() == [2, 1, 1]
    np.testing.assert_allclose(store["output"][2:], np.repeat((1 / x[2:]).sum(1, keepdims=True), 2, axis=1))


def test_an_input_without_a_batch_is_refused(tmp_path: Path) -> None:
    nodes = (lrp.Node("relu", lrp.layers.ReLU(), ("x",)),)
    net = lrp.Network(nodes, (lrp.Input("x", (2, 3), batch_axis=None),), ("relu",), output_axes=(None,))
    files(tmp_path, net, np.ones((5, 2, 3)))
    with pytest.raises(ShapeError, match=r"input 'x' has no batch .* 'lrp-ref explain' takes them one by one"):
        job(tmp_path / "net.npz", tmp_path / "x.npy")


# -- what is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "error", "told"),
    [
        ({"dtype": "float8"}, ParameterError, "unknown dtype 'float8': .* known: float16, float32, float64"),
        ({"reduce": "mean"}, ParameterError, "reduce is 'mean': give none, channels .* or top-K"),
        ({"reduce": "top-0"}, ParameterError, "reduce is 'top-0'"),
        ({"xp": "torch"}, BackendError, "array module 'torch' is not known: use 'numpy' or 'cupy'"),
        ({"start": "logits"}, ParameterError, "unknown start 'logits': did you mean 'logit'"),
        ({"start": np.ones((10, 3))}, ParameterError, "start is ndarray: a job takes a name or a value of lrp.start"),
        ({"start": "difference"}, ParameterError, "start 'difference' needs its other output"),
        ({"against": 1}, ParameterError, "against=1 belongs to start='difference'"),
        ({"target": 1, "start": "difference", "against": 1}, ParameterError, "target and against are both 1"),
        ({"batch": 0}, ParameterError, "batch is 0: give a whole number, 1 or more"),
        ({"together": 1.5}, ParameterError, "together is 1.5: give a whole number"),
        ({"threads": True}, ParameterError, "threads is True: give a whole number"),
        ({"target": [0] * 10}, ParameterError, "target is list: .* a target for each sample comes from a file"),
        ({"target": True}, ParameterError, "target is bool: give the number or name of one output"),
        ({"target": "cat"}, ParameterError, "target 'cat': the network has no class names"),
        ({"at": "relu"}, ParameterError, r"at is 'relu': give a list of names, \['relu'\]"),
        ({"at": ["relu", "relu"]}, ParameterError, "at: 'relu' is given twice"),
        ({"composite": "epsilons"}, ParameterError, "unknown composite 'epsilons'"),
        ({"delta": 1}, ParameterError, "delta"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_said_at_once(folder: Path, asked: Any, error: type, told: str) -> None:
    with pytest.raises(error, match=told):
        made(folder, **asked)


@pytest.mark.parametrize(
    ("asked", "error", "told"),
    [
        ({"target": 3}, ParameterError, "target 3 is out of range: the output has 3 classes, 0 to 2"),
        ({"target": -1}, ParameterError, "target -1 is out of range"),
        ({"target": (0, 1)}, ParameterError, "a tuple is one index into a sample's output"),
        ({"target": 0, "start": "difference", "against": 7}, ParameterError, "against 7 is out of range"),
        ({"at": ["rely"]}, ParameterError, "unknown value 'rely': did you mean 'relu'"),
    ],
)
def test_what_no_sample_can_answer_is_said_before_there_is_a_store(
    folder: Path, asked: Any, error: type, told: str
) -> None:
    one = made(folder, **asked)
    with pytest.raises(error, match=told):
        one.probe()
    with pytest.raises(error):
        run(one, folder / "out")
    assert sorted(f.name for f in folder.iterdir()) == ["net.npz", "x.npy"]


def test_no_channels_to_add_up(tmp_path: Path) -> None:
    files(tmp_path, lrp.Network.sequential([lrp.layers.Dense(np.eye(3))]), np.ones((4, 3)))
    with pytest.raises(ShapeError, match="no channels to add up"):
        job(tmp_path / "net.npz", tmp_path / "x.npy", reduce="channels").probe()


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (np.zeros(9, int), "labels.npy: 9 targets for 10 samples: give one for each"),
        (np.zeros(10), r"labels.npy: holds float64 \(10,\): give one whole number for each sample"),
        (np.zeros((10, 1), int), r"labels.npy: holds int64 \(10, 1\)"),
        (
            np.array([0] * 7 + [3, 0, 4]),
            "labels.npy: target 3 of sample 7, and 1 more: outputs are numbered from 0 to 2",
        ),
        (np.array([0] * 9 + [-1]), "labels.npy: target -1 of sample 9: outputs are numbered from 0"),
    ],
)
def test_labels_that_do_not_fit_are_refused(folder: Path, labels: Any, told: str) -> None:
    np.save(folder / "labels.npy", labels)
    with pytest.raises((ShapeError, ParameterError, ModelFormatError), match=told):
        run(made(folder, target=Labels.of(folder / "labels.npy")), folder / "out")
    assert not (folder / "out").exists()


def test_labels_that_change_or_cannot_be_read_are_refused(folder: Path) -> None:
    np.save(folder / "labels.npy", np.zeros(10, int))
    labels = Labels.of(folder / "labels.npy")
    np.save(folder / "labels.npy", np.ones(10, int))
    with pytest.raises(ModelFormatError, match="the targets have changed since the job was made"):
        labels.load()
    (folder / "labels.npy").write_bytes(b"no array")
    with pytest.raises(ModelFormatError, match=r"not a readable .npy file of targets"):
        Labels.of(folder / "labels.npy").load()
    with pytest.raises(ModelFormatError, match="there is no such file"):
        Labels.of(folder / "none.npy")


def test_a_data_set_without_samples_is_refused(folder: Path) -> None:
    with pytest.raises(ParameterError, match="given has no samples: nothing to explain"):
        job(folder / "net.npz", Given({"input": samples(0)}))
    np.save(folder / "x.npy", samples(0))
    with pytest.raises(ShapeError, match=r"x.npy: no sample in it"):
        made(folder)


def test_names_of_other_outputs_are_refused(folder: Path) -> None:
    (folder / "net.json").write_text('{"input": {"kind": "vector", "layout": "NF"}, "classes": ["a", "b"]}')
    with pytest.raises(ModelFormatError, match=r"2 classes of net.npz are named, and the output has 3 numbers"):
        made(folder).probe()


def test_there_is_no_such_chunk(folder: Path) -> None:
    with pytest.raises(ParameterError, match="chunk 3: the job has 3, numbered from 0"):
        made(folder).part(3)


# -- values ---------------------------------------------------------------------------------------------------


def test_a_job_is_a_value_that_can_be_sent(folder: Path) -> None:
    asked = made(folder, target=((0, 2),), at=["relu"])
    other = sent(asked)
    assert other == asked == made(folder, target=((0, 2),), at=("relu",))
    assert hash(other) == hash(asked)
    assert other.attributes() == asked.attributes()
    assert len(pickle.dumps(asked)) < 5000
    others = [{"batch": 5}, {"target": 1}, {"start": "one_hot"}, {"epsilon": 0.5}, {"dtype": "float16"}, {"xp": "cupy"}]
    assert all(made(folder, **{"target": ((0, 2),), "at": ["relu"], **one}) != asked for one in others)
    assert repr(asked) == (
        "Job(net.npz, 10 samples of x.npy in 3 chunks of 4, composite epsilon_plus, target [[0, 2]], start logit, "
        "dtype float32, reduce none, at ['relu'])"
    )


def test_attributes_hold_every_number_of_the_rules_and_no_folder(folder: Path) -> None:
    low, high = np.zeros(2), np.array([1.0, 2.5])
    asked = made(folder, composite=composites.get("epsilon_gamma_box", low=low, high=high, gamma=0.125))
    told = asked.attributes()
    assert "(1.0, 2.5)" in told["rules"]
    assert "0.125" in told["rules"]
    assert str(folder) not in repr(told)


def test_a_process_with_other_versions_does_no_chunk(folder: Path) -> None:
    asked = made(folder)
    store = store_of(asked, folder / "out")
    for name in ("lrp_ref", "numpy"):
        other = replace(asked, made_with=((name, "0.1"),))
        with pytest.raises(ParameterError, match=f"this process has {name} .*, and the job was made with 0.1"):
            other.run_chunk(0, store)
    assert asked.todo(store) == [0, 1, 2]


def test_a_store_of_another_job_is_not_written(folder: Path) -> None:
    store = store_of(made(folder), folder / "out")
    before = contents(folder / "out")
    with pytest.raises(ParameterError, match="out is of another job: target is 'largest' there and 1 here"):
        made(folder, target=1).run_chunk(0, store)
    assert contents(folder / "out") == before


# -- the model ------------------------------------------------------------------------------------------------


def test_a_model_is_loaded_once_and_another_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    monkeypatch.setattr(models, "load", lambda path, **asked: loaded.append(path) or lrp.load(path, **asked))
    asked = made(folder)
    done(asked, folder / "out")
    done(sent(asked), folder / "other")
    assert len(loaded) == 1
    monkeypatch.setattr(models, "_networks", {})  # as in another process
    lrp.save(lrp.Network.sequential([lrp.layers.Dense(np.eye(3))]), folder / "net.npz")
    with pytest.raises(ModelFormatError, match=r"net.npz: another file than the job is about .* put that one in its"):
        asked.model.load()


def test_weights_beside_a_file_are_of_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx = pytest.importorskip("onnx")
    lrp.save(network(), tmp_path / "plain.onnx")
    proto = onnx.load(tmp_path / "plain.onnx")
    onnx.save(proto, tmp_path / "net.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    model = ModelFile.of(tmp_path / "net.onnx")
    monkeypatch.setattr(models, "_networks", {})
    model.load()  # nothing has changed
    raw = bytearray((tmp_path / "weights.bin").read_bytes())
    raw[2] ^= 64
    (tmp_path / "weights.bin").write_bytes(raw)
    monkeypatch.setattr(models, "_networks", {})
    with pytest.raises(ModelFormatError, match="the file is the same and the network another: the weights beside it"):
        model.load()
    assert ModelFile.of(tmp_path / "net.onnx") != model


# -- batches --------------------------------------------------------------------------------------------------


# In float32 the ε-rule of the LSTM, which divides by small sums at each of 29 steps, makes 1.6e-5 of the last digits.
@pytest.mark.parametrize(
    ("model", "data", "count", "dtype"),
    [("fashion_cnn.onnx", "fashion_test200.npz", 64, "float32"),
     ("fashion_cnn.onnx", "fashion_test200.npz", 64, "float64"),
     ("digits_cnn.onnx", "digits_test200.npz", 64, "float32"),
     ("digits_cnn.onnx", "digits_test200.npz", 64, "float64"),
     ("efficientnet_lite0.onnx", None, 4, "float32"), ("efficientnet_lite0.onnx", None, 3, "float64"),
     ("sequence_lstm.onnx", "vowels_test90.npz", 40, "float64")],
)  # fmt: skip
def test_the_batch_changes_no_more_than_the_last_digits(
    tmp_path: Path, model: str, data: str | None, count: int, dtype: str
) -> None:
    if data is None:
        x = np.random.default_rng(7).normal(size=(count, 3, 224, 224)).astype("f4")
    else:
        with np.load(MODELS / "samples" / data) as found:
            x = found[found.files[0]][:: len(found[found.files[0]]) // count][:count].astype("f4")
        x = x[:, None] / 255 if x.ndim == 3 and "cnn" in model else x
    np.save(tmp_path / "x.npy", x)
    one, many = (
        done(job(MODELS / model, tmp_path / "x.npy", batch=batch, dtype=dtype), tmp_path / str(batch))["relevance"]
        for batch in (1, 32)
    )
    scale = np.abs(many).max(axis=tuple(range(1, many.ndim)), keepdims=True)
    assert (scale > 0).all()
    assert (np.abs(one - many) / scale).max() <= {"float32": 1e-5, "float64": 1e-13}[dtype]
