package e2e_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
)

// oddList is a service that lists actions as a script describes. The first four bytes of the script
// choose the envelope, the total, the pages after the last one, and the answers for single actions.
// Each other byte is an entry or the end of a page.
type oddList struct {
	envelope, total, after, single byte
	pages                          [][]oddEntry
	requests                       int
	served                         []oddEntry // the entries on the pages that were fetched
	servedAlone                    bool       // whether the wanted action was fetched alone
}

// oddEntry is one action of an oddList.
type oddEntry struct {
	text   string // the JSON of the entry
	id     string
	target bool // whether it has the wanted external id
}

// newOddList returns the service of a script.
func newOddList(script []byte) *oddList {
	list := &oddList{pages: [][]oddEntry{nil}}
	for _, choice := range []*byte{&list.envelope, &list.total, &list.after, &list.single} {
		if len(script) > 0 {
			*choice, script = script[0], script[1:]
		}
	}
	for i, b := range script {
		id := fmt.Sprintf("a%d", i)
		entry := oddEntry{text: fmt.Sprintf(`{"id":%q,"externalActionId":"e%d"}`, id, b), id: id}
		switch b % 16 {
		case 1:
			entry = oddEntry{text: fmt.Sprintf(`{"id":%q,"externalActionId":"target"}`, id), id: id, target: true}
		case 2:
			entry.text = fmt.Sprintf(`{"id":%q}`, id)
		case 3:
			entry.text, entry.id = `{"id":"a0","externalActionId":"again"}`, "a0"
		case 4:
			entry = oddEntry{text: "null"}
		case 5:
			entry.text, entry.id = fmt.Sprintf(`{"id":%d,"externalActionId":7}`, i), strconv.Itoa(i)
		case 6:
			entry = oddEntry{text: `{"externalActionId":"no id"}`}
		case 7:
			entry.text = fmt.Sprintf(`{"id":%q,"externalActionId":null,"createdAt":[]}`, id)
		case 8, 9:
			list.pages = append(list.pages, nil)
			continue
		}
		last := &list.pages[len(list.pages)-1]
		*last = append(*last, entry)
	}
	return list
}

// RoundTrip answers a request for a page or for an action.
func (l *oddList) RoundTrip(r *http.Request) (*http.Response, error) {
	l.requests++
	status, text := http.StatusOK, ""
	if strings.Contains(r.URL.Path, "applicantId=") {
		text = l.page(l.requests - 1)
	} else {
		id := path.Base(path.Dir(r.URL.Path)) // the element before the last one
		switch l.single % 4 {
		case 0:
			text = fmt.Sprintf(`{"id":%q,"externalActionId":"target"}`, id)
			l.servedAlone = true
		case 1:
			text = fmt.Sprintf(`{"id":%q,"externalActionId":"another"}`, id)
		case 2:
			text = fmt.Sprintf(`{"id":%q}`, id)
		default:
			status, text = http.StatusNotFound, `{"code":404,"description":"no"}`
		}
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

// page returns the page with a number. After the last page it returns empty pages or the same pages
// again.
func (l *oddList) page(number int) string {
	var entries []oddEntry
	switch {
	case number < len(l.pages):
		entries = l.pages[number]
	case l.after%3 == 1:
		entries = l.pages[number%len(l.pages)]
	case l.after%3 == 2:
		entries = l.pages[len(l.pages)-1]
	}
	texts := make([]string, len(entries))
	for i, entry := range entries {
		texts[i] = entry.text
	}
	l.served = append(l.served, entries...)
	total := []string{"", `,"totalItems":0`, `,"totalItems":1000000`, `,"totalItems":"7"`, `,"totalItems":-1`, `,"totalItems":null`}[l.total%6]
	page := `"items":[` + strings.Join(texts, ",") + `]` + total
	switch l.envelope % 4 {
	case 0:
		return `{"list":{` + page + `}}`
	case 1:
		return `{` + page + `}`
	case 2:
		return `{"list":null,` + page + `}`
	default:
		return `{"list":{` + page + `},"items":[]}`
	}
}

// hasTarget reports whether the service has returned the wanted action. If an id comes again, only
// its first entry counts.
func (l *oddList) hasTarget() bool {
	told := map[string]bool{}
	for _, entry := range l.served {
		if entry.target && !told[entry.id] {
			return true
		}
		told[entry.id] = entry.id != ""
	}
	return l.servedAlone
}

// FuzzFindAction searches for an action in the odd lists of a hostile service. The search always
// ends. It finds an action that the service has returned, or returns an error.
func FuzzFindAction(f *testing.F) {
	for _, script := range []string{
		"", "0000", "0000\x10\x11\x12", "0000\x10\x18\x11", "0100\x12\x13\x14\x15\x16", "0010\x10\x18\x20", "0020\x10\x18\x20\x18\x30",
		"1111\x10\x11", "2222\x14\x14\x18\x11", "3333\x12\x12\x18\x12", "0003\x12\x18\x11", "0001\x12\x17\x18\x13\x11",
	} {
		f.Add([]byte(script))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 256 {
			t.Skip("longer scripts tell nothing new")
		}
		list := newOddList(script)
		client := faultnet.NewClient(t, list, faultnet.OneAttempt())
		action, err := client.FindAction(t.Context(), "app-1", "target")
		assert.LessOrEqual(t, list.requests, 2*len(script)+3*len(list.pages)+10, "it ends")
		switch {
		case err == nil:
			assert.Equal(t, "target", action.ExternalActionID)
			assert.True(t, list.hasTarget())
			assert.NotEmpty(t, action.ID)
		case errors.Is(err, idngo.ErrNotFound):
			assert.False(t, list.hasTarget(), "the action was served")
		default:
			assertSoundError(t, err)
		}
	})
}

// The iteration also ends for a service that ignores the offset and returns two pages in turn.
func TestAllActionsOfAServiceThatAlternates(t *testing.T) {
	t.Parallel()
	list := newOddList([]byte("\x00\x00\x01\x00\x20\x08\x30"))
	client := faultnet.NewClient(t, list, faultnet.OneAttempt())
	_, err := client.FindAction(t.Context(), "app-1", "target")
	require.Error(t, err)
	require.NotErrorIs(t, err, idngo.ErrNotFound)
	assert.Equal(t, 5, list.requests)
}
