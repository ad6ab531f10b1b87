package idngo

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/idngo-go/idngo/internal/lenient"
	"github.com/idngo-go/idngo/internal/oneline"
	"github.com/idngo-go/idngo/internal/redact"
	"github.com/idngo-go/idngo/internal/retry"
)

// APIError is an answer of the service other than 2xx. Get it with errors.As, or use errors.Is with
// a sentinel such as [ErrNotFound].
//
// Names and codes follow related products; IDnGO documents no error bodies. Rely on StatusCode and
// Code: names and descriptions vary.
//
// Error, every verb of fmt, and slog show the description on one line of at most 300 bytes. There,
// [redacted] replaces what the call has sent:
//
//   - every id in the path, also in the form -;applicantId=ID, and every query value,
//   - every header value of [WithHeader], and its parts between commas, semicolons or spaces,
//   - every string and number of a JSON, NDJSON or form body, and the file name of an upload,
//   - every map key in [CreateActionParams].Extra or in a body of [Client.Do], nested ones
//     included; other JSON names stay,
//   - the app token, the secret key, the signature and the timestamp.
//
// Values of four or more characters are redacted, and their URL-, JSON-, HTML- and %q-escaped forms
// too. Shorter values stay. The fields Name and Description are not redacted: do not log them.
type APIError struct {
	// Operation names the endpoint, as [OperationFromContext] does.
	Operation string
	// StatusCode is the HTTP status. 405 and 415 most often mean a wrong base URL, or a proxy.
	StatusCode int
	// Code is the errorCode of the body, 0 if there is none.
	Code ErrorCode
	// Name is the errorName of the body, for example app-token-signature-mismatch. It is often
	// empty.
	Name string
	// Description is the service's own text. It may repeat what was sent.
	Description string
	// CorrelationID identifies the request. The vendor's support asks for it.
	CorrelationID string
	// RetryAfter is the wait that the answer asked for, 0 if it asked for none.
	RetryAfter time.Duration
	// Attempts is the number of attempts of the call, this one included.
	Attempts int

	method         string // the method that was called
	hasRetryAfter  bool
	outcomeUnknown bool
	imageChanged   bool   // a second hashing of the upload gave another signature
	html           bool   // the answer is a web page
	documented     bool   // the body has the service's form
	redirectHost   string // where a redirect pointed
	cause          error  // another error that ended the call, if there is one
	safe           string // Name, Description and CorrelationID as Error shows them
	safeID         string // CorrelationID as logs show it
}

// Error returns the error on one line, without what the call has sent. See [APIError].
func (e *APIError) Error() string {
	return "idngo: " + cmp.Or(e.method, e.Operation, "APIError") + ": " + e.detail()
}

func (e *APIError) detail() string {
	var line strings.Builder
	if step := stepOf(e.method, e.Operation); step != "" {
		line.WriteString(step + ": ")
	}
	if e.outcomeUnknown {
		line.WriteString(ErrOutcomeUnknown.Error() + ": ")
	}
	if e.imageChanged {
		line.WriteString(ErrImageChanged.Error() + ": ")
	}
	line.WriteString(strconv.Itoa(e.StatusCode))
	if text := http.StatusText(e.StatusCode); text != "" {
		line.WriteString(" " + text)
	}
	if e.html {
		line.WriteString(" (text/html, most likely from a proxy or gateway)")
	}
	if e.redirectHost != "" {
		line.WriteString(", redirect to " + e.redirectHost + " refused")
	}
	if e.Code != 0 {
		fmt.Fprintf(&line, ", code %d", int(e.Code))
	}
	line.WriteString(e.safe)
	if e.Attempts > 1 {
		fmt.Fprintf(&line, " (%d attempts)", e.Attempts)
	}
	if e.cause != nil {
		line.WriteString(": " + oneline.Line(e.cause.Error()))
	}
	return line.String()
}

// Format writes Error for every verb and flag.
func (e *APIError) Format(f fmt.State, verb rune) { oneline.Format(f, verb, e.Error()) }

