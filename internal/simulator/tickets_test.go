package simulator

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

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
