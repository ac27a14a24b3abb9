"""The same values give the same stream, whatever table or array holds them.

Those of polars and DuckDB need them: pip install -e '.[frames]' && pytest tests/test_frames.py
"""

from collections.abc import Callable
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtrain import Stream
from backtrain.datasets.frames import source
from backtrain.datasets.plain import plain


def polars(table: pa.Table) -> Any:
    return pytest.importorskip("polars").from_arrow(table)


def duckdb(table: pa.Table) -> Any:
    connection = pytest.importorskip("duckdb").connect()
    connection.execute("set timezone = 'Europe/Berlin'")  # it shows all instants in one zone
    return connection.from_arrow(table)


def in_two(table: pa.Table) -> pa.Table:
    """Two pieces, each with categories of its own."""
    half = len(table) // 2
    pieces = [pa.Table.from_pandas(table.slice(*at).to_pandas()) for at in ((0, half), (half,))]
    return pa.concat_tables([piece.cast(table.schema) for piece in pieces])


class Capsule:
    """What offers itself as Arrow data, and nothing else."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)


#: What an Arrow table becomes; the order of categories is lost where it says so.
CONTAINERS: dict[str, Callable[[pa.Table], Any]] = {
    "Arrow": lambda table: table,
    "Arrow, in two pieces": in_two,
    "reader": lambda table: table.to_reader(),
    "record batch": lambda table: table.combine_chunks().to_batches()[0],
    "capsule": Capsule,
    "pandas, Arrow types": lambda table: table.to_pandas(types_mapper=pd.ArrowDtype),
    "pandas, nullable": lambda table: table.to_pandas().convert_dtypes(),
    "pandas, string[python]": lambda table: table.to_pandas().astype({"text": "string[python]"}),
    "narwhals": lambda table: nw.from_native(table),
    "narwhals of pandas": lambda table: nw.from_native(table.to_pandas()),
}
UNORDERED: dict[str, Callable[[pa.Table], Any]] = {
    "polars": polars,
    "polars, lazy": lambda table: polars(table).lazy(),
    "polars as pandas": lambda t: polars(t).to_pandas(use_pyarrow_extension_array=True),
    "narwhals of polars": lambda table: nw.from_native(polars(table)),
    "DuckDB": duckdb,
}


def frames(ordered: bool) -> st.SearchStrategy[pd.DataFrame]:
    """Few rows, with ties, gaps, categories that have no row, and a zone."""
    row = st.tuples(
        st.integers(0, 5),
        *(st.none() | st.floats(-9, 9), st.booleans(), st.none() | st.booleans()),
        *(st.none() | st.sampled_from("cab"), st.sampled_from("zyx"), st.integers(0, 4)),
    )

    def frame(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
        hour, number, truth, some, text, word, label = zip(*rows, strict=True)
        at = pd.Timestamp("2024-03-30 22:00", tz="Europe/Berlin") + pd.to_timedelta(hour, unit="h")
        return pd.DataFrame(
            {
                "at": at.as_unit("us"),
                "known": at.as_unit("us") + pd.Timedelta("2h"),
                "number": np.array(number, dtype=float),
                "small": np.arange(len(rows), dtype=np.int16),
                "truth": truth,
                "some": pd.Series(some, dtype=object),
                "text": pd.Series(["c", *text[1:]], dtype=object),
                "word": pd.Categorical(word, categories=["x", "y", "z", "no row"], ordered=ordered),
                "who": pd.Categorical(word),
                "weight": np.arange(len(rows), dtype=np.float32),
                "y": np.array([0, 1, *label[2:]], dtype=np.int32),
            }
        )

    return st.lists(row, min_size=4, max_size=12).map(frame)


def stream_of(table: Any) -> Stream:
    names = {"target": "y", "time": "at", "label_time": "known", "weight": "weight", "group": "who"}
    return Stream.from_frame(table, **names)


def bytes_of(stream: Stream) -> list[Any]:
    features = stream.X
    assert isinstance(features, pd.DataFrame)
    columns = [
        (str(c.dtype), c.cat.categories.tolist(), c.cat.ordered, c.cat.codes.tolist())
        if isinstance(c.dtype, pd.CategoricalDtype)
        else (str(c.dtype), c.to_numpy().tobytes())
        for c in (features[name] for name in features)
    ]
    rows = (stream.y, stream.event_time, stream.label_time, stream.weight)
    assert stream.group is not None
    plain_rows = [(part.dtype, part.tobytes()) for part in rows if part is not None]
    return [stream.columns, *columns, *plain_rows, stream.group.tolist()]


@pytest.mark.parametrize("name", CONTAINERS | UNORDERED)
def test_every_container_gives_the_stream_of_the_plain_frame(name: str) -> None:
    made = (CONTAINERS | UNORDERED)[name]

    @settings(max_examples=15, deadline=None)
    @given(frames(ordered=name in CONTAINERS))
    def same(frame: pd.DataFrame) -> None:
        wanted = stream_of(frame)
        got = stream_of(made(pa.Table.from_pandas(frame, preserve_index=False)))
        assert got.fingerprint == wanted.fingerprint
        assert bytes_of(got) == bytes_of(wanted)

    same()


def test_another_value_order_or_type_of_label_is_another_stream() -> None:
    """That the test above can fail."""
    rows = {"at": pd.date_range("2024", periods=4), "x": [1, 2, 3, 4], "y": [0, 1, 2, 3]}
    base = pa.table(rows)
    prints = {
        Stream.from_frame(table, target="y", time="at").fingerprint
        for table in (
            base,
            pa.table(rows | {"x": [1, 2, 3, 5]}),
            pa.table(rows | {"y": pa.array([0, 1, 2, 3], pa.int32())}),
            base.set_column(0, "at", pa.array(rows["at"][::-1])),
        )
    }
    assert len(prints) == 4


def narwhals_series(values: np.ndarray) -> Any:
    return nw.from_native(pd.Series(values), series_only=True)


def columns_of(values: np.ndarray) -> list[Any]:
    array = pa.array(values)
    held = [array, pa.chunked_array([array[:2], array[2:]]), pd.Series(array, dtype=None)]
    held += [pd.Series(values, dtype=pd.ArrowDtype(array.type)), narwhals_series(values)]
    try:
        import polars as pl
    except ModuleNotFoundError:
        return held
    return [*held, pl.Series(values), pl.DataFrame({"one": values})]


def test_arrays_given_to_a_stream_may_be_of_any_library() -> None:
    X, y = np.arange(8.0).reshape(4, 2), np.array([1.5, 2.5, 9.0, 3.5])
    at = pd.date_range("2024", periods=4, freq="h").to_numpy()
    tables = [pa.table(dict(zip("ab", X.T, strict=True)))]
    tables += [nw.from_native(tables[0]), tables[0].rename_columns(["c", "d"]), Capsule(tables[0])]
    wanted = Stream(X, y, at, at, ("a", "b"), weight=y)
    for table in tables:
        assert Stream(table, y, at, at, ("a", "b"), weight=y).fingerprint == wanted.fingerprint
    for labels, times in zip(columns_of(y), columns_of(at), strict=True):
        got = Stream(X, labels, times, times, ("a", "b"), weight=labels)
        assert got.fingerprint == wanted.fingerprint, (type(labels), type(times))
    with pytest.raises(ValueError, match="columns: 3 names for 2 features"):
        Stream(tables[0], y, at, columns=("a", "b", "c"))


PLAIN = {
    "Int32": (pd.array([1, 2], "Int32"), "int32"),
    "a gap": (pd.array([1, None], "Int32"), "float64"),
    "boolean": (pd.array([True, False], "boolean"), "bool"),
    "a gap in truth": (pd.array([True, None], "boolean"), "float64"),
    "bool[pyarrow]": (pd.array([True, False], pd.ArrowDtype(pa.bool_())), "bool"),
    "string view": (pd.array(["a", "b"], pd.ArrowDtype(pa.string_view())), ("str", "object")),
    "zone": (
        pd.array([pd.Timestamp("2024")], pd.ArrowDtype(pa.timestamp("us", "Asia/Tokyo"))),
        "datetime64[us, Asia/Tokyo]",
    ),
    "words": (
        pd.array(["a", "b"], pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string()))),
        "category",
    ),
}


@pytest.mark.parametrize(("values", "kind"), PLAIN.values(), ids=PLAIN)
def test_extension_types_become_plain(values: Any, kind: str | tuple[str, ...]) -> None:
    assert str(plain(pd.Series(values)).dtype) in ((kind,) if isinstance(kind, str) else kind)


HOURS = pd.date_range("2024", periods=3, freq="h")
REFUSED: dict[str, tuple[Any, str]] = {
    "period": (pd.Series(HOURS.to_period("M")), r"derive numbers from it, such as \.dt\.month"),
    "interval": (pd.Series(pd.interval_range(0, 3)), r"column\.map\(lambda part: part\.mid\)"),
    "timedelta": (pd.Series(HOURS - HOURS[0]), r"column\.dt\.total_seconds\(\)"),
    "complex": (np.arange(3) * 1j, r"two columns of it, \.real and \.imag"),
    "list": (pd.array([[1], [2], [3]], pd.ArrowDtype(pa.list_(pa.int8()))), "a column of each"),
    "struct": (
        pd.array([{"a": 1}] * 3, pd.ArrowDtype(pa.struct({"a": pa.int8()}))),
        "make a column of each field",
    ),
    "bytes": ([b"a", b"b", b"c"], r"column\.str\.decode\('utf-8'\)"),
}


@pytest.mark.parametrize(("values", "remedy"), REFUSED.values(), ids=REFUSED)
def test_columns_that_are_no_features_are_refused_with_what_to_do(values: Any, remedy: str) -> None:
    frame = pd.DataFrame({"at": HOURS, "x": values, "y": [1.0, 2, 3]})
    with pytest.raises(ValueError, match=f"column 'x'.*{remedy}"):
        Stream.from_frame(frame, target="y", time="at")
    with pytest.raises(ValueError, match=f"target 'x'.*{remedy}"):
        Stream.from_frame(frame, target="x", time="at")


def test_the_remedies_work() -> None:
    middle = REFUSED["interval"][0].map(lambda part: part.mid)
    size = pd.Series(REFUSED["complex"][0]).abs()
    text = pd.Series(REFUSED["bytes"][0]).str.decode("utf-8")
    seconds = REFUSED["timedelta"][0].dt.total_seconds()
    started = pd.Series(HOURS.to_period("h")).dt.start_time
    columns = {"middle": middle, "size": size, "text": text, "seconds": seconds}
    frame = pd.DataFrame({"at": started, **columns, "y": [1.0, 2, 3]})
    assert Stream.from_frame(frame, target="y", time="at").columns == tuple(columns)


def test_times_in_periods_or_in_the_index_say_what_to_do() -> None:
    frame = pd.DataFrame({"at": HOURS.to_period("h"), "x": 1.0, "y": [1.0, 2, 3]})
    with pytest.raises(ValueError, match=r"time 'at': periods such as .*\.dt\.start_time"):
        Stream.from_frame(frame, target="y", time="at")
    indexed = pd.DataFrame({"x": 1.0, "y": [1.0, 2, 3]}, index=HOURS)
    with pytest.raises(ValueError, match=r"use df\.reset_index\(names='when'\)"):
        Stream.from_frame(indexed, target="y", time="when")
    moved = indexed.reset_index(names="when")
    assert Stream.from_frame(moved, target="y", time="when").columns == ("x",)
    levels = indexed.set_index("x", append=True).rename_axis(["when", "x"])
    with pytest.raises(ValueError, match=r"it is the index: use df\.reset_index\(\)"):
        Stream.from_frame(levels, target="y", time="when")


def test_columns_in_levels_are_named_whole_or_flattened() -> None:
    frame = pd.DataFrame({("t", ""): HOURS, ("a", "x"): 1.0, ("a", "y"): [1.0, 2, 3]})
    with pytest.raises(ValueError, match=r"target='a': several columns; .*'_'\.join"):
        Stream.from_frame(frame, target="a", time=("t", ""))  # type: ignore[arg-type]
    frame.columns = ["_".join(map(str, column)) for column in frame.columns]
    assert Stream.from_frame(frame, target="a_y", time="t_").columns == ("a_x",)


def test_what_is_no_table_is_refused_by_what_it_is() -> None:
    for value in ({"y": [1]}, [1, 2], pd.Series([1]), pa.array([1]), 3, None):
        with pytest.raises(ValueError, match=f"df: a {type(value).__name__}, not a table; give"):
            source(value)
    twice = pa.Table.from_arrays([pa.array([1])] * 2, names=["a", "a"])
    with pytest.raises(ValueError, match="column 'a' stands there twice"):
        source(twice)


def test_a_number_that_arrow_has_no_type_for_is_refused() -> None:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"a": pl.Series([1, 2], dtype=pl.Int128)})
    with pytest.raises(ValueError, match=r"df: a column has no Arrow type .*; cast it"):
        source(frame)


def test_codes_without_a_sign_keep_their_words_and_order() -> None:
    words = pa.array(["lo", "hi"])
    codes = pa.array([1, 0, None, 1], pa.uint32())
    for ordered in (True, False):
        coded = pa.DictionaryArray.from_arrays(codes, words, ordered=ordered)
        read = plain(pa.chunked_array([coded[:2], coded[2:]]))
        assert read.astype(object).where(read.notna(), None).tolist() == ["hi", "lo", None, "hi"]
        assert read.cat.ordered is ordered
        assert plain(pa.chunked_array([], type=coded.type)).dtype == "category"


def test_rows_that_pandas_named_are_no_feature() -> None:
    frame = pd.DataFrame({"at": HOURS, "x": 1.0, "y": [1.0, 2, 3]}, index=[7, 3, 5])
    table = pa.Table.from_pandas(frame)
    assert "__index_level_0__" in table.column_names
    got = Stream.from_frame(table, target="y", time="at")
    assert got.fingerprint == Stream.from_frame(frame, target="y", time="at").fingerprint
    named = pa.Table.from_pandas(frame.set_index("at"))  # a column of Arrow's as good as others
    assert Stream.from_frame(named, target="y", time="at").columns == ("x",)
