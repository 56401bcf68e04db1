"""DDPG from demonstrations on RLlib's new API stack."""
