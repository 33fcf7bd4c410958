"""The renderer: a moving camera, planes, cutouts and balls, light, lens and sensor."""
