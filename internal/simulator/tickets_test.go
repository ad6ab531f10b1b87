package simulator

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Applicants that nobody has added and that have no action are forgotten, oldest
// first.
func TestGuestsMakeRoom(t *testing.T) {
	t.Parallel()
	s, err := New(Config{})
	require.NoError(t, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	find := func(user string) *applicant {
		a, refused := s.findUser(user)
		require.Nil(t, refused)
		return a
	}
	kept, gone := find("kept"), find("gone")
	_, refused := s.newAction(kept, "level", createRequest{ExternalActionID: "a"}, nil)
	require.Nil(t, refused)
	long := strings.Repeat("x", 1<<20)
	for n := range 100 {
		find(fmt.Sprint(n, long))
		assert.LessOrEqual(t, s.applicantBytes, int64(applicantMemory))
	}
	assert.Same(t, kept, s.applicants[kept.ID])
	assert.NotContains(t, s.applicants, gone.ID)
	assert.NotContains(t, s.users, "gone")
	assert.Contains(t, s.applicants, DefaultApplicantID)
	assert.Less(t, len(s.applicants), 100)
	assert.Len(t, s.users, len(s.applicants))
	_, refused = s.findUser(strings.Repeat("x", applicantMemory))
	assert.Equal(t, 400, refused.status)
}

func TestOldestTicketsGo(t *testing.T) {
	now := time.Now()
	box := newTicketBox(3)
	find := func() (states []ticketState) {
		for _, key := range []string{"a", "b", "c", "d", "e"} {
			_, state := box.find(key, now)
			states = append(states, state)
		}
		return states
	}
	const u, v = ticketUnknown, ticketValid
	valid := ticket{expires: now.Add(time.Second)}
	for _, key := range []string{"a", "b", "c"} {
		box.add(key, valid)
	}
	assert.Equal(t, []ticketState{v, v, v, u, u}, find())
	box.add("d", valid)
	assert.Equal(t, []ticketState{u, v, v, v, u}, find())
	box.add("e", ticket{expires: now})
	assert.Equal(t, []ticketState{u, u, v, v, ticketExpired}, find())
	box.add("a", valid)
	box.add("b", valid)
	assert.Equal(t, []ticketState{v, v, u, u, ticketExpired}, find())
}

func TestWebhooksDialLoopbackOnly(t *testing.T) {
	for address, ok := range map[string]bool{
		"127.0.0.1:80": true, "[::1]:80": true, "[::ffff:127.0.0.1]:80": true,
		"192.0.2.1:80": false, "[2001:db8::1]:80": false, "nonsense": false,
	} {
		assert.Equal(t, ok, refuseOtherHosts("tcp", address, nil) == nil, address)
	}
}
