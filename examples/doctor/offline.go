package main

import (
	"errors"
	"flag"
	"os"
	"strings"
	"time"

	"github.com/idngo-go/idngo/examples/internal/offline"
	"github.com/idngo-go/idngo/internal/simulator"
)

// Without credentials main examines a simulator in this process, with an oddity of the wire if
// -quirk names one. Leave this file out when you copy the others.
func init() {
	cfg := simulator.Config{KnownOnly: true, ReviewDelay: simulator.NoReviewDelay}
	for i, arg := range os.Args {
		name, isFlag := strings.CutPrefix(strings.TrimLeft(arg, "-"), "quirk")
		if !isFlag || !strings.HasPrefix(arg, "-") {
			continue
		}
		if name == "" && i+1 < len(os.Args) {
			name = os.Args[i+1]
		}
		_ = cfg.Quirks.Set(strings.TrimPrefix(name, "=")) // flag.Parse reports an unknown name
	}
	server := offline.Start(offline.Setup{Config: cfg, Webhooks: true})
	flag.Func("quirk", "offline only: the `name` of an oddity of the wire, such as BareList", func(name string) error {
		if server == nil {
			return errors.New("-quirk works with the simulator only")
		}
		return new(simulator.Quirks).Set(name)
	})
	if server != nil {
		defaults.write, defaults.webhookAddr, defaults.webhookWait = true, os.Getenv("IDNGO_WEBHOOK_ADDR"), 10*time.Second
		defaults.reviewWait = 5 * time.Second
	}
}
