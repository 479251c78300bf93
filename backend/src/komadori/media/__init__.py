"""Reads video: what a file holds, and the frames that are wanted of it. The only layer that knows FFmpeg."""
