package main

import (
	"fmt"
	"os"

	"github.com/idngo-go/idngo/examples/internal/offline"
	"github.com/idngo-go/idngo/internal/simulator"
)

// Without credentials main talks to a simulator in this process. Its links lead to
// a page where you choose the verdict. The page exists while main waits. Leave this
// file out when you copy main.go.
func init() {
	if offline.Start(offline.Setup{Config: simulator.Config{ManualReview: true}}) != nil {
		fmt.Fprintln(os.Stderr, "its links are dead when this program ends; with -wait that is after the verdict")
	}
}
