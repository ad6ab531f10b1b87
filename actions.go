package idngo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"

	"github.com/idngo-go/idngo/internal/retry"
)

// CreateActionParams describe a new action.
type CreateActionParams struct {
	// LevelName is the level as the dashboard names it, case included. Its type
	// must be "Applicant actions". Required.
	LevelName string
	// ExternalActionID is your own id of the action. Required. What the service
	// does with one that exists already is not documented: see EnsureAction.
	ExternalActionID string
	// Email and Phone are for levels that check them. The service takes a phone
	// as in "+49 123456789".
	Email, Phone string
	// Questionnaires are answers given beforehand.
	Questionnaires []Questionnaire
	// Extra is merged into the JSON body: members that the vendor takes and this
	// package does not name. It must not repeat one that it does. Invalid UTF-8
	// in it is encoded as encoding/json does it.
	Extra map[string]any
}

// CreateAction starts an action for an applicant, who should be verified and
// approved already:
//
//	POST /resources/applicantActions/-/forApplicant/{applicantID}?levelName=
//
// It is careful: after [ErrOutcomeUnknown] look before you call again, or use
// EnsureAction, which does. applicantID is IDnGO's own id, not yours. IDnGO
// documents no answer; one that lacks the action is completed by FindAction.
// Errors: [ErrInvalidArgument], [*APIError], [ErrOutcomeUnknown].
func (c *Client) CreateAction(ctx context.Context, applicantID string, p CreateActionParams, opts ...RequestOption) (*Action, error) {
	body, err := p.encode()
	if err := errors.Join(checkID("applicantID", applicantID), required("LevelName", p.LevelName), err); err != nil {
		return nil, err
	}
	query := encodeQuery(struct {
		LevelName string `url:"levelName"`
	}{p.LevelName})
	action := new(Action)
	cl := &call{
		operation: opCreateAction, method: http.MethodPost, careful: true, bodyless: true, ids: []string{applicantID},
		path: "/resources/applicantActions/-/forApplicant/" + url.PathEscape(applicantID), query: query, body: body,
	}
	if err := c.call(ctx, cl, action, opts); err != nil {
		return nil, err
	}
	if action.ID != "" {
		return action, nil
	}
	if action, err = c.FindAction(ctx, applicantID, p.ExternalActionID, cl.sameHeader); err != nil {
		return nil, fmt.Errorf("idngo: %s: %w: %w, and looking it up failed: %w", opCreateAction, ErrOutcomeUnknown, errAcknowledged, err)
	}
	return action, nil
}

// EnsureAction makes sure that the applicant has exactly one action with the
// external id of p, and returns it: the one that is there, or a new one. It
// looks first; after an unknown outcome it waits, looks again and only then
// creates again. Call it again with the same external id after a crash.
//
// An existing action of another level is [ErrActionMismatch]. Errors of the
// calls it makes (ListActions, GetAction, CreateAction) come through;
// [ErrOutcomeUnknown] when it could not find out. [WithRepeatable] is refused,
// since it would undo the care.
//
// What cannot be excluded from outside: two machines that create at the same
// instant, each after having looked, and a service that carries out a lost
// request after the second look.
func (c *Client) EnsureAction(ctx context.Context, applicantID string, p CreateActionParams, opts ...RequestOption) (*Action, error) {
	_, err := p.encode()
	check := new(call)
	if err := errors.Join(checkID("applicantID", applicantID), required("LevelName", p.LevelName), err, check.prepare(ctx, opts)); err != nil {
		return nil, err
	}
	if check.opts.repeatable {
		return nil, invalid("WithRepeatable", "is not for EnsureAction")
	}
	action, err := c.findOfLevel(ctx, applicantID, p, opts)
	if !isNotFound(err) {
		return action, err
	}
	var unknown error // of a create that may have happened, though a look has not seen it
	for n := 0; ; n++ {
		action, created := c.CreateAction(ctx, applicantID, p, opts...)
		again := false
		switch {
		case created == nil:
			// A service may answer with the one that somebody else has made.
			if level := action.Review.LevelName; level != "" {
				if err := mismatch("levelName", level, p.LevelName); err != nil {
					return nil, besides(err, unknown)
				}
			}
			return action, nil
		case errors.Is(created, ErrOutcomeUnknown):
			// The effect may still be on its way.
			delay := retry.Delay(n, c.policy.MinDelay, c.policy.MaxDelay, rand.Float64()) //nolint:gosec // spreads looks, guards nothing
			if err := outlast(ctx, delay); err != nil {
				return nil, fmt.Errorf("%w: %w", created, err)
			}
			unknown, again = created, n+1 < c.policy.MaxAttempts && !errors.Is(created, errAcknowledged)
		case errors.Is(created, ErrConflict): // somebody else may have been first
		default:
			return nil, besides(created, unknown)
		}
		action, err = c.findOfLevel(ctx, applicantID, p, opts)
		switch {
		case err == nil:
			return action, nil
		case errors.Is(err, ErrActionMismatch):
			return nil, besides(err, unknown)
		case !isNotFound(err):
			return nil, besides(fmt.Errorf("%w: looking for it failed: %w", created, err), unknown)
		case !again:
			return nil, besides(created, unknown)
		}
	}
}

