package main

import (
	"context"
	"fmt"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/examples/internal/offline"
	"github.com/idngo-go/idngo/internal/simulator"
)

// Without credentials main talks to a simulator in this process, which has some
// actions. Leave this file out when you copy main.go.
func init() {
	sb := offline.Start(offline.Setup{})
	if sb == nil {
		return
	}
	client := offline.Client()
	for i, outcome := range []string{"GREEN", "RED:BAD_FACE_MATCHING", "onHold", "GREEN", "RED:FRAUDULENT_LIVENESS,NOT_ALONE", ""} {
		action, err := client.CreateAction(context.Background(), simulator.DefaultApplicantID, idngo.CreateActionParams{
			LevelName: simulator.LevelFaceAuth, ExternalActionID: fmt.Sprint("payment-", i+1),
		})
		offline.Must(err)
		if outcome != "" {
			o, err := simulator.ParseOutcome(outcome)
			offline.Must(err)
			offline.Must(sb.Review(action.ID, o))
		}
	}
}
