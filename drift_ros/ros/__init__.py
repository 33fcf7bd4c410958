"""Everything that imports rclpy: the tracker node and what it is made of."""
