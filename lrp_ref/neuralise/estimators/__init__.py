"""Estimators of scikit-learn as networks, one file a family."""
