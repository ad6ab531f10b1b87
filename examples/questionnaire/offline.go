package main

import (
	"github.com/idngo-go/idngo/examples/internal/offline"
	"github.com/idngo-go/idngo/internal/simulator"
)

// Without credentials main talks to a simulator in this process. Leave this file
// out when you copy main.go.
func init() {
	offline.Start(offline.Setup{Level: simulator.LevelQuestionnaire})
}
