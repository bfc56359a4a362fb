"""The local backend: adapters as processes of this machine, containers of its engine, or servers elsewhere.

A crew is an adapter, a slot one of its replicas, a life one start of a replica. `process_backend` opens it all.
"""

from gateway.backends.process.backend import ProcessBackend, process_backend

__all__ = ["ProcessBackend", "process_backend"]
