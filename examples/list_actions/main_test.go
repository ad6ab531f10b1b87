package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
)

// The text of an id stays in its cell and cannot control the terminal.
func TestPrintTable(t *testing.T) {
	t.Parallel()
	action := &idngo.Action{ID: "1\r2", ExternalActionID: "tab\there\nnewline\x1b[31mred \u202edər Жұмыс"}
	action.Review.ReviewStatus = "com\x00pleted"
	action.Review.ReviewResult.RejectLabels = []idngo.RejectLabel{"A\x9b", "B"}
	var out bytes.Buffer
	require.NoError(t, printTable(&out, []*idngo.Action{action, {}}))
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	require.Len(t, lines, 3)
	require.Regexp(t, `  1\?2     tab\?here\?newline\?\[31mred \?dər Жұмыс  com\?pleted          A.?, B$`, lines[1])
	require.NotContains(t, lines[1], "\x9b")
}

// If the table cannot be written, for example because the disk is full, printTable returns an
// error.
func TestPrintTableFails(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	require.NoError(t, r.Close())
	require.ErrorIs(t, printTable(w, []*idngo.Action{{ID: "1"}}), io.ErrClosedPipe)
}

// The program refuses a filter that it would ignore.
func TestExternalIDAlone(t *testing.T) {
	t.Parallel()
	for _, f := range []filter{{status: "completed"}, {answer: idngo.ReviewAnswerRed}, {since: 1}, {max: 1}} {
		require.EqualError(t, run("applicant", "payment-1", f), "-external-id names one action: use no other filter with it")
	}
}
