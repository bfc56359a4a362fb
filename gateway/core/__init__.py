"""Pure decisions: what a request is, who may do what, where it goes. Opens no connection and reads no clock."""
