package idngo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/idngo-go/idngo/internal/exchange"
	"github.com/idngo-go/idngo/internal/oneline"
	"github.com/idngo-go/idngo/internal/retry"
)

// CreateActionParams are the arguments of [Client.CreateAction] and [Client.EnsureAction].
type CreateActionParams struct {
	// LevelName is the name of the level in the dashboard. Capitals count. The type of the level
	// must be "Applicant actions". Required.
	LevelName string
	// ExternalActionID is your own id of the action. Required. If the id may exist already, use
	// EnsureAction: what CreateAction does with such an id is not documented.
	ExternalActionID string
	// Email is for levels that check it.
	Email string
	// Phone is for levels that check it, in the form "+49 123456789".
	Phone string
	// Questionnaires are answers that are known beforehand.
	Questionnaires []Questionnaire
	// Extra has further members of the JSON body, which the vendor accepts and this package does not
	// name. It must not repeat a member that this package names. Invalid UTF-8 in it is encoded as
	// encoding/json does.
	Extra map[string]any
}

// CreateAction creates an action for an applicant, who should be approved already:
//
//	POST /resources/applicantActions/-/forApplicant/{applicantID}?levelName=
//
// It is not idempotent: after [ErrOutcomeUnknown] call FindAction before you retry, as EnsureAction
// does. applicantID is IDnGO's own id, see [Client.FindApplicant]. If the answer, which is not
// documented, has no action, CreateAction fetches the action with FindAction. Errors:
// [ErrInvalidArgument], [*APIError], [ErrOutcomeUnknown].
func (c *Client) CreateAction(ctx context.Context, applicantID string, p CreateActionParams, opts ...RequestOption) (*Action, error) {
	body, extra, problem := p.encode()
	action := new(Action)
	create := &request{
		operation: opCreateAction, method: http.MethodPost, emptyOK: true, problem: problem,
		arguments: []argument{{"applicantID", applicantID, inPath}, {"LevelName", p.LevelName, elsewhere}},
		path:      "/resources/applicantActions/-/forApplicant/" + url.PathEscape(applicantID),
		query:     exchange.EncodeQuery("levelName", p.LevelName), body: body, keyed: extra, keys: p.Extra,
	}
	if err := c.call(ctx, create, action, opts); err != nil {
		return nil, err
	}
	if action.ID != "" {
		return action, nil
	}
	action, err := c.find(ctx, applicantID, p.ExternalActionID, []RequestOption{create.inherit})
	if err != nil {
		unknown := methodError(create.options.caller, errAcknowledged.Error()+", and finding it failed", err)
		unknown.Causes, unknown.Unknown = append(unknown.Causes, errAcknowledged), ErrOutcomeUnknown
		return nil, unknown
	}
	return action, nil
}

// EnsureAction returns the action of the applicant with the external id of p, the newest if there
// are several. It creates the action if there is none. It searches the list first. After an unknown
// outcome it waits, searches again and only then creates again. Call it again with the same
// external id after a crash.
//
// Calls of one client for the same applicant and external id take turns, so that the second sees
// what the first has created. Duplicates remain possible in two cases: two machines search and then
// create at the same instant, or a create whose answer was lost takes effect after the second
// search. A lock of your own for each external id excludes the first case.
//
// It returns [ErrActionMismatch] if the service reports another level for the action, and
// [ErrOutcomeUnknown] if the action may exist without being found. Other errors are those of
// ListActions, GetAction and CreateAction. It refuses [WithIdempotent].
func (c *Client) EnsureAction(ctx context.Context, applicantID string, p CreateActionParams, opts ...RequestOption) (*Action, error) {
	const method = "EnsureAction"
	_, _, problem := p.encode()
	opts, options, err := begin(ctx, method, opts,
		c.check(), checkID("applicantID", applicantID), required("LevelName", p.LevelName), problem)
	if err != nil {
		return nil, err
	}
	if options.idempotent {
		return nil, checkArguments(method, invalid("WithIdempotent", "is not for EnsureAction"))
	}
	done, err := c.turns.Take(ctx, turn{applicantID, p.ExternalActionID})
	if err != nil {
		return nil, methodError(method, "waiting for another call with the same external id", shortly(ctx, retry.ContextError(ctx)))
	}
	defer done()
	ensure := &ensuring{client: c, applicantID: applicantID, params: p, opts: opts}
	action, err := ensure.find(ctx)
	if !errors.Is(err, errNotListed) {
		return action, err
	}
	return ensure.create(ctx)
}

