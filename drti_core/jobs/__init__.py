"""Work in processes, and batches with a journal by which they go on; knows nothing of images."""
