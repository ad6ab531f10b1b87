package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/examples/internal/offline"
	"github.com/idngo-go/idngo/internal/simulator"
)

// Without a secret a simulator in this process sends webhooks to main, each three
// times and not in order, and interrupts it at the end. Leave this file out when
// you copy main.go.
func init() {
	sb := offline.Start(offline.Setup{
		Webhooks: true,
		Config:   simulator.Config{WebhookDuplicates: 2, WebhookShuffle: true, WebhookTimeScale: 0.01, ReviewDelay: time.Millisecond},
	}, "IDNGO_WEBHOOK_SECRET")
	if sb != nil {
		go feed(sb)
	}
}

func feed(sb *simulator.Server) {
	ctx, client := context.Background(), offline.Client()
	for begun := time.Now(); ; time.Sleep(5 * time.Millisecond) { // main is about to listen
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", os.Getenv("IDNGO_WEBHOOK_ADDR"))
		if err == nil {
			offline.Must(conn.Close())
			break
		}
		if time.Since(begun) > 10*time.Second {
			fmt.Fprintf(os.Stderr, "the simulator delivers to IDNGO_WEBHOOK_ADDR, %s, and nothing listens there\n", os.Getenv("IDNGO_WEBHOOK_ADDR"))
			return
		}
	}
	events := 0
	for i, outcome := range []string{"GREEN", "RED", "onHold"} {
		o, err := simulator.ParseOutcome(outcome)
		offline.Must(err)
		offline.Must(sb.SetOutcome(o))
		action, err := client.CreateAction(ctx, simulator.DefaultApplicantID, idngo.CreateActionParams{
			LevelName: simulator.LevelFaceAuth, ExternalActionID: fmt.Sprint("webhook-server-", i),
		})
		offline.Must(err)
		_, err = client.AddImage(ctx, action.ID, idngo.AddImageParams{
			IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: idngo.ImageBytes("selfie.jpg", offline.JPEG()),
		})
		offline.Must(err)
		_, err = client.SubmitAction(ctx, action.ID)
		offline.Must(err)
		events += 2
		settle(sb, events)
		if outcome == "GREEN" { // a person decides a second time, which is another event of the action
			offline.Must(sb.Review(action.ID, o))
			events++
			settle(sb, events)
		}
	}
	stats := sb.Stats()
	fmt.Fprintf(os.Stderr, "the simulator made %d deliveries of %d events, %d were answered with 200\n",
		stats.WebhookAttempts, events, stats.WebhooksDelivered)
	self, err := os.FindProcess(os.Getpid())
	if err != nil || self.Signal(os.Interrupt) != nil {
		os.Exit(0) // Windows has no such signal
	}
}

// settle waits until each event so far is delivered three times.
func settle(sb *simulator.Server, events int) {
	for ; ; time.Sleep(5 * time.Millisecond) {
		if stats := sb.Stats(); stats.WebhookEvents >= 3*events && stats.WebhooksOutstanding == 0 {
			return
		}
	}
}