// ensuring is one call of EnsureAction.
type ensuring struct {
	client      *Client
	applicantID string
	params      CreateActionParams
	opts        []RequestOption
	unknown     error // the error of a create that may have happened although it was not found
}

// create creates the action until one exists. After each create without an action it searches for
// the action that the create may have made.
func (e *ensuring) create(ctx context.Context) (*Action, error) {
	for attempt := 0; ; attempt++ {
		action, err := e.client.CreateAction(ctx, e.applicantID, e.params, e.opts...)
		again := false
		switch {
		case err == nil:
			// A service may answer with the action that somebody else has created.
			if err := e.checkLevel(action); err != nil {
				return nil, e.withUnknown(err)
			}
			return action, nil
		case errors.Is(err, ErrOutcomeUnknown):
			// The effect may still come.
			policy := e.client.policy
			delay := retry.Delay(attempt, policy.MinDelay, policy.MaxDelay, rand.Float64()) //nolint:gosec // spreads searches, guards nothing
			asked := retryAfter(err)
			if asked > policy.MaxRetryAfter {
				return nil, err
			}
			delay = max(delay, retry.Spread(asked, rand.Float64())) //nolint:gosec // likewise
			if contextErr := retry.WaitIfTime(ctx, delay); contextErr != nil {
				return nil, methodError("EnsureAction", "", err, shortly(ctx, contextErr))
			}
			e.unknown, again = err, attempt+1 < policy.MaxAttempts && !errors.Is(err, errAcknowledged)
		case errors.Is(err, ErrConflict): // somebody else may have been first
		default:
			return nil, e.withUnknown(err)
		}
		action, found := e.find(ctx)
		switch {
		case found == nil:
			return action, nil
		case errors.Is(found, ErrActionMismatch):
			return nil, e.withUnknown(found)
		case !errors.Is(found, errNotListed):
			return nil, e.withUnknown(methodError("EnsureAction", "", err, methodError("EnsureAction", "the search for it failed", found)))
		case !again:
			return nil, e.withUnknown(err)
		}
	}
}

// find is FindAction for an action that must be of the right level.
func (e *ensuring) find(ctx context.Context) (*Action, error) {
	action, err := e.client.FindAction(ctx, e.applicantID, e.params.ExternalActionID, e.opts...)
	if err != nil {
		return nil, err
	}
	if action.Review.LevelName == "" { // an entry of a list may be short
		if action, err = e.client.GetAction(ctx, action.ID, e.opts...); err != nil {
			return nil, err
		}
	}
	if err := e.checkLevel(action); err != nil {
		return nil, err
	}
	return action, nil
}

// checkLevel compares the level if the service reports it. No page of IDnGO shows that it does.
func (e *ensuring) checkLevel(action *Action) error {
	if action.Review.LevelName == "" {
		return nil
	}
	return checkMatch("EnsureAction", part{"levelName", action.Review.LevelName, e.params.LevelName})
}

// withUnknown adds the error of an earlier create with an unknown outcome to err.
func (e *ensuring) withUnknown(err error) error {
	if e.unknown == nil || errors.Is(err, ErrOutcomeUnknown) {
		return err
	}
	return methodError("EnsureAction", "", err, methodError("EnsureAction", "an earlier create", e.unknown))
}

