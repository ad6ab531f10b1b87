package simulator

import (
	"bufio"
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The simulator forgets applicants that nobody has added and that have no action, the oldest first.
func TestGuestsMakeRoom(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: it names a hundred users of a megabyte")
	}
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

func TestWebhooksOfRemoteSimulatorsStayPrivate(t *testing.T) {
	for address, ok := range map[string]bool{
		"127.0.0.1:80": true, "10.1.2.3:80": true, "172.17.0.2:8080": true, "[fd00::1]:80": true,
		"169.254.1.1:80": false, "[fe80::1%eth0]:80": false, "[fd00:ec2::254]:80": false,
		"192.0.2.1:80": false, "[2001:db8::1]:80": false, "nonsense": false,
	} {
		assert.Equal(t, ok, refusePublicHosts("tcp", address, nil) == nil, address)
	}
	for host, near := range map[string]bool{
		"app": true, "App.Local": true, "host.docker.internal": true, "x.test": true, "10.0.0.1": true, "::1": true,
		"169.254.169.254": false, "fe80::1": false, "::ffff:169.254.169.254": false,
		"": false, "example.com": false, "8.8.8.8": false, "internal.example.com": false,
	} {
		assert.Equal(t, near, isNear(host), host)
	}
}

func TestImageSize(t *testing.T) {
	picture := image.NewPaletted(image.Rect(0, 0, 31, 17), color.Palette{color.Black, color.White})
	var inPNG, inGIF, inJPEG bytes.Buffer
	require.NoError(t, png.Encode(&inPNG, picture))
	require.NoError(t, gif.Encode(&inGIF, picture, nil))
	require.NoError(t, jpeg.Encode(&inJPEG, picture, nil))
	size := func(text string) *wireResolution { return imageSize(bufio.NewReader(strings.NewReader(text))) }
	want := &wireResolution{31, 17}
	for _, text := range []string{inPNG.String(), inGIF.String(), inJPEG.String()} {
		assert.Equal(t, want, size(text))
		for cut := range 20 {
			assert.NotEqual(t, want, size(text[:min(cut, 9)]))
		}
	}
	padded := strings.Replace(inJPEG.String(), "\xff\xc0", "\xff\xff\xff\xc0", 1)
	assert.Equal(t, want, size(padded), "fill bytes before a marker")
	for _, text := range []string{
		"", "face", "\xff\xd8", "\xff\xd8x", "\xff\xd8\xff", "\xff\xd8\xff\xe0", "\xff\xd8\xff\xe0\xff\xff", "\xff\xd8\xff\xc0\x00\x11\x08",
	} {
		assert.Nil(t, size(text), "%q", text)
	}
}

func TestJournalKeepsTheLast(t *testing.T) {
	j := newJournal()
	for range 1200 {
		j.request(Request{}, time.Time{})
		j.delivery(&delivery{}, time.Time{})
	}
	for range 50 {
		j.attempt(1200, Delivery{}, []byte("\xff"), time.Time{}, 0)
		j.attempt(1, Delivery{}, nil, time.Time{}, 0) // this delivery is no longer stored
	}
	requests, deliveries := j.requestsSince(0), j.deliveriesSince(0)
	require.Len(t, requests, 500)
	require.Len(t, deliveries, 500)
	for i := range 500 {
		assert.Equal(t, uint64(701+i), requests[i].Number)
		assert.Equal(t, uint64(701+i), deliveries[i].Number)
	}
	assert.Len(t, deliveries[499].Attempts, 20)
	assert.Equal(t, "\uFFFD", deliveries[499].Attempts[0].Answer)
	_, ok := j.find(700)
	assert.False(t, ok)
	assert.Len(t, j.requestsSince(requests[497].revision), 2)
}

func TestWhatALevelAsksFor(t *testing.T) {
	seen := map[string]bool{}
	for _, kind := range []string{ActionFaceAuth, ActionQuestionnaire, ActionEmail, ActionPaymentMethod, "custom"} {
		text := asksFor(&action{kind: kind})
		assert.False(t, text == "" || seen[text], kind)
		seen[text] = true
	}
}

func TestNewLink(t *testing.T) {
	s, err := New(Config{})
	require.NoError(t, err)
	link, err := s.NewLink("http://127.0.0.1:1", "level", "alice", "pay-1", time.Minute)
	require.NoError(t, err)
	assert.Regexp(t, `^http://127\.0\.0\.1:1/idensic/l/#/[A-Z2-7]{26}$`, link)
	for _, args := range [][3]string{{"", "a", "b"}, {"a", "", "b"}, {"a", "b", ""}} {
		_, err := s.NewLink("http://127.0.0.1:1", args[0], args[1], args[2], time.Minute)
		assert.Error(t, err)
	}
}
