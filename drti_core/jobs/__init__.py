"""Work in processes, a journal by which it goes on, and threads; knows nothing of images."""
