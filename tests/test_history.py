"""What a run remembers: rows read once are not read again."""

import numpy as np
import pytest
import torch

from nstlib import InputError
from nstlib.history import History

NAMES = ["total", "content"]


def row(number, batch=1):
    return torch.tensor([[float(number)] * batch, [10.0 * number] * batch])


@pytest.fixture
def fetched(monkeypatch):
    """How many rows were fetched from the device, at each time."""
    counts, stack = [], torch.stack

    def counted(rows, *rest):
        counts.append(len(rows))
        return stack(rows, *rest)

    monkeypatch.setattr(torch, "stack", counted)
    return counts


def test_every_row_is_fetched_once_however_often_it_is_read(fetched):
    history = History()
    for number in range(100):
        history.append(NAMES, row(number))
        for _ in range(3):
            assert history["total"][-1] == number
            assert len(history.rows()) == number + 1
    assert fetched == [1] * 100


def test_rows_wait_until_somebody_reads_them(fetched):
    history = History()
    for number in range(50):
        history.append(NAMES, row(number))
    assert fetched == []
    assert history["content"].tolist() == [10.0 * number for number in range(50)]
    assert fetched == [50]


def test_reading_after_every_step_moves_each_row_a_few_times_at_most():
    history, tables = History(), []
    for number in range(1000):
        history.append(NAMES, row(number))
        history.rows()
        if not tables or history._table is not tables[-1]:
            tables.append(history._table)
    assert sum(map(len, tables)) <= 4 * 1000
    assert history["total"].tolist() == list(range(1000))


def test_what_was_read_is_the_readers_own():
    history = History()
    history.append(NAMES, row(1))
    for values in (history["total"], history.rows()):
        values *= 0
    assert history["total"].tolist() == [1]
    before = history.rows()
    history.append(NAMES, row(2))
    assert len(before) == 1
    assert history["total"].tolist() == [1, 2]


def test_a_batch_has_a_column_a_picture():
    history = History()
    assert history.rows().shape == (0, 0, 1)
    history.append(NAMES, row(1, batch=3))
    assert history["total"].shape == (1, 3)
    assert history.rows().shape == (1, 2, 3)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_history_goes_on_where_a_saved_one_ended(count):
    saved, history = History(), History()
    for number in range(count):
        saved.append(NAMES, row(number))
    state = saved.state_dict()
    history.load_state_dict(state)
    for both in (saved, history):
        both.append(NAMES, row(7))
    assert np.array_equal(history.rows(), saved.rows())
    assert len(state["rows"]) == count
    with pytest.raises(InputError, match="cannot change"):
        history.append(["total"], row(8))
