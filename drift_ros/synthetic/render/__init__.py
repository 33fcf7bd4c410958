"""The renderer: a moving camera, planes, figures and balls, light, lens and sensor."""
