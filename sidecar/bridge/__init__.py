"""HTTP requests on one side, a child's lines on the other, as a state machine: no socket, process or clock."""