// GetAction fetches an action with its review, checks and images:
//
//	GET /resources/applicantActions/{actionID}/one
//
// The answer of a review is final only when the review is completed: see [Action.Approved]. It
// returns [ErrActionMismatch] if the service answers with another action or with one that has no
// id. Other errors: [ErrInvalidArgument], [*APIError].
func (c *Client) GetAction(ctx context.Context, actionID string, opts ...RequestOption) (*Action, error) {
	action, caller, err := c.fetchAction(ctx, actionID, opts)
	if err != nil {
		return nil, err
	}
	if err := checkMatch(caller, part{"id", action.ID, actionID}); err != nil {
		return nil, err
	}
	return action, nil
}

// fetchAction returns the action of the answer, whatever its id, and the method that errors name.
func (c *Client) fetchAction(ctx context.Context, actionID string, opts []RequestOption) (action *Action, caller string, err error) {
	action = new(Action)
	get := &request{
		operation: opGetAction, method: http.MethodGet, path: actionPath(actionID) + "/one", idempotent: true,
		arguments: []argument{{"actionID", actionID, inPath}},
	}
	err = c.call(ctx, get, action, opts)
	return action, get.options.caller, err
}

// FindAction finds an applicant's action by your own id of it. It returns the newest one, with the
// fields of a list entry. It pages through ListActions, and calls GetAction for entries without an
// external id. It returns [ErrNotFound] if there is no such action. If the service returns no
// external ids, or GetAction does not find a listed action, the error matches no sentinel: the
// action may exist. Other errors are those of ListActions and GetAction.
func (c *Client) FindAction(ctx context.Context, applicantID, externalActionID string, opts ...RequestOption) (*Action, error) {
	opts, _, err := begin(ctx, "FindAction", opts,
		c.check(), checkID("applicantID", applicantID), required("externalActionID", externalActionID))
	if err != nil {
		return nil, err
	}
	return c.find(ctx, applicantID, externalActionID, opts)
}

// find is FindAction for arguments that have been checked.
func (c *Client) find(ctx context.Context, applicantID, externalActionID string, opts []RequestOption) (*Action, error) {
	anyAction, anyExternalID, unreadable := false, false, false
	for action, err := range c.pages(ctx, applicantID, ListActionsParams{Limit: defaultLimit, Order: defaultOrder}, opts) {
		if err != nil {
			return nil, err
		}
		anyAction = true
		if action.ID == "" {
			return nil, findError(opts, "the service lists an action without its id")
		}
		if action.ExternalActionID == "" {
			action, err = c.GetAction(ctx, action.ID, opts...)
			if errors.Is(err, ErrNotFound) {
				unreadable = true // it is listed, so it may be the one
				continue
			}
			if err != nil {
				return nil, err
			}
		}
		anyExternalID = anyExternalID || action.ExternalActionID != ""
		if action.ExternalActionID == externalActionID {
			return action, nil
		}
	}
	if unreadable {
		return nil, findError(opts, "the service lists an action that it does not return, which may be the one")
	}
	if anyAction && !anyExternalID {
		return nil, findError(opts, "the service does not return the external ids of this applicant's actions")
	}
	none := findError(opts, "no action has this external id: "+ErrNotFound.Error())
	none.Causes = []error{ErrNotFound, errNotListed}
	return nil, none
}

// findError is an error of FindAction, or of the method that has called it.
func findError(opts []RequestOption, text string) *oneline.Error {
	r := new(request)
	_ = r.apply(context.Background(), opts) // a call has refused bad options
	return &oneline.Error{Method: r.options.caller, Text: text}
}

// errNotListed marks the error of a list that was read to its end. A 404 of the service means that
// the applicant is unknown.
var errNotListed = errors.New("not listed")

// ListActionsParams are the arguments of [Client.ListActions].
type ListActionsParams struct {
	// Limit is the size of a page, from 1. 0 means 100.
	Limit int
	// Offset is the number of actions to skip, from 0. It is always sent, even 0: by the
	// specification, a request without an offset skips the first 10.
	Offset int
	// Order is the order of the list. Empty means "-createdAt", newest first, the one documented
	// value.
	Order string
}

