"""The paper's baseline representation (section 6.2): a beta-VAE on all views, ten numbers for a frame."""
