"""Where samples come from: files, read with care, and scenes, clips and games that are generated from a seed."""
