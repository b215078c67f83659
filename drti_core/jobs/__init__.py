"""Work in processes, and a journal by which it goes on; knows nothing of images."""
