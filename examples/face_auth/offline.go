package main

import (
	"errors"
	"flag"

	"github.com/idngo-go/idngo/examples/internal/offline"
	"github.com/idngo-go/idngo/internal/simulator"
)

// Without credentials main talks to a simulator in this process. -outcome sets the
// result of its reviews. Leave this file out when you copy main.go.
func init() {
	sb := offline.Start(offline.Setup{Webhooks: true})
	flag.Func("outcome", "offline only: the `outcome` of the review: GREEN, RED, RED:LABEL,LABEL, ERROR or onHold", func(text string) error {
		if sb == nil {
			return errors.New("only a simulator has it")
		}
		outcome, err := simulator.ParseOutcome(text)
		if err != nil {
			return err
		}
		return sb.SetOutcome(outcome)
	})
}
