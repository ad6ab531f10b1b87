package main

import (
	"context"
	"os"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/examples/internal/offline"
	"github.com/idngo-go/idngo/internal/simulator"
)

// Without credentials main talks to a simulator in this process, which has an
// action with an image. Leave this file out when you copy main.go.
func init() {
	if offline.Start(offline.Setup{}) == nil {
		return
	}
	ctx, client := context.Background(), offline.Client()
	action, err := client.CreateAction(ctx, simulator.DefaultApplicantID, idngo.CreateActionParams{
		LevelName: simulator.LevelFaceAuth, ExternalActionID: "download-image",
	})
	offline.Must(err)
	_, err = client.AddImage(ctx, action.ID, idngo.AddImageParams{
		IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: idngo.ImageBytes("selfie.jpg", offline.JPEG()),
	})
	offline.Must(err)
	offline.Must(os.Setenv("IDNGO_ACTION_ID", action.ID))
}
