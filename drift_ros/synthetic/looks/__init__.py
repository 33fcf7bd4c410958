"""What surfaces look like: noise, patterns, colours and the textures made of them."""
