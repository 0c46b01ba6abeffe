//go:build tools

// Names the programs, so that `go mod tidy` keeps what they need.
package tools

import (
	_ "github.com/lorenzodonini/ocpp-go/example/1.6/cp"
	_ "github.com/lorenzodonini/ocpp-go/example/2.0.1/chargingstation"
)