// ListActions fetches a page of an applicant's actions:
//
//	GET /resources/applicantActions/-;applicantId={applicantID}?limit=&offset=&order=
//
// Entries may have fewer fields than GetAction returns. Errors: [ErrInvalidArgument], [*APIError],
// [ErrResponseTooLarge].
func (c *Client) ListActions(ctx context.Context, applicantID string, p ListActionsParams, opts ...RequestOption) (*ActionPage, error) {
	p, problem := p.withDefaults()
	page := new(ActionPage)
	err := c.call(ctx, &request{
		operation: opListActions, method: http.MethodGet, idempotent: true, problem: problem,
		arguments: []argument{{"applicantID", applicantID, inPath}},
		path:      "/resources/applicantActions/-;applicantId=" + url.PathEscape(applicantID),
		query: encodeQuery(struct {
			Limit  int    `url:"limit"`
			Offset int    `url:"offset"`
			Order  string `url:"order"`
		}{p.Limit, p.Offset, p.Order}),
	}, page, opts)
	if err != nil {
		return nil, err
	}
	return page, nil
}

// AllActions iterates over an applicant's actions from p.Offset on, with p.Limit actions to a page.
// It keeps one page of actions, and the ids of all earlier actions, in memory. An error of
// ListActions ends the iteration, with a nil action. If the service repeats a page, an error that
// matches no sentinel ends it. A second range over the sequence starts from the beginning.
//
// Repeated entries are skipped: new actions that appear during the iteration shift the list. A page
// that is larger than 10 MiB is fetched again in halves.
func (c *Client) AllActions(ctx context.Context, applicantID string, p ListActionsParams, opts ...RequestOption) iter.Seq2[*Action, error] {
	p, problem := p.withDefaults()
	opts, _, err := begin(ctx, "AllActions", opts, c.check(), checkID("applicantID", applicantID), problem)
	if err != nil {
		return func(yield func(*Action, error) bool) { yield(nil, err) }
	}
	return c.pages(ctx, applicantID, p, opts)
}

// pages is AllActions for arguments that have been checked.
func (c *Client) pages(ctx context.Context, applicantID string, p ListActionsParams, opts []RequestOption) iter.Seq2[*Action, error] {
	return func(yield func(*Action, error) bool) {
		p := p
		seen := make(map[string]bool) // the ids so far: a service that ignores the offset may alternate between pages
		for stalePages := 0; ; {
			page, err := c.ListActions(ctx, applicantID, p, opts...)
			if errors.Is(err, ErrResponseTooLarge) && p.Limit > 1 {
				p.Limit /= 2
				continue
			}
			if err != nil {
				yield(nil, err)
				return
			}
			stalePages++
			for _, action := range page.Items {
				if seen[action.ID] && action.ID != "" {
					continue
				}
				seen[action.ID] = true
				stalePages = 0
				if !yield(action, nil) {
					return
				}
			}
			p.Offset += len(page.Items)
			// A total that is the length of a full page may count that page only.
			ownTotal := page.TotalItems == len(page.Items) && len(page.Items) >= p.Limit
			if len(page.Items) == 0 || page.TotalItems > 0 && p.Offset >= page.TotalItems && !ownTotal {
				return
			}
			if stalePages == maxStalePages {
				yield(nil, findError(opts, "list actions: the service ignores the offset: it returns the same page again and again"))
				return
			}
		}
	}
}

