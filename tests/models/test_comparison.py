import numpy as np
import pytest

from highstreet.models.comparison import (
    InvalidComparisonError,
    bucket_means,
    clustered_mean,
    paired_difference,
    worse_off,
)


def test_error_of_singleton_clusters_is_the_textbook_standard_error():
    values = np.random.default_rng(3).normal(size=200)
    estimate = clustered_mean(values, np.arange(200))
    assert estimate.standard_error == pytest.approx(values.std(ddof=1) / np.sqrt(200))
    assert estimate.units == estimate.clusters == 200


def test_copies_of_the_same_person_do_not_shrink_the_error():
    values = np.random.default_rng(4).normal(size=100)
    once = clustered_mean(values, np.arange(100))
    copies = clustered_mean(np.repeat(values, 5), np.repeat(np.arange(100), 5))
    assert copies.standard_error == pytest.approx(once.standard_error)
    naive = clustered_mean(np.repeat(values, 5), np.arange(500))
    assert naive.standard_error < 0.5 * once.standard_error


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(11)
    clusters, runs = np.repeat(np.arange(60), 4), 1000
    covered = 0
    for _ in range(runs):
        values = np.repeat(rng.normal(size=60), 4) + rng.normal(size=240)
        estimate = clustered_mean(values, clusters)
        covered += estimate.low <= 0 <= estimate.high
    tolerance = 4 * np.sqrt(0.95 * 0.05 / runs)
    assert abs(covered / runs - 0.95) < tolerance


def test_values_that_say_nothing_are_left_out():
    estimate = clustered_mean(np.array([1.0, np.nan, 3.0]), np.array([0, 1, 2]))
    assert (estimate.mean, estimate.units) == (2.0, 2)


def test_no_values_and_one_cluster_have_no_interval():
    assert np.isnan(clustered_mean(np.array([np.nan]), np.array([0])).mean)
    one = clustered_mean(np.array([1.0, 2.0]), np.array([7, 7]))
    assert one.mean == 1.5
    assert np.isnan(one.low)
    assert not one.is_above_zero


def test_paired_difference_is_tighter_than_the_two_means_when_they_go_together():
    rng = np.random.default_rng(5)
    theirs = rng.normal(size=300)
    ours = theirs + 0.05 + 0.01 * rng.normal(size=300)
    paired = paired_difference(ours, theirs, np.arange(300))
    assert paired.is_above_zero
    assert paired.half_width < 0.1 * clustered_mean(ours, np.arange(300)).half_width


def test_randomness_of_training_widens_the_interval():
    theirs = np.random.default_rng(6).normal(size=300)
    steady = np.stack([theirs + 0.1] * 4)
    shaky = steady + np.array([-0.3, 0.3, -0.2, 0.2])[:, None]
    narrow = paired_difference(steady, theirs, np.arange(300))
    wide = paired_difference(shaky, theirs, np.arange(300))
    assert wide.mean == pytest.approx(narrow.mean)
    assert wide.half_width > narrow.half_width + 0.1


def test_buckets_are_compared_apart():
    values, buckets = np.array([1.0, 1.0, 5.0, 7.0]), np.array([0, 0, 2, 2])
    means = bucket_means(values, np.arange(4), buckets)
    assert {bucket: estimate.mean for bucket, estimate in means.items()} == {0: 1.0, 2: 6.0}


def test_store_counts_as_worse_only_beyond_its_own_error():
    stores = np.repeat([0, 1, 2, 3], [3, 3, 3, 1])
    theirs = np.zeros(10)
    ours = np.array([-1.0, -1.1, -0.9, -1.0, 1.0, -0.1, 1.0, 1.0, 1.1, -5.0])
    assert worse_off(ours, theirs, stores) == (1, 3)


def test_columns_that_do_not_fit_are_refused():
    with pytest.raises(InvalidComparisonError):
        clustered_mean(np.zeros(3), np.zeros(2, dtype=int))
    with pytest.raises(InvalidComparisonError):
        paired_difference(np.zeros(3), np.zeros(3), np.zeros(2, dtype=int))
    with pytest.raises(InvalidComparisonError):
        bucket_means(np.zeros(3), np.zeros(3, dtype=int), np.zeros(2, dtype=int))
