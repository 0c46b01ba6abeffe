"""What a charger's meter is asked to tell: the register, and what limits are reckoned and held against."""

MEASURANDS = (
    "Energy.Active.Import.Register",
    "Power.Active.Import",
    "Current.Import",
    "Voltage",
    "Current.Offered",
)
