"""Images, depth, bags, frames from disk and results to disk, without ROS."""
