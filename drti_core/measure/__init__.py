"""Numbers and sheets about models: PSNR, SSIM, evaluation, comparison, tour."""
