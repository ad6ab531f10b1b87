package idngo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// APIError is an answer of the service other than 2xx. Get at it with
// errors.As, or ask errors.Is for one of the sentinels below.
//
// IDnGO documents no error body; names and codes are those of its API family.
// Rely on StatusCode and Code: names and descriptions vary.
//
// Error, and with it every verb of fmt and slog, shows the description with
// each value that the call had sent (ids, query, body, credentials; from four
// characters on) replaced by [redacted]; what else the service chooses to say is
// its own. The fields hold what the service said, unchanged.
type APIError struct {
	// Operation names the endpoint: CreateAction, CreateWebSDKLink, AddImage,
	// SubmitAction, GetAction, ListActions, OpenImage, CreateAccessToken, Do.
	Operation string
	// StatusCode is the HTTP status.
	StatusCode int
	// Code is the errorCode of the body, 0 when it has none.
	Code ErrorCode
	// Name is the errorName of the body, for example
	// app-token-signature-mismatch. Often empty.
	Name string
	// Description is the service's own text. It may repeat what was sent.
	Description string
	// CorrelationID is what the vendor's support asks for.
	CorrelationID string
	// RetryAfter is the wait that the answer asked for; 0 when it did not.
	RetryAfter time.Duration
	// Attempts is how many attempts the call made, this one included.
	Attempts int

	hasRetryAfter  bool
	outcomeUnknown bool
	imageChanged   bool   // the second hashing of an upload gave another signature
	redirectHost   string // where a redirect pointed
	cause          error  // what else ended the call, if anything
	safe           string // what Error shows of Name, Description and CorrelationID
	safeID         string // CorrelationID as logs show it
}

// Error shows nothing that the call had sent; see [APIError].
func (e *APIError) Error() string {
	var b strings.Builder
	b.WriteString("idngo: ")
	b.WriteString(e.Operation)
	b.WriteString(": ")
	if e.outcomeUnknown {
		b.WriteString("outcome unknown: ")
	}
	if e.imageChanged {
		b.WriteString(ErrImageChanged.Error() + ": ")
	}
	b.WriteString(strconv.Itoa(e.StatusCode))
	if text := http.StatusText(e.StatusCode); text != "" {
		b.WriteString(" " + text)
	}
	if e.redirectHost != "" {
		b.WriteString(", redirect to " + e.redirectHost + " refused")
	}
	if e.Code != 0 {
		fmt.Fprintf(&b, ", code %d", int(e.Code))
	}
	b.WriteString(e.safe)
	if e.Attempts > 1 {
		fmt.Fprintf(&b, " (%d attempts)", e.Attempts)
	}
	if e.cause != nil {
		b.WriteString(": " + e.cause.Error())
	}
	return b.String()
}

// Format writes Error for every verb and flag.
func (e *APIError) Format(f fmt.State, verb rune) { formatError(f, verb, e.Error()) }

// GoString is Error, so that %#v shows no field that the service may have
// filled with what it was sent.
func (e *APIError) GoString() string { return e.Error() }

