package main

import (
	"github.com/idngo-go/idngo/examples/internal/offline"
	"github.com/idngo-go/idngo/internal/sandbox"
)

// Without credentials main talks to a sandbox in this process. Leave this file
// out when you copy main.go.
func init() {
	offline.Start(offline.Setup{Level: sandbox.LevelQuestionnaire})
}
