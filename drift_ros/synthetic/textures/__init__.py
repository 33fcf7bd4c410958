"""The appearance of surfaces: noise, patterns, colours and the textures made of them."""