// Is matches the sentinels of this package.
func (e *APIError) Is(target error) bool {
	switch target {
	case ErrUnauthorized, ErrForbidden, ErrNotFound, ErrConflict, ErrRateLimited:
		return target == sentinels[e.StatusCode]
	case ErrServer:
		return e.StatusCode >= 500
	case ErrRedirect:
		return e.StatusCode >= 300 && e.StatusCode < 400 && e.StatusCode != http.StatusNotModified
	case ErrSignatureMismatch:
		return e.signatureMismatch() && !e.imageChanged
	case ErrTimestampExpired:
		return e.Code == CodeTimestampExpired
	case ErrDuplicateImage:
		return e.Code == CodeDuplicateDocument
	case ErrImageTooLarge:
		return e.Code == CodeFileTooBig || e.Operation == opAddImage && e.StatusCode == http.StatusRequestEntityTooLarge
	case ErrImageChanged:
		return e.imageChanged
	case ErrOutcomeUnknown:
		return e.outcomeUnknown
	}
	return false
}

var sentinels = map[int]error{
	http.StatusUnauthorized: ErrUnauthorized, http.StatusForbidden: ErrForbidden, http.StatusNotFound: ErrNotFound,
	http.StatusConflict: ErrConflict, http.StatusTooManyRequests: ErrRateLimited,
}

// signatureMismatch reports whether the service found the signature wrong. A 401 without a code may
// say so in its text only.
func (e *APIError) signatureMismatch() bool {
	if e.Code != 0 || e.StatusCode != http.StatusUnauthorized {
		return e.Code == CodeSignatureMismatch
	}
	has := func(word string) bool { return strings.Contains(strings.ToLower(e.Name+" "+e.Description), word) }
	return has("signature") && !has("expired") && !has("missing") && !has("required") && !has("not found")
}

// Unwrap returns the error that prevented a further attempt, such as the context's, or nil.
func (e *APIError) Unwrap() error { return e.cause }

// Timeout reports whether Unwrap returns a timeout.
func (e *APIError) Timeout() bool { return oneline.IsTimeout(e.cause) }

// Temporary returns the same as Timeout, for [net.Error]. It does not tell whether to retry.
func (e *APIError) Temporary() bool { return oneline.IsTimeout(e.cause) }

// ErrorCode is the errorCode of an error body, finer than the HTTP status. It may be unknown.
type ErrorCode int

// The codes that related products list for documents and authentication.
const (
	CodeDuplicateDocument   ErrorCode = 1000 // 409: an exact copy
	CodeTooManyDocuments    ErrorCode = 1001 // 400
	CodeFileTooBig          ErrorCode = 1002 // 400
	CodeEmptyFile           ErrorCode = 1003 // 400
	CodeCorruptedFile       ErrorCode = 1004 // 400
	CodeUnsupportedFile     ErrorCode = 1005 // 400
	CodeNoUploadInProgress  ErrorCode = 1006 // 409
	CodeIncorrectFileSize   ErrorCode = 1007 // 409: outside of the dashboard's limits
	CodeApplicantDeleted    ErrorCode = 1008 // 409
	CodeApplicantRejected   ErrorCode = 1009 // 409: the rejection is final
	CodeDocTypeNotRequired  ErrorCode = 1010 // 409: the level does not ask for it
	CodeEncryptedFile       ErrorCode = 1011 // 400
	CodeAlreadyInState      ErrorCode = 3000
	CodeTokenInvalidFormat  ErrorCode = 4000 // 401
	CodeTokenNotFound       ErrorCode = 4001 // 401: unknown, or of the other environment
	CodeTokenPrivatePart    ErrorCode = 4002 // 401
	CodeSignatureMismatch   ErrorCode = 4003 // 401
	CodeTimestampExpired    ErrorCode = 4004 // 401
	CodeInvalidAuthValues   ErrorCode = 4005 // 401
	CodeMissingAuth         ErrorCode = 4006 // 401
	CodeInvalidParameters   ErrorCode = 4007 // 401
	CodeAlreadyBlocklisted  ErrorCode = 5000
	CodeAlreadyAllowlisted  ErrorCode = 5001
	CodeInvalidData         ErrorCode = 9100
	CodeMethodNotAllowed    ErrorCode = 9101
	CodeMaxAttemptsExceeded ErrorCode = 9105
)

