from __future__ import annotations

import numpy as np

from tasks.benchmark import bootstrap


def test_sums_of_constant_rows_do_not_vary() -> None:
    (sums,) = bootstrap.resampled_sums([np.full((50, 3), 2.0)], resamples=200, seed=0)
    assert sums.shape == (200, 3)
    assert (sums == 100).all()


def test_variants_share_the_resampled_rows() -> None:
    values = np.random.default_rng(1).random((80, 1))
    one, other = bootstrap.resampled_sums([values, values + 1], resamples=300, seed=3)
    np.testing.assert_allclose(other - one, 80)


def test_small_portions_draw_the_same_rows(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    values = [np.random.default_rng(1).integers(0, 2, (40, 2)).astype(float)]
    whole = bootstrap.resampled_sums(values, resamples=100, seed=5)[0]
    monkeypatch.setattr(bootstrap, "WEIGHTS_AT_ONCE", 40 * 7)
    np.testing.assert_array_equal(bootstrap.resampled_sums(values, resamples=100, seed=5)[0], whole)


def test_interval_of_a_share_is_the_normal_one() -> None:
    rows, share = 1000, 0.8
    values = (np.arange(rows) < share * rows).astype(float)[:, None]
    (sums,) = bootstrap.resampled_sums([values], resamples=20_000, seed=0)
    half = 1.96 * np.sqrt(share * (1 - share) / rows)
    np.testing.assert_allclose(
        bootstrap.interval(sums[:, 0] / rows), (share - half, share + half), atol=0.002
    )


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    generator, rows, truth, trials = np.random.default_rng(7), 300, 0.85, 400
    covered = 0
    for trial in range(trials):
        values = (generator.random((rows, 1)) < truth).astype(float)
        low, high = bootstrap.interval(
            bootstrap.resampled_sums([values], resamples=500, seed=trial)[0][:, 0] / rows
        )
        covered += low <= truth <= high
    assert 0.91 <= covered / trials <= 0.98
