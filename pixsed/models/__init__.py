"""The shipped models and their cards (package data)."""
