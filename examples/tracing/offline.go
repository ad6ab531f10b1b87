package main

import (
	"context"
	"fmt"
	"testing"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/examples/internal/offline"
	"github.com/idngo-go/idngo/internal/simulator"
)

// Without credentials main talks to a simulator in this process, which has two
// actions with images and makes two attempts fail, so that there is something to
// see. Leave this file out when you copy main.go.
func init() {
	if testing.Testing() {
		return
	}
	sb := offline.Start(offline.Setup{})
	if sb == nil {
		return
	}
	ctx, client := context.Background(), offline.Client()
	for i := range 2 {
		action, err := client.CreateAction(ctx, simulator.DefaultApplicantID, idngo.CreateActionParams{
			LevelName: simulator.LevelFaceAuth, ExternalActionID: fmt.Sprint("tracing-", i),
		})
		offline.Must(err)
		_, err = client.AddImage(ctx, action.ID, idngo.AddImageParams{
			IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: idngo.ImageBytes("selfie.jpg", offline.JPEG()),
		})
		offline.Must(err)
	}
	offline.Must(sb.SetFaults(&simulator.Faults{Script: []simulator.Fault{
		{Kind: simulator.FaultStatus, Operation: "GetAction"},
		{Kind: simulator.FaultHTML, Operation: "OpenImage"},
	}}))
}
