"""Points through videos with known tracks: the protocol of TAP-Vid."""
