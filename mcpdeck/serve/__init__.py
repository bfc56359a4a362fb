"""The deck in a browser: who may come in, one process for each tab, and the pages around them."""
