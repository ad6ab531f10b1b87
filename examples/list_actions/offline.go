package main

import (
	"context"
	"fmt"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/examples/internal/offline"
	"github.com/idngo-go/idngo/internal/sandbox"
)

// Without credentials main talks to a sandbox in this process, which has some
// actions. Leave this file out when you copy main.go.
func init() {
	sb := offline.Start(offline.Setup{})
	if sb == nil {
		return
	}
	client := offline.Client()
	for i, outcome := range []string{"GREEN", "RED:BAD_FACE_MATCHING", "onHold", "GREEN", "RED:FRAUDULENT_LIVENESS,NOT_ALONE", ""} {
		action, err := client.CreateAction(context.Background(), sandbox.DefaultApplicantID, idngo.CreateActionParams{
			LevelName: sandbox.LevelFaceAuth, ExternalActionID: fmt.Sprint("payment-", i+1),
		})
		offline.Must(err)
		if outcome != "" {
			o, err := sandbox.ParseOutcome(outcome)
			offline.Must(err)
			offline.Must(sb.Review(action.ID, o))
		}
	}
}