// SubmitAction requests the review of an action whose data is complete:
//
//	POST /resources/applicantActions/{actionID}/review/status/pending
//
// A WebSDK or mobile SDK submits by itself. The returned action may be reviewed already. If the
// answer, which is not documented, has no action, SubmitAction calls GetAction. After
// [ErrOutcomeUnknown] call GetAction before you retry: the call is not idempotent.
//
// If the service answers with another action, the error matches [ErrActionMismatch] and
// [ErrOutcomeUnknown]. If the action was submitted but could not be fetched, the text says so, and
// the error is that of GetAction. Other errors: [ErrInvalidArgument], [*APIError],
// [ErrOutcomeUnknown].
func (c *Client) SubmitAction(ctx context.Context, actionID string, opts ...RequestOption) (*Action, error) {
	action := new(Action)
	submit := &request{
		operation: opSubmitAction, method: http.MethodPost, emptyOK: true, arguments: []argument{{"actionID", actionID, inPath}},
		path: actionPath(actionID) + "/review/status/pending",
	}
	if err := c.call(ctx, submit, action, opts); err != nil {
		return nil, err
	}
	caller := submit.options.caller
	if action.ID == actionID {
		return action, nil
	}
	var err error
	if action.ID != "" {
		err = checkMatch(caller, part{"id", action.ID, actionID})
	} else {
		action, err = c.GetAction(ctx, actionID, submit.inherit)
	}
	if errors.Is(err, ErrActionMismatch) {
		return nil, &oneline.Error{Method: caller, Text: errorDetail(err), Causes: []error{err}, Unknown: ErrOutcomeUnknown}
	}
	if err != nil {
		return nil, methodError(caller, "it was submitted, but could not be fetched", err)
	}
	if action.Review.ReviewStatus == "" && action.Review.ReviewResult.empty() {
		return nil, &oneline.Error{Method: caller, Text: "it was submitted, but neither answer has the review"}
	}
	return action, nil
}

// WaitParams are the arguments of [Client.WaitForReview]. Zero fields mean the defaults. A negative
// interval, or a MinInterval above MaxInterval, is [ErrInvalidArgument].
type WaitParams struct {
	// MinInterval is the first interval between two polls (default 1 s). It grows by half from poll
	// to poll up to MaxInterval. Each interval varies at random by a tenth.
	MinInterval time.Duration
	// MaxInterval is the longest interval (default 15 s). A failed poll's Retry-After, cut to
	// [RetryPolicy].MaxRetryAfter, plus a random 0 to 10 %, replaces a shorter interval.
	MaxInterval time.Duration
	// OnPoll is called with the action of each successful poll. It may be nil.
	OnPoll func(*Action)
}

// WaitForReview polls GetAction until the review is completed and returns the action.
// [Action.Approved] reports whether its answer is GREEN. Give the context a deadline: in the
// vendor's sandbox no review completes by itself. The vendor recommends webhooks over polling.
//
// It goes on after a temporary failure: a lost connection, an unusable answer, 408, 429, 409 with
// Retry-After, or any 5xx but 501. Every other error ends it. It then returns the last action that
// it has fetched, nil if there is none. If the context ends, the error matches the context's error.
// If the last poll failed, it matches the error of that poll too.
func (c *Client) WaitForReview(ctx context.Context, actionID string, p WaitParams, opts ...RequestOption) (*Action, error) {
	const method = "WaitForReview"
	p, problem := p.withDefaults()
	opts, _, err := begin(ctx, method, opts, c.check(), checkID("actionID", actionID), problem)
	if err != nil {
		return nil, err
	}
	var last *Action
	for interval := p.MinInterval; ; interval = min(interval+interval/2+1, p.MaxInterval) {
		action, err := c.GetAction(ctx, actionID, opts...)
		delay := time.Duration(float64(interval) * (0.9 + 0.2*rand.Float64())) //nolint:gosec // spreads polls, guards nothing
		switch {
		case err == nil:
			last = action
			if p.OnPoll != nil {
				p.OnPoll(action)
			}
			if action.Completed() {
				return action, nil
			}
		case ctx != nil && ctx.Err() != nil: // ended by the select below
		case !transient(err):
			return last, err
		default:
			asked := min(retryAfter(err), c.policy.MaxRetryAfter)
			delay = max(delay, retry.Spread(asked, rand.Float64())) //nolint:gosec // spreads polls, guards nothing
		}
		if contextErr := shortly(ctx, retry.Wait(ctx, delay)); contextErr != nil {
			if err != nil {
				return last, methodError(method, "not completed", contextErr, methodError(method, "last poll", err))
			}
			return last, methodError(method, "not completed", contextErr)
		}
	}
}

