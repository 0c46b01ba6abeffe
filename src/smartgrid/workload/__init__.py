"""Cars and when they come: recorded, or drawn from a seed. The load tester sends them, the simulator plays them."""
