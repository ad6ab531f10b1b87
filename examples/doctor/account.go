package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/idngo-go/idngo"
)

// maxOffset is half of the difference that the service allows.
const maxOffset = 30 * time.Second

// checkAccount makes the checks that come before all others. It reports whether the rest can be
// checked.
func (d *doctor) checkAccount() bool {
	return d.checkVariables() && d.checkHost() && d.checkApplicant() && d.checkLevel()
}

func (d *doctor) checkVariables() bool {
	const id, expected = "variables", "IDNGO_APP_TOKEN and IDNGO_SECRET_KEY are set and well-formed"
	token, key := string(d.appToken), string(d.secretKey)
	client, err := d.newClient(idngo.Credentials{AppToken: d.appToken, SecretKey: d.secretKey})
	d.shapes.hide(token, key, string(d.webhookSecret), d.userID, d.applicantID, d.level)
	switch {
	case err != nil:
		d.missing = "the credentials are wrong"
		advice := "copy token and key from the page \"Dev space\" of the dashboard, without quotes, spaces or line breaks"
		if strings.Contains(err.Error(), "base URL") {
			advice = "correct IDNGO_BASE_URL"
		}
		d.account(id, differs, expected, "they are refused before anything is sent", advice, err)
		return false
	case looksLikeToken(key) && !looksLikeToken(token):
		d.missing = "the credentials are wrong"
		d.account(id, differs, expected, "the key has the form of a token, and the token does not", "swap the two variables", nil)
		return false
	}
	d.client = client
	seen := "a token of the usual form"
	if !looksLikeToken(token) {
		seen = "a token of an unusual form"
	}
	d.account(id, holds, expected, seen, "", nil)
	return true
}

// newClient returns a client of the account whose answers are observed.
func (d *doctor) newClient(credentials idngo.Credentials, opts ...idngo.Option) (*idngo.Client, error) {
	own := []idngo.Option{idngo.WithBaseURL(d.baseURL), idngo.WithHTTPClient(&http.Client{Transport: d.observer})}
	return idngo.NewClient(credentials, append(own, opts...)...)
}

// looksLikeToken reports whether text is prefix:public.private or public.private.
func looksLikeToken(text string) bool {
	if prefix, rest, found := strings.Cut(text, ":"); found && len(prefix) == 3 {
		text = rest
	}
	public, private, found := strings.Cut(text, ".")
	return found && public != "" && private != "" && !strings.ContainsAny(public+private, ".:")
}

// checkHost makes the first call, and tells from its answer how far it got.
func (d *doctor) checkHost() bool {
	var answer idngo.Response
	err := d.client.CheckCredentials(d.ctx, idngo.WithResponse(&answer))
	d.missing = "the service does not take calls"
	if !d.checkReached(&answer, err) || !d.checkClock(err) || !d.checkCredentials(&answer, err) {
		return false
	}
	d.missing = ""
	d.checkEnvironment()
	return true
}

func (d *doctor) checkReached(answer *idngo.Response, err error) bool {
	const id, expected = "host", "the base URL leads to the service"
	var untrusted *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	media, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	proxy := "ask who runs the proxy or gateway to let the API through unchanged; check IDNGO_BASE_URL and HTTPS_PROXY"
	switch {
	case errors.As(err, &untrusted) || errors.As(err, &authority) || errors.As(err, &hostname):
		d.account(id, holds, expected, "a host answers", "", nil)
		d.account("tls", differs, "a certificate that this machine trusts", "one that it does not",
			"install the root certificate of your proxy, or use another network", err)
	case answer.StatusCode == 0:
		d.account(id, differs, expected, "no answer",
			"check the network, the firewall, HTTPS_PROXY and IDNGO_BASE_URL; try again later if the service is down", err)
	case answer.StatusCode >= 300 && answer.StatusCode < 400:
		d.account(id, differs, expected, fmt.Sprintf("a redirect with status %d", answer.StatusCode), "correct IDNGO_BASE_URL", err)
	case strings.Contains(media, "html"):
		d.account(id, differs, expected, fmt.Sprintf("a web page with status %d", answer.StatusCode), proxy, err)
	case answer.StatusCode >= 500:
		d.account(id, differs, expected, fmt.Sprintf("status %d", answer.StatusCode), "try again later: the service is down", err)
	case answer.StatusCode == http.StatusNotFound && media != "application/json" && media != "":
		d.account(id, differs, expected, "something other than the service answered", proxy, err)
	default:
		d.account(id, holds, expected, fmt.Sprintf("an answer with status %d", answer.StatusCode), "", nil)
		seen := "plain HTTP, which is for this machine only"
		if d.observer.tls != "" {
			seen = d.observer.tls
		}
		d.account("tls", holds, "a certificate that this machine trusts", seen, "", nil)
		return true
	}
	return false
}

