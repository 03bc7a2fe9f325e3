"""Curate datasets in notebooks."""
