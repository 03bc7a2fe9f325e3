"""Panels for curalab."""