func tlsName(state *tls.ConnectionState) string { return tls.VersionName(state.Version) }

func (d *doctor) checkClock(err error) bool {
	const id, expected = "clock", "this machine's clock is at most 30 s from the service's"
	const advice = "set the clock of this machine, best by NTP; the client corrects itself, other tools do not"
	switch offset := d.observer.offset.Round(time.Second); {
	case errors.Is(err, idngo.ErrTimestampExpired):
		d.account(id, differs, expected, fmt.Sprintf("%v, and the timestamp was refused", offset), advice, err)
		return false
	case d.observer.dated == 0:
		d.account(id, holds, expected, "the timestamp was accepted, and answers have no Date", "", nil)
	case offset.Abs() > maxOffset:
		d.account(id, differs, expected, offset.String(), advice, nil)
	default:
		d.account(id, holds, expected, offset.String(), "", nil)
	}
	return true
}

func (d *doctor) checkCredentials(answer *idngo.Response, err error) bool {
	const id, expected = "credentials", "the service accepts the app token and the signature"
	var api *idngo.APIError
	advice := runAgain(err, "read the error")
	switch {
	case err == nil:
		d.account(id, holds, expected, "accepted", "", nil)
		return true
	case errors.As(err, &api) && !errors.Is(err, idngo.ErrUnauthorized) && d.accepted():
		d.account(id, holds, expected, fmt.Sprintf("accepted, but an unknown action is answered with status %d", answer.StatusCode), "", nil)
		return true
	case errors.Is(err, idngo.ErrSignatureMismatch):
		advice = "take the secret key that belongs to this app token; if it is right, find the proxy that changes requests"
	case errors.Is(err, idngo.ErrUnauthorized):
		advice = "take token and key of one environment (sandbox or production) from one page of the dashboard, and do not swap them"
	case errors.Is(err, idngo.ErrForbidden):
		advice = "compare the permissions of the app token in the dashboard"
	}
	d.account(id, differs, expected, "a refusal, "+errorShape(err), advice, err)
	return false
}

// hasActions lists the actions of -applicant. An unknown applicant has no list.
func (d *doctor) hasActions() error {
	_, err := d.client.ListActions(d.ctx, d.applicantID, idngo.ListActionsParams{Limit: 1})
	return err
}

// accepted makes a call that needs no unknown action.
func (d *doctor) accepted() bool {
	_, err := d.client.FindApplicant(d.ctx, d.userID)
	return err == nil || d.applicantID != "" && d.hasActions() == nil
}

func (d *doctor) checkEnvironment() {
	prefix, _, found := strings.Cut(string(d.appToken), ":")
	d.sandbox = found && (prefix == "sbx" || prefix == "tst")
	seen := "production"
	switch {
	case d.sandbox:
		seen = "sandbox"
	case d.write && !d.production:
		seen = "production, where nothing is written without -production"
	}
	d.account("environment", holds, "sandbox (token prefix sbx:) or production (any other)", seen, "", nil)
}

func (d *doctor) checkApplicant() bool {
	const id, expected = "applicant", "-user is a user of this environment"
	d.missing = "there is no approved applicant"
	if d.userID == "" {
		d.account(id, differs, expected, "no -user", "give -user, your own id of an approved test user", nil)
		return false
	}
	var answer, answerByID idngo.Response
	byUser, errByUser := d.client.FindApplicant(d.ctx, d.userID, idngo.WithResponse(&answer))
	d.shapes.keep("FindApplicant", &answer)
	d.applicant = byUser
	applicantID := d.applicantID
	if errByUser == nil {
		applicantID = byUser.ID
	}
	var errByID error
	if applicantID != "" {
		var byID *idngo.Applicant
		byID, errByID = d.client.GetApplicant(d.ctx, applicantID, idngo.WithResponse(&answerByID))
		d.shapes.keep("GetApplicant", &answerByID)
		if errByUser != nil && errByID == nil && byID.ExternalUserID == d.userID {
			d.applicant = byID
		}
	}
	unread := false // the applicant exists, but no endpoint returns it
	if d.applicant == nil {
		unread = errByID != nil && !passing(errByUser) && !passing(errByID) && d.hasActions() == nil
		if !unread {
			refusal := errByUser
			if passing(errByID) {
				refusal = errByID
			}
			d.account(id, differs, expected, "none was found, "+errorShape(refusal), d.adviceForApplicant(refusal), refusal)
			return false
		}
		d.applicant = &idngo.Applicant{ID: applicantID, ExternalUserID: d.userID}
	}
	d.shapes.hide(d.applicant.ID)
	if unread {
		d.account(id, notSeen, expected, "-applicant has a list of actions, and no endpoint returns the applicant", "", nil)
	} else {
		d.account(id, holds, expected, "found", "", nil)
	}
	d.see("applicant-by-user", verdict(errByUser == nil), answerShape(&answer), errByUser)
	d.see("applicant-by-id", verdict(errByID == nil), answerShape(&answerByID), errByID)
	if unread {
		return d.approvalNotSeen()
	}
	return d.checkApproved()
}

