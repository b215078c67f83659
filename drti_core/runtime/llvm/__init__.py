"""Dense chains compiled for the processor by LLVM."""
