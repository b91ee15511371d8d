"""Whatever learns: rules, the engines that run them, and the learners made of these."""
