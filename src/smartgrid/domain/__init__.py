"""Sessions, power sharing and routing: pure, with time as an argument.

The services, the simulator and the property tests all run this code. Times are seconds on whatever clock the caller
keeps (`now_s`), power is kW, energy kWh.
"""
