"""Training of the network that recognizes targets, on rendered views alone.

Objects are seen in some frames of a video, from other sides and distances, partly hidden, or
beside one that looks the same. For two views the network learns whether they show what looks the
same, how much larger it is in the second, and its mask there.
"""
