"""What is drawn on pictures: boundaries over a photograph, input beside output, grids of an STN's results."""
