"""PSFs: made from stars, matched, and what matching does to the noise."""
