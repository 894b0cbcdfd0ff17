"""The recommender: item features, statistics, ranker, local training, ranking metrics. Pure."""
