package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/idngo-go/idngo"
)

// shapes has the shapes that were seen on the wire, without values. It also has the values that
// must not be shown.
type shapes struct {
	mu     sync.Mutex
	seen   map[string]any
	hidden map[string]bool
}

// hide adds values that the report must not have.
func (s *shapes) hide(values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hidden == nil {
		s.hidden, s.seen = map[string]bool{}, map[string]any{}
	}
	for _, value := range values {
		if len(value) >= 4 {
			s.hidden[value] = true
		}
	}
}

// keep records the shape of an answer.
func (s *shapes) keep(call string, answer *idngo.Response) {
	if answer.StatusCode == 0 {
		return
	}
	s.hideValues(decode(answer.Body))
	media, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[call] = map[string]any{
		"status": answer.StatusCode, "mediaType": mediaShape(media), "headers": headerNames(answer.Header),
		"body": shapeOf("", decode(answer.Body)),
	}
}

// keepDelivery records the shape of a webhook.
func (s *shapes) keepDelivery(kind string, header http.Header, body []byte) {
	s.hideValues(decode(body))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen["webhook "+kind] = map[string]any{
		"headers": headerNames(header), "algorithm": algorithmShape(header),
		"order": keyOrder(body), "body": shapeOf("", decode(body)),
	}
}

// hideValues hides every text and long number of a JSON value.
func (s *shapes) hideValues(value any) {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			if text, ok := member.(string); !ok || name != "errorName" || !slices.Contains(errorNames, text) {
				s.hideValues(member)
			}
		}
	case []any:
		for _, element := range value {
			s.hideValues(element)
		}
	case string:
		if known(value) == "another" {
			s.hide(value)
		}
	case json.Number:
		if len(value) >= 6 {
			s.hide(value.String())
		}
	}
}

// clean removes hidden values from the report. The shapes should contain none.
func (s *shapes) clean(value any) any {
	switch value := value.(type) {
	case map[string]any:
		cleaned := make(map[string]any, len(value))
		for name, member := range value {
			cleaned[s.cleanText(name)] = s.clean(member)
		}
		return cleaned
	case []any:
		for i := range value {
			value[i] = s.clean(value[i])
		}
		return value
	case string:
		return s.cleanText(value)
	}
	return value
}

func (s *shapes) cleanText(text string) string {
	for _, value := range slices.SortedFunc(maps.Keys(s.hidden), func(a, b string) int { return cmp.Compare(len(b), len(a)) }) {
		if len(value) >= 8 || value == text {
			text = strings.ReplaceAll(text, value, "[removed]")
		}
	}
	return text
}

