package main

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/examples/internal/offline"
	"github.com/idngo-go/idngo/internal/simulator"
)

// Without a secret and a database, a simulator in this process sends webhooks to main, each three
// times and not in order. It counts their effects and interrupts main at the end. Leave this file
// out when you copy main.go.
func init() {
	if testing.Testing() {
		return
	}
	sb := offline.Start(offline.Setup{
		Webhooks: true,
		Config:   simulator.Config{WebhookDuplicates: 2, WebhookShuffle: true, WebhookTimeScale: 0.01, ReviewDelay: time.Millisecond},
	}, "IDNGO_WEBHOOK_SECRET", "DATABASE_URL", "SQLITE_FILE")
	if sb == nil {
		return
	}
	dir, err := os.MkdirTemp("", "webhook_inbox")
	offline.Must(err)
	file := filepath.Join(dir, "inbox.sqlite")
	offline.Must(os.Setenv("SQLITE_FILE", file))
	go func() {
		feed(sb, file)
		_ = os.RemoveAll(dir)
		self, err := os.FindProcess(os.Getpid())
		if err != nil || self.Signal(os.Interrupt) != nil {
			os.Exit(0) // Windows has no such signal
		}
	}()
}

func feed(sb *simulator.Server, file string) {
	const actions, events, copies = 10, 2, 3
	ctx, client := context.Background(), offline.Client()
	wait(func() bool { // main is about to listen
		conn, err := net.DialTimeout("tcp", os.Getenv("IDNGO_WEBHOOK_ADDR"), time.Second)
		return err == nil && conn.Close() == nil
	})
	for i := range actions {
		action, err := client.CreateAction(ctx, simulator.DefaultApplicantID, idngo.CreateActionParams{
			LevelName: simulator.LevelQuestionnaire, ExternalActionID: fmt.Sprint("webhook-inbox-", i),
		})
		offline.Must(err)
		_, err = client.SubmitAction(ctx, action.ID)
		offline.Must(err)
	}
	db, err := sql.Open("sqlite", file+"?_busy_timeout=5000")
	offline.Must(err)
	defer db.Close()
	count := func(table string) (n int) {
		offline.Must(db.QueryRowContext(ctx, "SELECT count(*) FROM "+table).Scan(&n))
		return n
	}
	wait(func() bool {
		return sb.Stats().WebhooksDelivered == actions*events*copies && count("river_job WHERE state <> 'completed'") == 0
	})
	fmt.Fprintf(os.Stderr, "the simulator made %d deliveries of %d events; there were %d jobs and %d effects\n",
		sb.Stats().WebhookAttempts, actions*events, count("river_job"), count("action_history"))
}

func wait(done func() bool) {
	for !done() {
		time.Sleep(10 * time.Millisecond)
	}
}
