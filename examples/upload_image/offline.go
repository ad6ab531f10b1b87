package main

import (
	"context"
	"os"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/examples/internal/offline"
	"github.com/idngo-go/idngo/internal/simulator"
)

// Without credentials main talks to a simulator in this process, which has an
// action that waits for an image. Leave this file out when you copy main.go.
func init() {
	if offline.Start(offline.Setup{}) == nil {
		return
	}
	action, err := offline.Client().CreateAction(context.Background(), simulator.DefaultApplicantID, idngo.CreateActionParams{
		LevelName: simulator.LevelFaceAuth, ExternalActionID: "upload-image",
	})
	offline.Must(err)
	offline.Must(os.Setenv("IDNGO_ACTION_ID", action.ID))

	// Nobody types an image. If standard input is a terminal or empty, the program
	// uploads a picture that it has drawn.
	if !isTerminal(os.Stdin) {
		return
	}
	r, w, err := os.Pipe()
	offline.Must(err)
	os.Stdin = r
	go func() {
		_, err := w.Write(offline.JPEG())
		offline.Must(err)
		offline.Must(w.Close())
	}()
}