// writeReport writes a report for a public issue.
func (d *doctor) writeReport() error {
	lines := make([]any, 0, len(d.lines))
	for _, l := range d.lines {
		lines = append(lines, map[string]any{"section": l.section, "id": l.id, "verdict": l.verdict, "seen": l.seen})
	}
	d.shapes.mu.Lock()
	defer d.shapes.mu.Unlock()
	report := map[string]any{
		"client": idngo.Version, "go": runtime.Version(), "system": runtime.GOOS + "/" + runtime.GOARCH,
		"sandbox": d.sandbox, "write": d.mayWrite(), "lines": lines, "answers": anyMap(d.shapes.seen),
	}
	// After the detour through JSON, clean meets only maps, lists and texts.
	text, err := json.Marshal(report)
	if err != nil {
		return err
	}
	cleaned := d.shapes.clean(decode(text))
	if text, err = json.MarshalIndent(cleaned, "", "  "); err != nil {
		return err
	}
	if err := os.WriteFile(d.reportPath, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	fmt.Fprintf(d.out, "The report in %s has no data of the account. Read it before you attach it to an issue.\n", d.reportPath)
	return nil
}

func anyMap(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// shapeOf returns a JSON value with types in place of values. It leaves out opaqueNames.
func shapeOf(name string, value any) any {
	switch value := value.(type) {
	case map[string]any:
		if name != "" && !modelNames[name] || slices.Contains(opaqueNames, name) {
			return "object, left out"
		}
		shape := map[string]any{}
		for member, v := range value {
			shape[memberName(member)] = shapeOf(member, v)
		}
		return shape
	case []any:
		if name != "" && !modelNames[name] || slices.Contains(opaqueNames, name) {
			return "array, left out"
		}
		if len(value) == 0 {
			return "empty array"
		}
		return []any{shapeOf(name, value[0])}
	case string:
		if form := dateForm(value); strings.HasPrefix(form, "0000-") {
			return "date " + form
		}
		if name == "errorName" && slices.Contains(errorNames, value) {
			return "text " + value
		}
		if name == "reviewStatus" || name == "reviewAnswer" || name == "answer" {
			return "text " + known(value)
		}
		if hexDigits.MatchString(value) {
			return fmt.Sprintf("%d hex digits", len(value))
		}
		return "text"
	}
	if number, ok := value.(json.Number); ok && (name == "code" || name == "errorCode") && len(number) <= 5 {
		return "number " + number.String()
	}
	return kind(value)
}

var (
	hexDigits   = regexp.MustCompile(`^[0-9a-f]{24,64}$`)
	plainName   = regexp.MustCompile(`^[a-z][A-Za-z]{0,29}$`)
	plainHeader = regexp.MustCompile(`^[A-Za-z][A-Za-z-]{0,39}$`)
	dateLike    = regexp.MustCompile(`^0000-00-00[ T]00:00:00(\.0{1,9})?(Z|[+-]00:?00)?$`)
	digits      = regexp.MustCompile(`[0-9]`)
)

// errorNames has the errorNames that the report may have. Another one may contain data of the
// account. Those with spaces are texts of the vendor's table of errors, which may be the names too.
var errorNames = []string{
	"duplicate-document", "too-many-documents", "file-too-big", "empty-file", "corrupted-file", "unsupported-file-format",
	"no-upload-verification-in-progress", "incorrect-file-size", "applicant-marked-as-deleted",
	"applicant-with-final-reject", "doc-type-not-in-req-docs", "encrypted-file",
	"applicant already in that state", "already-in-that-state",
	"app-token-invalid-format", "app-token-not-found", "app-token-private-part-mismatch",
	"app-token-signature-mismatch", "app-token-signature mismatch", "time stamp expired", "app-token-timestamp-expired",
	"invalid auth values", "not all auth parameters", "invalid parameters",
	"already block-listed", "already allow-listed", "invalid-data", "method-not-allowed", "max-attempts",
}

// opaqueNames has the members with answers and personal data. Even the names inside of them may be
// data.
var opaqueNames = []string{"questionnaires", "sections", "info", "fixedInfo", "metadata", "tags", "fields", "extractedInfo"}

// modelNames has the names of the members that the client knows. The report has the names of
// other members, but not their values.
var modelNames = func() map[string]bool {
	names := map[string]bool{"list": true}
	for _, model := range []reflect.Type{
		reflect.TypeFor[idngo.Action](), reflect.TypeFor[idngo.ActionPage](), reflect.TypeFor[idngo.Applicant](),
		reflect.TypeFor[idngo.WebhookEvent](),
	} {
		addNames(names, model)
	}
	return names
}()

func addNames(names map[string]bool, model reflect.Type) {
	for model.Kind() == reflect.Pointer || model.Kind() == reflect.Slice {
		model = model.Elem()
	}
	if model.Kind() != reflect.Struct {
		return
	}
	for _, field := range reflect.VisibleFields(model) {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" && name != "-" {
			names[name] = true
			addNames(names, field.Type)
		}
	}
}

// memberName returns the name of a member if it has the form of a name.
func memberName(name string) string {
	if plainName.MatchString(name) {
		return name
	}
	return "a name that is left out"
}

// dateForm returns a date with 0 for every digit, "none" for the empty text.
func dateForm(text string) string {
	form := digits.ReplaceAllString(text, "0")
	switch {
	case text == "":
		return "none"
	case dateLike.MatchString(form):
		return form
	}
	return "another form"
}

// knownTexts has the values that the report may have.
var knownTexts = []string{
	"init", "pending", "queued", "prechecked", "completed", "onHold", "GREEN", "RED", "YELLOW", "ERROR", "IGNORED",
}

// known returns a text that everybody may see, and "another" for any other text.
func known(text string) string {
	switch {
	case text == "":
		return "none"
	case slices.Contains(knownTexts, text):
		return text
	}
	return "another"
}

func kind(value any) string {
	switch value.(type) {
	case nil:
		return "missing or null"
	case map[string]any:
		return "an object"
	case []any:
		return "an array"
	case string:
		return "a text"
	case json.Number:
		return "a number"
	}
	return "a boolean"
}

func mediaShape(media string) string {
	switch media {
	case "":
		return "no media type"
	case "application/json", "text/html", "text/plain", "image/jpeg", "image/png", "application/octet-stream", "application/pdf":
		return media
	}
	return "another media type"
}

func headerNames(header http.Header) (names []string) {
	for name := range header {
		if plainHeader.MatchString(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func memberNames(object map[string]any) (names []string) {
	for name := range object {
		names = append(names, memberName(name))
	}
	slices.Sort(names)
	return names
}

// answerShape returns a short description of an answer.
func answerShape(answer *idngo.Response) string {
	if answer.StatusCode == 0 {
		return "no answer"
	}
	body := object(answer.Body)
	text := fmt.Sprintf("status %d", answer.StatusCode)
	switch {
	case len(bytes.TrimSpace(answer.Body)) == 0:
		text += ", no body"
	case body == nil:
		text += ", no JSON object"
	case answer.StatusCode >= 400:
		if code, ok := body["errorCode"].(json.Number); ok && len(code) <= 5 {
			text += ", code " + code.String()
		} else {
			text += ", no code"
		}
		text += ", " + nameShape(body) + ", " + descriptionShape(body)
	default:
		text += ", an object"
	}
	return text
}

// nameShape returns the errorName of a body, if the report may have it.
func nameShape(body map[string]any) string {
	name, ok := body["errorName"]
	text, _ := name.(string)
	switch {
	case !ok || name == nil || name == "":
		return "no name"
	case slices.Contains(errorNames, text):
		return "name " + text
	}
	return "name another"
}

func descriptionShape(body map[string]any) string {
	if text(body, "description") == "" {
		return "no description"
	}
	return "description"
}

// errorShape returns a short description of an error.
func errorShape(err error) string {
	var api *idngo.APIError
	switch {
	case err == nil:
		return "accepted"
	case errors.As(err, &api) && api.Code != 0:
		return fmt.Sprintf("status %d, code %d", api.StatusCode, api.Code)
	case errors.As(err, &api):
		return fmt.Sprintf("status %d, no code", api.StatusCode)
	case errors.Is(err, idngo.ErrActionMismatch):
		return "an answer about something else"
	}
	return "no usable answer"
}

func outcome(err error) string {
	if err == nil {
		return "accepted"
	}
	return "refused, " + errorShape(err)
}

// printable replaces characters from the wire that could control the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

func decode(body []byte) (value any) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil {
		return nil
	}
	return value
}

func object(body []byte) map[string]any {
	members, _ := decode(body).(map[string]any)
	return members
}

func text(object map[string]any, name string) string {
	value, _ := object[name].(string)
	return value
}

func firstItem(list map[string]any) map[string]any {
	items, _ := list["items"].([]any)
	if len(items) == 0 {
		return nil
	}
	item, _ := items[0].(map[string]any)
	return item
}

// oddMembers returns the members of an action whose JSON type differs from that of the model's
// field.
func oddMembers(body []byte) []string {
	return oddIn("", decode(body), reflect.TypeFor[idngo.Action]())
}

func oddIn(path string, value any, want reflect.Type) (odd []string) {
	for want.Kind() == reflect.Pointer {
		want = want.Elem()
	}
	wanted := map[reflect.Kind]string{
		reflect.Struct: "an object", reflect.Map: "an object", reflect.Slice: "an array", reflect.String: "a text",
		reflect.Bool: "a boolean", reflect.Int: "a number", reflect.Int64: "a number", reflect.Float64: "a number",
	}[want.Kind()]
	switch want {
	case reflect.TypeFor[idngo.Time]():
		wanted = "a text"
	case reflect.TypeFor[json.RawMessage](), reflect.TypeFor[json.Number](), reflect.TypeFor[idngo.ImageID](),
		reflect.TypeFor[idngo.Questionnaire]():
		return nil
	}
	if value == nil {
		return nil
	}
	if kind(value) != wanted {
		return []string{path + " is " + kind(value)}
	}
	switch value := value.(type) {
	case []any:
		for _, element := range value {
			odd = append(odd, oddIn(path+"[]", element, want.Elem())...)
		}
	case map[string]any:
		if want.Kind() != reflect.Struct {
			return nil
		}
		for _, field := range reflect.VisibleFields(want) {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if member, ok := value[name]; ok && name != "" {
				odd = append(odd, oddIn(strings.TrimPrefix(path+"."+name, "."), member, field.Type)...)
			}
		}
	}
	slices.Sort(odd)
	return slices.Compact(odd)
}