// ActionExpectation is what a backend expects of an action whose result somebody reports.
type ActionExpectation struct {
	// ApplicantID is IDnGO's id of the applicant. Required.
	ApplicantID string
	// ExternalActionID is your own id of the action. It is compared if it is not empty.
	ExternalActionID string
	// LevelName is the name of the level. It is compared if it is not empty.
	LevelName string
}

// ConfirmAction fetches an action and compares it with want. Use it for an id that an app or a
// browser has reported. To check the verdict too, call [Client.RequireApproved]. If a field of want
// differs or is missing from the answer, ConfirmAction returns [ErrActionMismatch] and no action.
// Other errors are those of GetAction.
//
// A field that want has and the service omits is a mismatch every time. The specification's example
// has neither externalActionId nor the level name: expect them only if the answers of your account
// have them. Otherwise compare actionID with the id that you stored.
func (c *Client) ConfirmAction(ctx context.Context, actionID string, want ActionExpectation, opts ...RequestOption) (*Action, error) {
	return c.confirm(ctx, "ConfirmAction", actionID, want, opts)
}

// RequireApproved returns a nil error only if the action is the expected one and its review is
// completed with the answer GREEN: then you may pay out. It is [Client.ConfirmAction] and
// [Action.Approved] in one.
//
// If the review is not completed or its answer is not GREEN, it returns [ErrNotApproved] and also
// the action, so that you can read its status and labels. Test the error, not the action. If the
// action differs from want or lacks a field of it, RequireApproved returns [ErrActionMismatch] and
// no action. Other errors are those of GetAction.
func (c *Client) RequireApproved(ctx context.Context, actionID string, want ActionExpectation, opts ...RequestOption) (*Action, error) {
	const method = "RequireApproved"
	action, err := c.confirm(ctx, method, actionID, want, opts)
	if err != nil {
		return nil, err
	}
	if action.Approved() {
		return action, nil
	}
	text := "the answer is not GREEN"
	if !action.Completed() {
		text = "the review is not completed"
	}
	return action, &oneline.Error{Method: method, Text: ErrNotApproved.Error() + ": " + text, Causes: []error{ErrNotApproved}}
}

func (c *Client) confirm(ctx context.Context, method, actionID string, want ActionExpectation, opts []RequestOption) (*Action, error) {
	opts, _, err := begin(ctx, method, opts, c.check(), checkID("actionID", actionID), required("ApplicantID", want.ApplicantID))
	if err != nil {
		return nil, err
	}
	action, _, err := c.fetchAction(ctx, actionID, opts)
	if err != nil {
		return nil, err
	}
	err = checkMatch(method,
		part{"id", action.ID, actionID},
		part{"applicantId", action.ApplicantID, want.ApplicantID},
		part{"externalActionId", action.ExternalActionID, want.ExternalActionID},
		part{"levelName", action.Review.LevelName, want.LevelName},
	)
	if err != nil {
		return nil, err
	}
	return action, nil
}

// GetApplicant fetches an applicant by IDnGO's id:
//
//	GET /resources/applicants/{applicantID}/one
//
// Start actions only for applicants that are approved, see [Applicant.Approved]. The endpoint is
// documented for related products, and not in the specification of applicant actions. It returns
// [ErrNotFound] for an unknown id, and [ErrActionMismatch] if the service answers with another
// applicant or with one that has no id. Other errors: [ErrInvalidArgument], [*APIError].
func (c *Client) GetApplicant(ctx context.Context, applicantID string, opts ...RequestOption) (*Applicant, error) {
	applicant, caller, err := c.fetchApplicant(ctx, &request{
		operation: opGetApplicant, path: url.PathEscape(applicantID), arguments: []argument{{"applicantID", applicantID, inPath}},
	}, opts)
	if err != nil {
		return nil, err
	}
	if err := checkMatch(caller, part{"id", applicant.ID, applicantID}); err != nil {
		return nil, err
	}
	return applicant, nil
}