// GetAction gets an action with its review, checks and images:
//
//	GET /resources/applicantActions/{actionID}/one
//
// An answer counts only when the review is completed: see [Action.Approved].
// Errors: [ErrInvalidArgument], [*APIError].
func (c *Client) GetAction(ctx context.Context, actionID string, opts ...RequestOption) (*Action, error) {
	if err := checkID("actionID", actionID); err != nil {
		return nil, err
	}
	action := new(Action)
	err := c.call(ctx, &call{
		operation: opGetAction, method: http.MethodGet, path: actionPath(actionID) + "/one", ids: []string{actionID},
	}, action, opts)
	if err != nil {
		return nil, err
	}
	return action, nil
}

// FindAction finds an applicant's action by your own id of it, newest first,
// as the list shows it. It pages through ListActions, and asks GetAction where
// an entry of the list does not say its external id. Nothing found is
// [ErrNotFound]; a service that says external ids nowhere, or lists an action
// that it does not give, is an error of its own, which matches no sentinel.
// Other errors: those of ListActions and GetAction.
func (c *Client) FindAction(ctx context.Context, applicantID, externalActionID string, opts ...RequestOption) (*Action, error) {
	if err := errors.Join(checkID("applicantID", applicantID), required("externalActionID", externalActionID)); err != nil {
		return nil, err
	}
	seen, said, hidden := false, false, false
	for action, err := range c.AllActions(ctx, applicantID, ListActionsParams{}, opts...) {
		if err != nil {
			return nil, err
		}
		seen = true
		if action.ID == "" {
			return nil, errors.New("idngo: FindAction: the service lists an action without its id")
		}
		if action.ExternalActionID == "" {
			id := action.ID
			action, err = c.GetAction(ctx, id, opts...)
			if errors.Is(err, ErrNotFound) {
				hidden = true // listed, but not to be had: it might be the one
				continue
			}
			if err != nil {
				return nil, err
			}
			action.ID = id
		}
		said = said || action.ExternalActionID != ""
		if action.ExternalActionID == externalActionID {
			return action, nil
		}
	}
	if hidden {
		return nil, errors.New("idngo: FindAction: none of the actions that say their external id, but the service lists one that it does not give")
	}
	if seen && !said {
		return nil, errors.New("idngo: FindAction: the service does not say the external ids of this applicant's actions")
	}
	return nil, notFoundError{}
}

// ListActionsParams choose a page of a list.
type ListActionsParams struct {
	// Limit is the size of a page; 0 means 100.
	Limit int
	// Offset is how many actions to pass over. It is always sent: the
	// specification says that the service's own default is 10.
	Offset int
	// Order is "-createdAt", newest first, when empty: the one documented value.
	Order string
}

