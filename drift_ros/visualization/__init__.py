"""Pictures for people: overlays, contact sheets, views of errors."""
