"""Training of the network that judges where points are, on rendered tracks alone.

First its maps learn to find the points of one frame of a video in another (`pairs`). Then the
tracker follows points through videos with the network as it is, and the network learns what is true
of the places that it was shown (`following`): so it meets in training what its own mistakes lead to
(Ross et al. 2011).
"""