// ListActions gets a page of an applicant's actions:
//
//	GET /resources/applicantActions/-;applicantId={applicantID}?limit=&offset=&order=
//
// Entries may be shorter than what GetAction gives. Errors:
// [ErrInvalidArgument], [*APIError].
func (c *Client) ListActions(ctx context.Context, applicantID string, p ListActionsParams, opts ...RequestOption) (*ActionPage, error) {
	p, err := p.withDefaults()
	if err := errors.Join(checkID("applicantID", applicantID), err); err != nil {
		return nil, err
	}
	query := encodeQuery(struct {
		Limit  int    `url:"limit"`
		Offset int    `url:"offset"`
		Order  string `url:"order"`
	}{p.Limit, p.Offset, p.Order})
	page := new(ActionPage)
	err = c.call(ctx, &call{
		operation: opListActions, method: http.MethodGet, ids: []string{applicantID},
		path: "/resources/applicantActions/-;applicantId=" + url.PathEscape(applicantID), query: query,
	}, page, opts)
	if err != nil {
		return nil, err
	}
	return page, nil
}

// AllActions iterates over an applicant's actions from p.Offset on, page by
// page, p.Limit to a page. It holds one page at a time. An error is the last
// pair. The sequence can be ranged over again and then begins anew.
//
// Actions that arrive in front while it runs shift the rest back: an id that
// the page before has already given is passed over.
func (c *Client) AllActions(ctx context.Context, applicantID string, p ListActionsParams, opts ...RequestOption) iter.Seq2[*Action, error] {
	return func(yield func(*Action, error) bool) {
		p, err := p.withDefaults()
		if err != nil {
			yield(nil, err)
			return
		}
		var before map[string]bool // the ids of the page before
		for stale := 0; ; {
			page, err := c.ListActions(ctx, applicantID, p, opts...)
			if err != nil {
				yield(nil, err)
				return
			}
			if len(page.Items) == 0 {
				return
			}
			ids := make(map[string]bool, len(page.Items))
			stale++
			for _, action := range page.Items {
				ids[action.ID] = true
				if before[action.ID] && action.ID != "" {
					continue
				}
				stale = 0
				if !yield(action, nil) {
					return
				}
			}
			before = ids
			p.Offset += len(page.Items)
			if page.TotalItems > 0 && p.Offset >= page.TotalItems {
				return
			}
			if stale == maxStalePages {
				yield(nil, errors.New("idngo: "+opListActions+": the service gives the same page whatever the offset"))
				return
			}
		}
	}
}

// SubmitAction asks for the review of an action whose data is complete. What
// goes through a WebSDK or mobile SDK is submitted by that.
//
//	POST /resources/applicantActions/{actionID}/review/status/pending
//
// It is careful. The answer may be completed already. IDnGO documents none; one
// that lacks the action is completed by GetAction. Errors: [ErrInvalidArgument],
// [*APIError], [ErrOutcomeUnknown].
func (c *Client) SubmitAction(ctx context.Context, actionID string, opts ...RequestOption) (*Action, error) {
	if err := checkID("actionID", actionID); err != nil {
		return nil, err
	}
	action := new(Action)
	cl := &call{
		operation: opSubmitAction, method: http.MethodPost, careful: true, bodyless: true,
		path: actionPath(actionID) + "/review/status/pending", ids: []string{actionID},
	}
	err := c.call(ctx, cl, action, opts)
	if err != nil {
		return nil, err
	}
	if action.ID != "" {
		return action, nil
	}
	if action, err = c.GetAction(ctx, actionID, cl.sameHeader); err != nil {
		return nil, fmt.Errorf("idngo: %s: it was submitted, but could not be fetched: %w", opSubmitAction, err)
	}
	if action.ID = actionID; action.Review.ReviewStatus == "" && action.Review.ReviewResult.empty() {
		return nil, fmt.Errorf("idngo: %s: it was submitted, but neither answer holds the action", opSubmitAction)
	}
	return action, nil
}