// adviceForApplicant returns the advice if no applicant was found.
func (d *doctor) adviceForApplicant(refusal error) string {
	advice := "take a user that the dashboard shows in this environment, by your own id of it; capitals count"
	if !errors.Is(refusal, idngo.ErrNotFound) {
		advice = "compare the permissions of the app token in the dashboard"
	}
	if d.applicantID == "" {
		return runAgain(refusal, advice+"; if the user is right, give IDnGO's id of it with -applicant (IDNGO_APPLICANT_ID)")
	}
	return runAgain(refusal, advice+"; compare -applicant (IDNGO_APPLICANT_ID) too")
}

// runAgain returns the advice for an error. For an error that may pass, the advice is to wait.
func runAgain(err error, advice string) string {
	if passing(err) {
		return "wait a minute and run again"
	}
	return advice
}

// approvalNotSeen reports that no endpoint returns the review of the applicant. The rest can still
// be checked: an applicant that is not approved gets no action.
func (d *doctor) approvalNotSeen() bool {
	const seen = "nothing: no endpoint returns the applicant"
	d.see("applicant-review", notSeen, seen, nil)
	d.account("approved", notSeen, approved, seen, "", nil)
	d.missing = ""
	return true
}

const approved = "the user is approved: review completed with GREEN"

func (d *doctor) checkApproved() bool {
	const id = "approved"
	review := d.applicant.Review
	hasReview := review.ReviewStatus != "" && (!d.applicant.Completed() || review.ReviewResult.ReviewAnswer != "")
	seen := "status " + known(string(review.ReviewStatus)) + ", answer " + known(string(review.ReviewResult.ReviewAnswer))
	d.seeIf(hasReview, "applicant-review", seen)
	if !d.applicant.Approved() {
		d.account(id, differs, approved, seen,
			"approve the user in the dashboard (in a sandbox a person does it), or take another one: actions are for approved users", nil)
		return false
	}
	d.account(id, holds, approved, seen, "", nil)
	d.missing = ""
	return true
}

// checkLevel asks for an access token, which makes nothing in the account. In a production account
// it does not even do that without -production.
func (d *doctor) checkLevel() bool {
	const id, expected = "level", "-level is a level of this environment"
	if d.level == "" {
		d.missing = "there is no level"
		d.account(id, differs, expected, "no -level", "give -level, the name of a level for actions in the dashboard", nil)
		return false
	}
	if !d.sandbox && !d.production {
		d.account(id, notSeen, expected, "nothing: no token is made in a production account without -production", "", nil)
		return true
	}
	_, err := d.client.CreateAccessToken(d.ctx, idngo.AccessTokenParams{UserID: d.userID, LevelName: d.level, TTL: time.Minute})
	if err != nil && !errors.Is(err, idngo.ErrNotFound) { // the service may only refuse the ttlInSecs
		err = d.client.Do(d.ctx, http.MethodPost, "/resources/accessTokens", url.Values{"userId": {d.userID}, "levelName": {d.level}}, nil, nil)
	}
	if err != nil {
		d.missing = "there is no level"
		d.account(id, differs, expected, "no token for it, "+errorShape(err),
			runAgain(err, "copy the name from the dashboard, with its capitals"), err)
		return false
	}
	d.account(id, holds, expected, "a token for it was made", "", nil)
	return true
}

// checkLevelType prints whether the level is for actions. It is if an action was made with it.
func (d *doctor) checkLevelType(created bool, refusal error) {
	const id, expected = "level-type", "the type of -level is for actions"
	listed := d.listed != nil && slices.ContainsFunc(d.listed.Items, func(a *idngo.Action) bool { return a.Review.LevelName == d.level })
	switch {
	case created:
		d.account(id, holds, expected, "an action was made with it", "", nil)
	case refusal != nil:
		d.account(id, differs, expected, "no action can be made with it, "+errorShape(refusal),
			"choose the type \"Applicant actions\" for it in the dashboard, or take another level", refusal)
	case listed:
		d.account(id, holds, expected, "the user has an action with it", "", nil)
	default:
		d.account(id, notSeen, expected, "nothing: no action was made with it", "", nil)
	}
}
