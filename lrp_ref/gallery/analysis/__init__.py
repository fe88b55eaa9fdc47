"""What applications measure and draw: boxes of maps, deleted words, paths, strokes, agreement of maps, signs."""