// Is matches the sentinels of this package.
func (e *APIError) Is(target error) bool {
	switch target {
	case ErrUnauthorized:
		return e.StatusCode == http.StatusUnauthorized
	case ErrForbidden:
		return e.StatusCode == http.StatusForbidden
	case ErrNotFound:
		return e.StatusCode == http.StatusNotFound
	case ErrConflict:
		return e.StatusCode == http.StatusConflict
	case ErrRateLimited:
		return e.StatusCode == http.StatusTooManyRequests
	case ErrServer:
		return e.StatusCode >= 500
	case ErrRedirect:
		return e.StatusCode >= 300 && e.StatusCode < 400
	case ErrSignatureMismatch:
		return e.Code == CodeSignatureMismatch && !e.imageChanged
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

// Unwrap gives what else ended the call, for example the error of a context
// that would not have survived the wait for another attempt.
func (e *APIError) Unwrap() error { return e.cause }

// ErrorCode is the errorCode of an error body: the vendor family's number for
// what went wrong, finer than the HTTP status. Unknown numbers pass through.
type ErrorCode int

// The codes that the vendor family lists for documents and authentication.
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
	CodeApplicantRejected   ErrorCode = 1009 // 409: finally
	CodeDocTypeNotRequired  ErrorCode = 1010 // 409: the level does not ask for it
	CodeEncryptedFile       ErrorCode = 1011 // 400
	CodeAlreadyInState      ErrorCode = 3000
	CodeTokenInvalidFormat  ErrorCode = 4000 // 401
	CodeTokenNotFound       ErrorCode = 4001 // 401: or of the other environment
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

// Sentinels for errors.Is. One error may match several of them: an upload
// refused with 409 and code 1000 is an [ErrConflict] and an
// [ErrDuplicateImage]; an action created with an answer of 502 is an
// [ErrServer] and an [ErrOutcomeUnknown].
var (
	// ErrInvalidArgument: refused on this side, before anything was sent. The
	// text names the field or option, never its value.
	ErrInvalidArgument = errors.New("invalid argument")

	// ErrUnauthorized: the service answered 401.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrForbidden: the service answered 403.
	ErrForbidden = errors.New("forbidden")
	// ErrNotFound: the service answered 404, or FindAction has seen every
	// action of the applicant and none carries the external id.
	ErrNotFound = errors.New("not found")
	// ErrConflict: the service answered 409.
	ErrConflict = errors.New("conflict")
	// ErrRateLimited: the service answered 429, and still did when the
	// attempts were used up.
	ErrRateLimited = errors.New("rate limited")
	// ErrServer: the service or a gateway before it answered 5xx.
	ErrServer = errors.New("server error")

	// ErrSignatureMismatch: the signature was found wrong, by the service
	// (code 4003) or by [Signer.Verify].
	ErrSignatureMismatch = errors.New("signature mismatch")
	// ErrTimestampExpired: the timestamp was more than 60 seconds from the
	// clock of the service (code 4004) or of [Signer.Verify].
	ErrTimestampExpired = errors.New("timestamp expired")

	// ErrDuplicateImage: the service has this very image already (code 1000).
	ErrDuplicateImage = errors.New("duplicate image")
	// ErrImageTooLarge: the service refused the image for its size (code 1002,
	// or an upload answered 413).
	ErrImageTooLarge = errors.New("image too large")
	// ErrImageChanged: the image source gave other bytes when it was sent than
	// when it was signed.
	ErrImageChanged = errors.New("image changed while it was being sent")

	// ErrRedirect: the answer was a redirect. It was not followed: net/http
	// would hand the signing headers to the host it names.
	ErrRedirect = errors.New("redirect refused")
	// ErrOutcomeUnknown: a create, upload or submit may have happened, unseen.
	// Look before you call again; EnsureAction does.
	ErrOutcomeUnknown = errors.New("outcome unknown")
	// ErrActionMismatch: an action is not the one that was expected. The text
	// says which part differs.
	ErrActionMismatch = errors.New("action mismatch")
	// ErrResponseTooLarge: a JSON answer was larger than 10 MiB.
	ErrResponseTooLarge = errors.New("response too large")

	// ErrWebhookSignature: the digest is missing, malformed, doubled or wrong.
	ErrWebhookSignature = errors.New("webhook signature mismatch")
	// ErrWebhookAlgorithm: the digest algorithm named by the sender is unknown,
	// doubled or not allowed by this receiver.
	ErrWebhookAlgorithm = errors.New("webhook digest algorithm not allowed")
	// ErrWebhookTooLarge: the body is larger than the receiver's limit.
	ErrWebhookTooLarge = errors.New("webhook too large")
	// ErrWebhookMalformed: the body is not a JSON object with a type.
	ErrWebhookMalformed = errors.New("webhook malformed")
)

// invalid is an ErrInvalidArgument that names a field and says what is wrong
// with it. The value itself never goes into it.
func invalid(field, problem string) error {
	return fmt.Errorf("idngo: %w: %s %s", ErrInvalidArgument, field, problem)
}

// callError is the failure of a call that ended without an answer of the
// service, or with a 2xx that cannot be used.
type callError struct {
	operation      string
	attempts       int
	text           string // safe to log: no URL, no value that was sent
	errs           []error
	outcomeUnknown bool
	transient      bool // another call may go better
}

func (e *callError) Error() string {
	var b strings.Builder
	b.WriteString("idngo: ")
	b.WriteString(e.operation)
	b.WriteString(": ")
	if e.outcomeUnknown {
		b.WriteString("outcome unknown: ")
	}
	b.WriteString(e.text)
	if e.attempts > 1 {
		fmt.Fprintf(&b, " (%d attempts)", e.attempts)
	}
	return b.String()
}

func (e *callError) Format(f fmt.State, verb rune) { formatError(f, verb, e.Error()) }

// GoString is Error: %#v would look into the causes.
func (e *callError) GoString() string { return e.Error() }

// formatError quotes for %q; for every other verb fmt would look into the fields.
func formatError(f fmt.State, verb rune, text string) {
	if verb == 'q' {
		text = strconv.Quote(text)
	}
	_, _ = io.WriteString(f, text)
}

func (e *callError) Unwrap() []error { return e.errs }

func (e *callError) Is(target error) bool {
	return target == ErrOutcomeUnknown && e.outcomeUnknown
}

// transient reports whether the same call may go better another time: what a
// poller survives.
func transient(err error) bool {
	var api *APIError
	if errors.As(err, &api) {
		switch s := api.StatusCode; {
		case s == http.StatusTooManyRequests, s == http.StatusRequestTimeout:
			return true
		case s == http.StatusConflict:
			return api.hasRetryAfter
		default:
			return s >= 500 && s != http.StatusNotImplemented
		}
	}
	var call *callError
	return errors.As(err, &call) && call.transient
}

// parseErrorBody fills e from the body of an error answer. A body that is not
// the documented JSON (a gateway's page, nothing, half an object) leaves the
// fields empty; a member of an unexpected type costs only that member.
func (e *APIError) parseErrorBody(body []byte) {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return
	}
	text := func(name string) (s string) {
		_ = json.Unmarshal(members[name], &s)
		return s
	}
	e.Name, e.Description, e.CorrelationID = text("errorName"), text("description"), text("correlationId")
	code := strings.Trim(string(members["errorCode"]), `"`)
	if n, err := strconv.ParseInt(code, 10, 32); err == nil {
		e.Code = ErrorCode(n)
	}
}

// makeSafe sets what Error shows of the service's own words.
func (e *APIError) makeSafe(redact func(string) string) {
	var b strings.Builder
	for _, part := range []struct{ before, text string }{
		{" ", e.Name}, {": ", e.Description}, {", correlation id ", e.CorrelationID},
	} {
		if part.text != "" {
			b.WriteString(part.before + oneLine(redact(part.text)))
		}
	}
	e.safe, e.safeID = b.String(), oneLine(redact(e.CorrelationID))
	e.redirectHost = oneLine(redact(e.redirectHost))
}

// oneLine makes a foreign text fit for a line of a log.
func oneLine(s string) string {
	const most = 300
	if len(s) > most {
		cut := most
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}
