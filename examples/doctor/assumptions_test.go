package main

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// The doctor has exactly the assumptions of testdata/assumptions.json. TestOffline shows that each
// of them has a check.
func TestAssumptions(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../testdata/assumptions.json")
	require.NoError(t, err)
	var file struct {
		Assumptions []struct {
			ID, Section, Assume, Switch string
			ClientWorks                 bool
		}
	}
	require.NoError(t, json.Unmarshal(text, &file))
	var want []assumption
	for _, a := range file.Assumptions {
		want = append(want, assumption{id: a.ID, section: a.Section, expected: a.Assume, advice: a.Switch, works: a.ClientWorks})
	}
	require.Equal(t, want, assumptions)
}
