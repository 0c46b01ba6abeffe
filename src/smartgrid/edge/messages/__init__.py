"""What chargers say, in values that do not depend on the version of OCPP, and never an error for rubbish."""
