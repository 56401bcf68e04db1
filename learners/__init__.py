"""What learns: the keypoint learner and the DDPG learner."""
