"""Experiments: a config becomes settings, settings become tasks, tasks become artefacts."""