// Sentinels are error values for errors.Is. One error may match several of them: an upload refused
// with 409 and code 1000 matches [ErrConflict] and [ErrDuplicateImage]; a create answered with 502
// matches [ErrServer] and [ErrOutcomeUnknown].
var (
	// ErrInvalidArgument is returned when an argument, option or credential is refused before
	// sending. The text names the method and what is wrong, never a value that a call would send.
	ErrInvalidArgument = errors.New("invalid argument")

	// ErrUnauthorized is returned when the service answers 401. Codes 4000 to 4002 mean a token that
	// is mistyped, deactivated, unknown, or of the other environment; code 4003 a wrong key, see
	// [ErrSignatureMismatch]; code 4004 a wrong clock, see [ErrTimestampExpired].
	ErrUnauthorized = errors.New("unauthorized")
	// ErrForbidden is returned when the service answers 403. The app token most likely lacks a
	// permission: compare its permissions in the dashboard.
	ErrForbidden = errors.New("forbidden")
	// ErrNotFound is returned when the service answers 404, and by FindAction when no action of the
	// applicant has the external id. A 404 of CreateAction most often means that the applicant or
	// the level belongs to the other environment, or that the level has another name.
	ErrNotFound = errors.New("not found")
	// ErrConflict is returned when the service answers 409: the state of the applicant, action or
	// image does not allow the call. Code says which.
	ErrConflict = errors.New("conflict")
	// ErrRateLimited is returned when the last attempt was answered 429; see [WithRateLimiter].
	ErrRateLimited = errors.New("rate limited")
	// ErrServer is returned when the service or a gateway before it answers 5xx.
	ErrServer = errors.New("server error")

	// ErrSignatureMismatch is returned when the service finds the signature wrong (code 4003, or a
	// 401 without a code whose text says so), and by [Signer.Verify]. The secret key most likely
	// belongs to another app token, or a proxy changes requests on their way.
	ErrSignatureMismatch = errors.New("signature mismatch")
	// ErrTimestampExpired is returned when the timestamp differs by more than 60 seconds from the
	// clock of the service (code 4004) or of [Signer.Verify]. The client corrects its clock and
	// retries the request once in a call; see [WithClock].
	ErrTimestampExpired = errors.New("timestamp expired")

	// ErrDuplicateImage is returned when the service already has this image (code 1000).
	ErrDuplicateImage = errors.New("duplicate image")
	// ErrImageTooLarge is returned when the service refuses an image for its size (code 1002, or an
	// upload answered 413).
	ErrImageTooLarge = errors.New("image too large")
	// ErrImageChanged is returned when the image changed between signing and sending.
	ErrImageChanged = errors.New("image changed while it was being sent")

	// ErrRedirect is returned when the answer is a redirect. The client does not follow it, because
	// net/http would send the signing headers to the new host. Correct the base URL.
	ErrRedirect = errors.New("redirect refused")
	// ErrOutcomeUnknown is returned when it is unknown whether a create, an upload, a submit or a
	// Do took effect. Call GetAction or FindAction before you retry. EnsureAction does this for
	// creates.
	ErrOutcomeUnknown = errors.New("outcome unknown")
	// ErrActionMismatch is returned when the service answers with another action or applicant than
	// the expected one. The text names the part that differs.
	ErrActionMismatch = errors.New("action mismatch")
	// ErrNotApproved is returned by RequireApproved when the review of the action is not completed
	// or its answer is not GREEN.
	ErrNotApproved = errors.New("not approved")
	// ErrResponseTooLarge is returned when a JSON answer is larger than 10 MiB.
	ErrResponseTooLarge = errors.New("response too large")

	// ErrWebhookSignature is returned when the digest of a webhook is missing, malformed, sent twice
	// or wrong.
	ErrWebhookSignature = errors.New("webhook signature mismatch")
	// ErrWebhookAlgorithm is returned when the digest algorithm that the sender names is unknown, sent
	// twice or not allowed by this receiver.
	ErrWebhookAlgorithm = errors.New("webhook digest algorithm not allowed")
	// ErrWebhookTooLarge is returned when the body of a webhook is larger than the receiver's
	// limit.
	ErrWebhookTooLarge = errors.New("webhook too large")
	// ErrWebhookMalformed is returned when the body of a webhook is not a JSON object with a type.
	ErrWebhookMalformed = errors.New("webhook malformed")
)

// invalid returns an ErrInvalidArgument that names a field and what is wrong with it, nil if
// nothing is. problem has no value that a call would send.
func invalid(field, problem string) error {
	if problem == "" {
		return nil
	}
	return &oneline.Error{Text: field + " " + problem, Causes: []error{ErrInvalidArgument}}
}

