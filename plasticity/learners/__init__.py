"""Estimators: one system a file, made of the engines and rules."""