// WaitParams say how often to look. Zero fields stand for the defaults.
type WaitParams struct {
	// MinInterval is the first interval (default 1 s). It grows by half from
	// poll to poll, up to MaxInterval (default 15 s); each is jittered by up to a
	// tenth either way.
	MinInterval, MaxInterval time.Duration
	// OnPoll is called with what each successful poll has shown.
	OnPoll func(*Action)
}

// WaitForReview polls GetAction until the review is completed and returns the
// action; whether it was approved, [Action.Approved] says. The context decides
// how long: give it a deadline, since nothing completes by itself in the
// vendor's sandbox. Webhooks are the vendor's advice where you can have them.
//
// Failures that are worth another try do not end it; refusals (4xx) do. When
// the context ends it returns the last action seen, nil if none was, and an
// error that matches the context's and, if the last poll failed, its error.
func (c *Client) WaitForReview(ctx context.Context, actionID string, p WaitParams, opts ...RequestOption) (*Action, error) {
	p, err := p.withDefaults()
	if err := errors.Join(checkID("actionID", actionID), err); err != nil {
		return nil, err
	}
	var last *Action
	for interval := p.MinInterval; ; interval = min(interval+interval/2+1, p.MaxInterval) {
		action, failure := c.GetAction(ctx, actionID, opts...)
		delay := time.Duration(float64(interval) * (0.9 + 0.2*rand.Float64())) //nolint:gosec // spreads polls, guards nothing
		switch {
		case failure == nil:
			last = action
			if p.OnPoll != nil {
				p.OnPoll(action)
			}
			if action.Completed() {
				return action, nil
			}
		case ctx != nil && ctx.Err() != nil: // below
		case !transient(failure):
			return last, failure
		default:
			var api *APIError
			if errors.As(failure, &api) {
				delay = max(delay, min(api.RetryAfter, c.policy.MaxRetryAfter))
			}
		}
		if err := wait(ctx, delay); err != nil {
			err = fmt.Errorf("idngo: WaitForReview: not completed: %w", err)
			if failure != nil {
				err = fmt.Errorf("%w; last poll: %w", err, failure)
			}
			return last, err
		}
	}
}

// ActionExpectation is what a backend knows of the action that somebody claims
// a result of.
type ActionExpectation struct {
	// ApplicantID is IDnGO's id of the applicant. Required.
	ApplicantID string
	// ExternalActionID and LevelName are compared when they are not empty.
	ExternalActionID, LevelName string
}

// ConfirmAction gets an action whose id and result came from an app or a
// browser, which can lie, and compares it with what is expected. It fails
// closed: a part that differs, or that the service does not say, is
// [ErrActionMismatch], and no action is returned. Whether the one it returns
// was approved, [Action.Approved] says. Other errors: those of GetAction.
//
// The specification's one example of an answer shows neither externalActionId
// nor a level name, though the API family sends both. Should your account get
// none, leave them out of want and compare the id that you kept.
//
// If you kept the id of the action that you have created, compare that too: one
// applicant may have many actions.
func (c *Client) ConfirmAction(ctx context.Context, actionID string, want ActionExpectation, opts ...RequestOption) (*Action, error) {
	if err := errors.Join(checkID("actionID", actionID), required("ApplicantID", want.ApplicantID)); err != nil {
		return nil, err
	}
	action, err := c.GetAction(ctx, actionID, opts...)
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		mismatch("id", action.ID, actionID),
		mismatch("applicantId", action.ApplicantID, want.ApplicantID),
		mismatch("externalActionId", action.ExternalActionID, want.ExternalActionID),
		mismatch("levelName", action.Review.LevelName, want.LevelName),
	)
	if err != nil {
		return nil, err
	}
	return action, nil
}

// WebSDKLinkParams say for whom a link is and what it opens.
type WebSDKLinkParams struct {
	// LevelName is the level as the dashboard names it, case included. Required.
	LevelName string
	// ExternalUserID is your own id of the applicant. Required.
	ExternalUserID string
	// ExternalActionID is your own id of the action.
	ExternalActionID string
	// Locale is the language of the page, ISO 639-1. Empty: not sent.
	Locale string
	// TTL is how long the link lives, in whole seconds; 0 is not sent and means
	// the service's default, 30 minutes.
	TTL time.Duration
}