// FindApplicant fetches an applicant by your own id of the user:
//
//	GET /resources/applicants/-;externalUserId={externalUserID}/one
//
// Like GetApplicant, it is not in the specification. It returns [ErrNotFound] for an unknown user,
// and [ErrActionMismatch] for an answer with another user, or an applicant that has no id.
// Other errors: [ErrInvalidArgument], [*APIError].
func (c *Client) FindApplicant(ctx context.Context, externalUserID string, opts ...RequestOption) (*Applicant, error) {
	applicant, caller, err := c.fetchApplicant(ctx, &request{
		operation: opFindApplicant, path: "-;externalUserId=" + url.PathEscape(externalUserID),
		arguments: []argument{{"externalUserID", externalUserID, elsewhere}},
	}, opts)
	if err != nil {
		return nil, err
	}
	if applicant.ID == "" {
		return nil, checkMatch(caller, part{"id", "", "any"})
	}
	if applicant.ExternalUserID == "" { // FindApplicant has found it by this id
		return applicant, nil
	}
	if err := checkMatch(caller, part{"externalUserId", applicant.ExternalUserID, externalUserID}); err != nil {
		return nil, err
	}
	return applicant, nil
}

// fetchApplicant returns the applicant that the path of get names, and the method that errors name.
func (c *Client) fetchApplicant(ctx context.Context, get *request, opts []RequestOption) (*Applicant, string, error) {
	applicant := new(Applicant)
	get.method, get.path, get.idempotent = http.MethodGet, "/resources/applicants/"+get.path+"/one", true
	err := c.call(ctx, get, applicant, opts)
	return applicant, get.options.caller, err
}

// WebSDKLinkParams are the arguments of [Client.CreateWebSDKLink].
type WebSDKLinkParams struct {
	// LevelName is the name of the level in the dashboard. Capitals count. Required.
	LevelName string
	// ExternalUserID is your own id of the applicant. Required.
	ExternalUserID string
	// ExternalActionID is your own id of the action.
	ExternalActionID string
	// Locale is the language of the page, ISO 639-1. It is sent if it is not empty.
	Locale string
	// TTL is the lifetime of the link in whole seconds, from 1 s. 0 means the service's default, 30
	// minutes, and is not sent.
	TTL time.Duration
}

// WebSDKLink is a link to send to one user. Anybody who has it can do the verification in the place
// of the user. fmt and slog print it as [redacted]. Its JSON shows the URL.
type WebSDKLink struct {
	// URL is the link. The service chooses its scheme, host and form.
	URL string `json:"url,omitzero"`
}

func (l *WebSDKLink) usable() bool { return l.URL != "" }

// String returns [redacted].
func (WebSDKLink) String() string { return redacted }

// Format writes [redacted] for every verb and flag.
func (WebSDKLink) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns [redacted].
func (WebSDKLink) LogValue() slog.Value { return slog.StringValue(redacted) }

