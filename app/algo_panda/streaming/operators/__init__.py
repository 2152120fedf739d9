"""What runs on partitions: bytes on one side, the runner, risk and the router on the other."""