// WebSDKLink is a link to send to one user. Anyone who has it can do the verification in their
// place. It prints as [redacted] in fmt and slog; in JSON it shows the URL.
type WebSDKLink struct {
	URL string `json:"url,omitzero"` // the link; the service chooses its scheme, host and form
}

// String returns [redacted].
func (WebSDKLink) String() string { return redacted }

// Format writes [redacted] for every verb and flag.
func (WebSDKLink) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue returns [redacted].
func (WebSDKLink) LogValue() slog.Value { return slog.StringValue(redacted) }

// CreateWebSDKLink makes a link that opens the verification in a browser:
//
//	POST /resources/sdkIntegrations/levels/{levelName}/websdkLink?externalUserId=&externalActionId=&locale=&ttlInSecs=
//
// It is repeatable. Errors: [ErrInvalidArgument], [*APIError].
func (c *Client) CreateWebSDKLink(ctx context.Context, p WebSDKLinkParams, opts ...RequestOption) (*WebSDKLink, error) {
	ttl, err := wholeSeconds(p.TTL)
	if err := errors.Join(checkID("LevelName", p.LevelName), required("ExternalUserID", p.ExternalUserID), err); err != nil {
		return nil, err
	}
	query := encodeQuery(struct {
		ExternalUserID   string `url:"externalUserId"`
		ExternalActionID string `url:"externalActionId,omitempty"`
		Locale           string `url:"locale,omitempty"`
		TTL              int64  `url:"ttlInSecs,omitempty"`
	}{p.ExternalUserID, p.ExternalActionID, p.Locale, ttl})
	link := new(WebSDKLink)
	err = c.call(ctx, &call{
		operation: opCreateWebSDKLink, method: http.MethodPost, ids: []string{p.LevelName}, query: query,
		path:   "/resources/sdkIntegrations/levels/" + url.PathEscape(p.LevelName) + "/websdkLink",
		usable: func() bool { return link.URL != "" },
	}, link, opts)
	if err != nil {
		return nil, err
	}
	return link, nil
}

const (
	defaultLimit       = 100
	defaultOrder       = "-createdAt"
	defaultMinInterval = time.Second
	defaultMaxInterval = 15 * time.Second
	// So many pages in a row without anything new are no drift any more.
	maxStalePages = 3
)

func actionPath(actionID string) string {
	return "/resources/applicantActions/" + url.PathEscape(actionID)
}

// encode checks the params and makes the JSON body of a create.
func (p CreateActionParams) encode() ([]byte, error) {
	err := errors.Join(required("ExternalActionID", p.ExternalActionID), validText("ExternalActionID", p.ExternalActionID),
		validText("Email", p.Email), validText("Phone", p.Phone), checkQuestionnaires(p.Questionnaires))
	for _, name := range []string{"externalActionId", "email", "phone", "questionnaires"} {
		if _, ok := p.Extra[name]; ok {
			err = errors.Join(err, invalid("Extra", "repeats "+name))
		}
	}
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(struct {
		ExternalActionID string          `json:"externalActionId"`
		Email            string          `json:"email,omitzero"`
		Phone            string          `json:"phone,omitzero"`
		Questionnaires   []Questionnaire `json:"questionnaires,omitzero"`
	}{p.ExternalActionID, p.Email, p.Phone, p.Questionnaires})
	if err != nil {
		return nil, invalid("Questionnaires", "cannot be encoded as JSON")
	}
	if len(p.Extra) == 0 {
		return body, nil
	}
	extra, err := json.Marshal(p.Extra)
	if err != nil {
		return nil, invalid("Extra", "cannot be encoded as JSON")
	}
	// {…} and {…} become {…,…}.
	return bytes.Join([][]byte{body[:len(body)-1], extra[1:]}, []byte{','}), nil
}

