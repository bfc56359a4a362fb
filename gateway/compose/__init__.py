"""Who meets whom: the one place where every room is named. Decides nothing else."""

from gateway.compose.following import following
from gateway.compose.house import House, bounds_of
from gateway.compose.leading import opened

__all__ = ["House", "bounds_of", "following", "opened"]