// checkArguments returns what is wrong with the arguments of a method as one error that begins
// with ErrInvalidArgument, nil if nothing is.
func checkArguments(method string, errs ...error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 0 {
		return nil
	}
	var problems []string
	causes := []error{ErrInvalidArgument}
	for _, err := range errs {
		var problem *oneline.Error
		if !errors.As(err, &problem) || !errors.Is(err, ErrInvalidArgument) {
			return err
		}
		problems = append(problems, strings.TrimPrefix(problem.Text, ErrInvalidArgument.Error()+": "))
		causes = append(causes, problem.Causes[1:]...)
	}
	return &oneline.Error{Method: method, Text: ErrInvalidArgument.Error() + ": " + strings.Join(problems, "; "), Causes: causes}
}

// methodError returns an error of a method that calls others. If err names a method, the text shows
// only the rest of err.
func methodError(method, text string, errs ...error) *oneline.Error {
	e := &oneline.Error{Method: method, Text: text, Causes: errs}
	for _, err := range errs {
		if e.Text != "" {
			e.Text += ": "
		}
		e.Text += errorDetail(err)
	}
	return e
}

// unknownIf returns ErrOutcomeUnknown, or nil if the outcome is known.
func unknownIf(unknown bool) error {
	if unknown {
		return ErrOutcomeUnknown
	}
	return nil
}

// errorDetail returns the text of an error without the method that it names.
func errorDetail(err error) string {
	switch err := err.(type) { //nolint:errorlint // a wrapped one says more
	case *APIError:
		return err.detail()
	case *oneline.Error:
		return err.Detail()
	}
	return strings.TrimPrefix(err.Error(), "idngo: ")
}

// stepOf returns the words for an endpoint, for example "list actions". It returns "" if it is the
// method's own.
func stepOf(method, operation string) string {
	if method == operation || method == "" {
		return ""
	}
	return strings.ToLower(strings.Join(wordsOf.FindAllString(operation, -1), " "))
}

var wordsOf = regexp.MustCompile(`WebSDK|[A-Z][a-z]*`)

// transient reports whether the same call may succeed later. Polling goes on after such an error.
func transient(err error) bool {
	var api *APIError
	if errors.As(err, &api) {
		return retry.Passes(api.StatusCode, api.hasRetryAfter)
	}
	var call *oneline.Error
	return errors.As(err, &call) && call.Transient
}

// parseErrorBody fills e from the body of an error answer. It ignores what is not as documented.
func (e *APIError) parseErrorBody(body []byte) {
	members := lenient.Members(body, []string{"errorName", "description", "correlationId"}, []string{"errorCode"})
	e.Name, e.Description, e.CorrelationID = members[0], members[1], members[2]
	e.documented = e.Description != "" || e.CorrelationID != ""
	if code, err := strconv.ParseInt(members[3], 10, 32); err == nil {
		e.Code = ErrorCode(code)
	}
}

// show sets the texts that Error and logs show. takeOut removes the values that were sent.
func (e *APIError) show(takeOut func(texts ...string) []string) {
	texts := takeOut(e.Name, e.Description, e.CorrelationID, e.redirectHost)
	e.safe = ""
	for i, before := range []string{" ", ": ", ", correlation id ", ""} {
		if texts[i] = redact.OneLine(texts[i]); texts[i] != "" && before != "" {
			e.safe += before + texts[i]
		}
	}
	e.safeID, e.redirectHost = texts[2], texts[3]
}

// An argument is a required value of a call, its name in errors, and the place where it is sent.
type argument struct {
	name, value string
	place       place
}

type place bool

const inPath, elsewhere place = true, false // inPath: it is a segment of the path

func (a argument) check() error {
	switch {
	case a.value == "":
		return invalid(a.name, "is empty")
	case a.place == inPath && (a.value == "." || a.value == ".."):
		return invalid(a.name, "is a dot segment")
	}
	return nil
}

func checkID(name, id string) error     { return argument{name, id, inPath}.check() }
func required(name, value string) error { return argument{name, value, elsewhere}.check() }

// validText refuses invalid UTF-8, which JSON cannot carry unchanged.
func validText(name, text string) error {
	if !utf8.ValidString(text) {
		return invalid(name, "is not valid UTF-8")
	}
	return nil
}
