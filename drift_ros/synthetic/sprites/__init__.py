"""What objects are made of: outlines, sprites of one part, and cutouts of several."""
