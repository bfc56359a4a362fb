"""Stub that its room will replace."""
