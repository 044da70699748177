"""Estimators of log p(x), which methods call at the end of their fit."""