// checkQuestionnaires refuses what encoding/json would change.
func checkQuestionnaires(questionnaires []Questionnaire) error {
	var texts []string
	for _, q := range questionnaires {
		texts = append(texts, q.ID)
		for id, section := range q.Sections {
			texts = append(texts, id)
			for id, item := range section.Items {
				texts = append(append(texts, id), item.Values...)
				if item.Value != nil {
					texts = append(texts, *item.Value)
				}
			}
		}
	}
	for _, text := range texts {
		if err := validText("Questionnaires", text); err != nil {
			return err
		}
	}
	return nil
}

// validText refuses invalid UTF-8, which JSON cannot carry unchanged.
func validText(name, text string) error {
	if !utf8.ValidString(text) {
		return invalid(name, "is not valid UTF-8")
	}
	return nil
}

func (p ListActionsParams) withDefaults() (ListActionsParams, error) {
	if p.Limit < 0 {
		return p, invalid("Limit", "is negative")
	}
	if p.Offset < 0 {
		return p, invalid("Offset", "is negative")
	}
	if p.Limit == 0 {
		p.Limit = defaultLimit
	}
	if p.Order == "" {
		p.Order = defaultOrder
	}
	return p, nil
}

func (p WaitParams) withDefaults() (WaitParams, error) {
	if p.MinInterval < 0 || p.MaxInterval < 0 {
		return p, invalid("WaitParams", "has a negative interval")
	}
	if p.MinInterval == 0 {
		p.MinInterval = defaultMinInterval
		if p.MaxInterval > 0 {
			p.MinInterval = min(p.MinInterval, p.MaxInterval)
		}
	}
	if p.MaxInterval == 0 {
		p.MaxInterval = max(defaultMaxInterval, p.MinInterval)
	}
	if p.MinInterval > p.MaxInterval {
		return p, invalid("WaitParams", "has a MinInterval above its MaxInterval")
	}
	return p, nil
}

// findOfLevel is FindAction for an action that must be of the level of p. The
// level is compared when the service says it: IDnGO's own pages never show it.
func (c *Client) findOfLevel(ctx context.Context, applicantID string, p CreateActionParams, opts []RequestOption) (*Action, error) {
	action, err := c.FindAction(ctx, applicantID, p.ExternalActionID, opts...)
	if err != nil {
		return nil, err
	}
	if action.Review.LevelName == "" { // an entry of a list may be short
		id := action.ID
		if action, err = c.GetAction(ctx, id, opts...); err != nil {
			return nil, err
		}
		action.ID = id
	}
	if level := action.Review.LevelName; level != "" {
		if err := mismatch("levelName", level, p.LevelName); err != nil {
			return nil, err
		}
	}
	return action, nil
}

// besides is err, with what an earlier create has left unknown.
func besides(err, unknown error) error {
	if unknown == nil || errors.Is(err, ErrOutcomeUnknown) {
		return err
	}
	return fmt.Errorf("%w; an earlier create: %w", err, unknown)
}

// mismatch compares a part of an action with what is expected of it, which is
// nothing when want is empty. It shows neither.
func mismatch(part, got, want string) error {
	switch {
	case want == "" || got == want:
		return nil
	case got == "":
		return fmt.Errorf("idngo: %w: the service does not say the %s", ErrActionMismatch, part)
	}
	return fmt.Errorf("idngo: %w: the %s differs", ErrActionMismatch, part)
}

// errAcknowledged: the service has answered a create with 2xx. To create again
// would make a second action, however long the list takes to show the first.
var errAcknowledged = errors.New("the answer lacks the action")

// notFoundError: the list was read to its end. It is not the service's 404.
type notFoundError struct{}

func (notFoundError) Error() string {
	return "idngo: FindAction: no action has this external id: not found"
}
func (notFoundError) Is(target error) bool { return target == ErrNotFound }

// isNotFound tells that from a 404, which means that the applicant is unknown.
func isNotFound(err error) bool {
	var none notFoundError
	return errors.As(err, &none)
}
