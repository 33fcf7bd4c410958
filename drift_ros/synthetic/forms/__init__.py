"""What objects are made of: outlines, sprites of one part, and figures of several."""