// CreateWebSDKLink creates a link that opens the verification in a browser:
//
//	POST /resources/sdkIntegrations/levels/{levelName}/websdkLink?externalUserId=&externalActionId=&locale=&ttlInSecs=
//
// It is idempotent. Errors: [ErrInvalidArgument], [*APIError].
func (c *Client) CreateWebSDKLink(ctx context.Context, p WebSDKLinkParams, opts ...RequestOption) (*WebSDKLink, error) {
	ttl, problem := wholeSeconds(p.TTL)
	link := new(WebSDKLink)
	err := c.call(ctx, &request{
		operation: opCreateWebSDKLink, method: http.MethodPost, idempotent: true, problem: problem,
		arguments: []argument{{"LevelName", p.LevelName, inPath}, {"ExternalUserID", p.ExternalUserID, elsewhere}},
		path:      "/resources/sdkIntegrations/levels/" + url.PathEscape(p.LevelName) + "/websdkLink",
		query: encodeQuery(struct {
			ExternalUserID   string `url:"externalUserId"`
			ExternalActionID string `url:"externalActionId,omitempty"`
			Locale           string `url:"locale,omitempty"`
			TTL              int64  `url:"ttlInSecs,omitempty"`
		}{p.ExternalUserID, p.ExternalActionID, p.Locale, ttl}),
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
	// maxStalePages is the number of consecutive pages without a new action from which the service
	// is assumed to ignore the offset.
	maxStalePages = 3
)

func actionPath(actionID string) string {
	return "/resources/applicantActions/" + url.PathEscape(actionID)
}

// encode checks the params and makes the JSON body of a create. extra is the JSON of Extra.
func (p CreateActionParams) encode() (body, extra []byte, err error) {
	problems := []error{
		required("ExternalActionID", p.ExternalActionID), validText("ExternalActionID", p.ExternalActionID),
		validText("Email", p.Email), validText("Phone", p.Phone), checkQuestionnaires(p.Questionnaires),
	}
	for _, name := range []string{"externalActionId", "email", "phone", "questionnaires"} {
		if _, ok := p.Extra[name]; ok {
			problems = append(problems, invalid("Extra", "repeats "+name))
		}
	}
	if err := checkArguments("", problems...); err != nil {
		return nil, nil, err
	}
	body, err = json.Marshal(struct {
		ExternalActionID string          `json:"externalActionId"`
		Email            string          `json:"email,omitzero"`
		Phone            string          `json:"phone,omitzero"`
		Questionnaires   []Questionnaire `json:"questionnaires,omitzero"`
	}{p.ExternalActionID, p.Email, p.Phone, p.Questionnaires})
	if err != nil {
		return nil, nil, invalid("Questionnaires", "cannot be encoded as JSON")
	}
	if len(p.Extra) == 0 {
		return body, nil, nil
	}
	if extra, err = json.Marshal(p.Extra); err != nil {
		return nil, nil, invalid("Extra", "cannot be encoded as JSON")
	}
	// {…} and {…} become {…,…}.
	return bytes.Join([][]byte{body[:len(body)-1], extra[1:]}, []byte{','}), extra, nil
}

// checkQuestionnaires refuses texts that encoding/json would change.
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

func (p ListActionsParams) withDefaults() (ListActionsParams, error) {
	var problems []error
	if p.Limit < 0 {
		problems = append(problems, invalid("Limit", "is negative"))
	}
	if p.Offset < 0 {
		problems = append(problems, invalid("Offset", "is negative"))
	}
	if p.Limit == 0 {
		p.Limit = defaultLimit
	}
	if p.Order == "" {
		p.Order = defaultOrder
	}
	return p, checkArguments("", problems...)
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

// errAcknowledged marks the error of a create that was answered with 2xx. Creating again would make
// a second action, however long the list takes to show the first.
var errAcknowledged = errors.New("the answer has no action")

// A part is a value of an action or applicant, and the value that is expected. Nothing is expected
// if want is empty.
type part struct{ name, got, want string }

// checkMatch returns an ErrActionMismatch that names the parts that differ or are missing. It shows
// no values.
func checkMatch(method string, parts ...part) error {
	var problems []string
	for _, p := range parts {
		switch {
		case p.want == "" || p.got == p.want:
		case p.got == "":
			problems = append(problems, "the service does not return the "+p.name)
		default:
			problems = append(problems, "the "+p.name+" differs")
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return &oneline.Error{
		Method: method, Text: ErrActionMismatch.Error() + ": " + strings.Join(problems, "; "), Causes: []error{ErrActionMismatch},
		Transient: parts[0].got == "", // the answer has no action
	}
}

// A turn is an action. Calls of EnsureAction for the same action wait for one another.
type turn struct{ applicantID, externalActionID string }
