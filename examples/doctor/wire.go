package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/idngo-go/idngo"
)

const unknownID = "000000000000000000000000" // the id of an action that cannot exist

// checkWire checks the client's assumptions about the wire: with -write on an action of its own,
// otherwise on the actions that exist.
func (d *doctor) checkWire() error {
	if err := d.listen(); err != nil {
		return err
	}
	if d.mayWrite() && !d.checkCreate() {
		d.checkList()
		d.checkErrors()
		return nil
	}
	d.checkList()
	if !d.mayWrite() {
		d.checkLevelType(false, nil)
	}
	d.checkAction()
	if len(d.actions) > 0 {
		d.checkImages()
		d.checkTokens()
		d.checkSubmit()
	}
	d.checkReview()
	d.checkErrors()
	d.checkWebhooks()
	return nil
}

// checkCreate creates the action, and tries the same external id again.
func (d *doctor) checkCreate() bool {
	d.externalID = "idngo-doctor-" + strings.ToLower(rand.Text()[:12])
	d.shapes.hide(d.externalID)
	fmt.Fprintf(d.out, "\nWriting: this creates an action for the user, with the external id %s, and asks for the same one again,\n"+
		"which may create a second. Nothing deletes them.\n\n", d.externalID)
	d.stage = "its creation was begun"
	params := idngo.CreateActionParams{LevelName: d.level, ExternalActionID: d.externalID}
	var answer idngo.Response
	action, err := d.client.CreateAction(d.ctx, d.applicant.ID, params, idngo.WithResponse(&answer))
	d.shapes.keep("CreateAction", &answer)
	if err != nil && answer.StatusCode/100 != 2 {
		if answer.StatusCode/100 == 4 && !errors.Is(err, idngo.ErrOutcomeUnknown) { // after a 408 there may be an action
			d.stage = ""
		}
		if errors.Is(err, idngo.ErrNotFound) { // the applicant is known, so it is the level
			d.checkLevelType(false, err)
		} else {
			d.see("create-minimal", differs, errorShape(err), err)
		}
		return false
	}
	d.checkLevelType(true, nil)
	d.see("create-minimal", holds, answerShape(&answer), nil)
	d.seeIf(text(object(answer.Body), "id") != "", "create-answer", answerShape(&answer))
	if err != nil { // another action in the list may belong to somebody else
		d.stage, d.missing = "created, but the service does not return its id", "the action that was created was not found"
		return false
	}
	d.actions, d.stage = append(d.actions, action.ID), "created, not submitted"
	d.shapes.hide(action.ID)

	again, err := d.client.CreateAction(d.ctx, d.applicant.ID, params, idngo.WithResponse(&answer))
	d.shapes.keep("CreateAction again", &answer)
	switch {
	case err != nil && answer.StatusCode/100 == 2:
		d.second = true
		d.see("duplicate-external-id", notSeen, "an answer without the action", nil)
	case err != nil:
		d.second = errors.Is(err, idngo.ErrOutcomeUnknown)
		d.see("duplicate-external-id", differs, errorShape(err), err)
	case again.ID == action.ID:
		d.see("duplicate-external-id", differs, "the first action again", nil)
	default:
		d.actions = append(d.actions, again.ID)
		d.shapes.hide(again.ID)
		d.see("duplicate-external-id", holds, "a second action", nil)
	}
	return true
}

// checkList lists the applicant's actions in several ways.
func (d *doctor) checkList() {
	var answer idngo.Response
	page, err := d.client.ListActions(d.ctx, d.applicant.ID, idngo.ListActionsParams{Limit: 50}, idngo.WithResponse(&answer))
	d.shapes.keep("ListActions", &answer)
	if err != nil {
		d.see("list-envelope", differs, errorShape(err), err)
		return
	}
	d.listed = page
	body := object(answer.Body)
	list, wrapped := body["list"].(map[string]any)
	if !wrapped {
		list = body
	}
	_, hasItems := list["items"]
	d.seeIf(wrapped && hasItems, "list-envelope", "members "+strings.Join(memberNames(body), ", "))

	d.checkTotal(list)
	d.checkOrder()
	d.checkOffset()
	if len(page.Items) > 0 {
		found := slices.ContainsFunc(page.Items, func(a *idngo.Action) bool { return a.ExternalActionID != "" })
		d.seeIf(found, "list-external-ids", "members of an entry: "+strings.Join(memberNames(firstItem(list)), ", "))
	}
}

func (d *doctor) checkTotal(list map[string]any) {
	total, ok := list["totalItems"].(json.Number)
	if !ok {
		d.see("list-total", differs, "totalItems is "+kind(list["totalItems"]), nil)
		return
	}
	one, err := d.client.ListActions(d.ctx, d.applicant.ID, idngo.ListActionsParams{Limit: 1})
	switch count, _ := total.Int64(); {
	case err != nil || count <= 1:
		d.see("list-total", notSeen, "a number, and too few actions to tell what it counts", nil)
	default:
		d.seeIf(one.TotalItems == int(count), "list-total",
			fmt.Sprintf("the total of a page of one action is that of all: %t", one.TotalItems == int(count)))
	}
}

func (d *doctor) checkOrder() {
	if len(d.actions) > 1 { // the second action was made after the first
		at := func(id string) int {
			return slices.IndexFunc(d.listed.Items, func(a *idngo.Action) bool { return a.ID == id })
		}
		if first, second := at(d.actions[0]), at(d.actions[1]); first >= 0 && second >= 0 {
			d.seeIf(second < first, "list-order", "of two new actions the second comes first: "+fmt.Sprint(second < first))
			return
		}
	}
	dates := make([]time.Time, 0, len(d.listed.Items))
	for _, a := range d.listed.Items {
		dates = append(dates, a.CreatedAt.Time)
	}
	if len(dates) < 2 || dates[0].Equal(dates[len(dates)-1]) {
		d.see("list-order", notSeen, "too few actions to tell", nil)
		return
	}
	newestFirst := dates[0].After(dates[len(dates)-1])
	d.seeIf(newestFirst, "list-order", "the first entry is the newest: "+fmt.Sprint(newestFirst))
}

// checkOffset fetches the list without an offset, which the client always sends.
func (d *doctor) checkOffset() {
	var page idngo.ActionPage
	path := "/resources/applicantActions/-;applicantId=" + url.PathEscape(d.applicant.ID)
	err := d.client.Do(d.ctx, http.MethodGet, path, url.Values{"limit": {"1"}, "order": {"-createdAt"}}, nil, &page)
	all := d.listed.Items
	switch {
	case err != nil:
		d.see("list-offset", differs, errorShape(err), err)
	case len(all) == 0:
		d.see("list-offset", notSeen, "a user without actions", nil)
	case len(page.Items) > 0 && page.Items[0].ID == all[0].ID:
		d.see("list-offset", differs, "it begins at 0", nil)
	case len(page.Items) == 0 && len(all) <= 10, len(page.Items) > 0 && len(all) > 10 && page.Items[0].ID == all[10].ID:
		d.see("list-offset", holds, "it begins at 10", nil)
	default:
		d.see("list-offset", differs, "it begins neither at 0 nor at 10", nil)
	}
}

// checkAction fetches one action: the new one, or the first of the list.
func (d *doctor) checkAction() {
	id := ""
	switch {
	case len(d.actions) > 0:
		id = d.actions[0]
	case d.listed != nil && len(d.listed.Items) > 0:
		id = d.listed.Items[0].ID
	}
	if id == "" {
		return
	}
	var answer idngo.Response
	_, err := d.client.GetAction(d.ctx, id, idngo.WithResponse(&answer))
	d.shapes.keep("GetAction", &answer)
	if err != nil {
		d.missing = "the action could not be fetched, " + errorShape(err)
		return
	}
	body := object(answer.Body)
	review, _ := body["review"].(map[string]any)
	names := "members " + strings.Join(memberNames(body), ", ")
	reviewNames := "members of the review: " + strings.Join(memberNames(review), ", ")
	d.seeIf(text(body, "externalActionId") != "", "action-external-id", names)
	d.seeIf(text(review, "levelName") != "", "action-level", reviewNames)
	d.seeIf(text(review, "reviewStatus") != "", "action-status", reviewNames+"; status "+known(text(review, "reviewStatus")))

	created, form := dateForm(text(body, "createdAt")), dateForm(text(review, "createDate"))
	ours := func(form string) bool {
		return form == "0000-00-00 00:00:00" || form == "0000-00-00 00:00:00+0000" || form == "none"
	}
	d.seeIf(ours(created) && ours(form), "action-dates", "createdAt "+created+", review.createDate "+form)

	odd := oddMembers(answer.Body)
	seen := "all of them"
	if len(odd) > 0 {
		seen = strings.Join(odd, ", ")
	}
	d.seeIf(len(odd) == 0, "member-types", seen)
}

// checkImages uploads and downloads drawn images.
func (d *doctor) checkImages() {
	id := d.actions[0]
	var answer idngo.Response
	selfie := idngo.AddImageParams{IDDocType: idngo.IDDocTypeSelfie, Country: "KAZ", Image: idngo.ImageBytes("doctor.jpg", pictures()[0])}
	uploaded, err := d.client.AddImage(d.ctx, id, selfie, idngo.WithResponse(&answer))
	d.shapes.keep("AddImage", &answer)
	if err != nil {
		if errors.Is(err, idngo.ErrOutcomeUnknown) {
			d.stage = "created, perhaps with an image, not submitted"
		}
		d.missing = "the upload of an image was refused, " + errorShape(err)
		return
	}
	d.stage = "created, with an image, not submitted"
	_, number := object(answer.Body)["imageId"].(json.Number)
	d.seeIf(number, "image-id-number", "imageId is "+kind(object(answer.Body)["imageId"]))

	_, err = d.client.AddImage(d.ctx, id, selfie, idngo.WithResponse(&answer))
	d.shapes.keep("AddImage again", &answer)
	d.see("image-duplicate", verdict(errors.Is(err, idngo.ErrDuplicateImage)), answerShape(&answer), err)

	side := selfie
	side.IDDocSubType, side.Image = idngo.IDDocSubTypeFrontSide, idngo.ImageBytes("doctor-2.jpg", pictures()[1])
	_, err = d.client.AddImage(d.ctx, id, side, idngo.WithResponse(&answer))
	d.shapes.keep("AddImage with a side", &answer)
	d.see("image-sub-type", verdict(err == nil), answerShape(&answer), err)
	d.checkDownload(id, uploaded)
}

func (d *doctor) checkDownload(actionID string, uploaded *idngo.Image) {
	imageID := uploaded.ImageID
	media, err := d.download(actionID, imageID, idngo.ImageParams{})
	d.see("image-by-image-id", verdict(err == nil), "by imageId: "+outcome(err), err)
	if err != nil {
		imageID = idngo.ImageID(uploaded.ID)
		if media, err = d.download(actionID, imageID, idngo.ImageParams{}); err != nil {
			d.missing = "the image could not be downloaded, " + errorShape(err)
			return
		}
	}
	d.seeIf(media == "image/jpeg", "image-media-type", mediaShape(media))
	_, err = d.download(actionID, imageID, idngo.ImageParams{Preview: true})
	d.see("image-preview", verdict(err == nil), outcome(err), err)
}

func (d *doctor) download(actionID string, imageID idngo.ImageID, p idngo.ImageParams) (media string, err error) {
	content, err := d.client.OpenImage(d.ctx, actionID, imageID, p)
	if err != nil {
		return "", err
	}
	defer content.Close()
	media, _, _ = mime.ParseMediaType(content.ContentType)
	_, err = io.Copy(io.Discard, content)
	return media, err
}

// checkTokens makes an access token and a link for the new action.
func (d *doctor) checkTokens() {
	var answer idngo.Response
	_, err := d.client.CreateAccessToken(d.ctx, idngo.AccessTokenParams{
		UserID: d.userID, ExternalActionID: d.externalID, LevelName: d.level, TTL: time.Minute,
	}, idngo.WithResponse(&answer))
	d.see("token-ttl", verdict(err == nil), outcome(err), err)
	if err != nil {
		query := url.Values{"userId": {d.userID}, "externalActionId": {d.externalID}, "levelName": {d.level}}
		err = d.client.Do(d.ctx, http.MethodPost, "/resources/accessTokens", query, nil, nil, idngo.WithResponse(&answer))
	}
	d.shapes.keep("CreateAccessToken", &answer)
	if err == nil {
		d.seeIf(text(object(answer.Body), "userId") != "", "token-answer", "members "+strings.Join(memberNames(object(answer.Body)), ", "))
	}

	link := idngo.WebSDKLinkParams{LevelName: d.level, ExternalUserID: d.userID, ExternalActionID: d.externalID}
	_, plain := d.client.CreateWebSDKLink(d.ctx, link, idngo.WithResponse(&answer))
	d.shapes.keep("CreateWebSDKLink", &answer)
	if plain != nil {
		d.see("link-locale", notSeen, "a link without locale is refused too, "+errorShape(plain), nil)
		d.see("link-ttl", notSeen, "a link without ttlInSecs is refused too, "+errorShape(plain), nil)
		return
	}
	localized, timed := link, link
	localized.Locale, timed.TTL = "en", time.Minute
	_, err = d.client.CreateWebSDKLink(d.ctx, localized)
	d.see("link-locale", verdict(err == nil), outcome(err), err)
	_, err = d.client.CreateWebSDKLink(d.ctx, timed)
	d.see("link-ttl", verdict(err == nil), outcome(err), err)
}

// checkSubmit submits the new action twice.
func (d *doctor) checkSubmit() {
	var answer idngo.Response
	_, err := d.client.SubmitAction(d.ctx, d.actions[0], idngo.WithResponse(&answer))
	d.shapes.keep("SubmitAction", &answer)
	if answer.StatusCode/100 != 2 {
		if errors.Is(err, idngo.ErrOutcomeUnknown) {
			d.stage += ", or perhaps submitted"
		}
		d.missing = "the submit was refused, " + errorShape(err)
		return
	}
	d.stage = "submitted"
	d.seeIf(text(object(answer.Body), "id") != "", "submit-answer", answerShape(&answer))
	_, err = d.client.SubmitAction(d.ctx, d.actions[0], idngo.WithResponse(&answer))
	d.shapes.keep("SubmitAction again", &answer)
	d.see("submit-again", verdict(answer.StatusCode/100 == 2), answerShape(&answer), err)
}

// checkReview checks a completed review: that of the new action, or of one in the list.
func (d *doctor) checkReview() {
	var answer idngo.Response
	id := ""
	if len(d.actions) > 0 && d.stage == "submitted" {
		ctx, cancel := context.WithTimeout(d.ctx, d.reviewWait)
		defer cancel()
		wait := idngo.WaitParams{MinInterval: 100 * time.Millisecond, MaxInterval: 2 * time.Second}
		if action, err := d.client.WaitForReview(ctx, d.actions[0], wait); err == nil {
			id = action.ID
		}
	}
	if id == "" && d.listed != nil {
		if at := slices.IndexFunc(d.listed.Items, (*idngo.Action).Completed); at >= 0 {
			id = d.listed.Items[at].ID
		}
	}
	if id == "" {
		d.see("action-result", notSeen, "no review is completed: decide one in the dashboard and run again", nil)
		return
	}
	if _, err := d.client.GetAction(d.ctx, id, idngo.WithResponse(&answer)); err != nil {
		return
	}
	d.shapes.keep("GetAction completed", &answer)
	review, _ := object(answer.Body)["review"].(map[string]any)
	result, inReview := review["reviewResult"].(map[string]any)
	seen := "in the review: " + kind(review["reviewResult"]) + ", at the root: " + kind(object(answer.Body)["reviewResult"]) +
		", answer " + known(text(result, "reviewAnswer"))
	d.seeIf(inReview, "action-result", seen)
}

// checkErrors provokes refusals.
func (d *doctor) checkErrors() {
	var answer idngo.Response
	_, err := d.client.GetAction(d.ctx, unknownID, idngo.WithResponse(&answer))
	d.shapes.keep("GetAction unknown", &answer)
	d.see("error-unknown-action", verdict(errors.Is(err, idngo.ErrNotFound)), answerShape(&answer), err)
	body := object(answer.Body)
	_, hasCode := body["code"]
	whole := text(body, "description") != "" && text(body, "correlationId") != "" && hasCode
	d.see("error-body", verdict(whole), answerShape(&answer)+", members "+strings.Join(memberNames(body), ", "), err)

	if d.sandbox || d.production {
		_, err = d.client.CreateAccessToken(d.ctx, idngo.AccessTokenParams{
			UserID: d.userID, LevelName: "idngo-doctor-no-such-level", TTL: time.Minute,
		}, idngo.WithResponse(&answer))
		d.shapes.keep("CreateAccessToken unknown level", &answer)
		if text(object(answer.Body), "token") == "" && d.tokensAreMade() {
			d.see("error-unknown-level", verdict(errors.Is(err, idngo.ErrNotFound)), answerShape(&answer), err)
		} else {
			d.see("error-unknown-level", notSeen, "a token for an unknown level is "+outcome(err), nil)
		}
	}
	d.checkAuthErrors()
	d.checkAccept()
	d.observer.mu.Lock()
	answers, dated := d.observer.answers, d.observer.dated
	d.observer.mu.Unlock()
	d.seeIf(answers == dated, "date-header", fmt.Sprintf("%d of %d answers had one", dated, answers))
}

// checkAccept lists actions without the header Accept, which the client otherwise always sends.
func (d *doctor) checkAccept() {
	const id = "accept-header"
	path := "/resources/applicantActions/-;applicantId=" + url.PathEscape(d.applicant.ID) + "?limit=1&offset=0"
	request, err := http.NewRequestWithContext(d.ctx, http.MethodGet, strings.TrimSuffix(d.baseURL, "/")+path, http.NoBody)
	if err != nil {
		return
	}
	signer, err := idngo.NewSigner(idngo.Credentials{AppToken: d.appToken, SecretKey: d.secretKey})
	if err != nil || signer.Sign(request, d.observer.now()) != nil {
		return
	}
	response, err := d.observer.RoundTrip(request)
	if err != nil {
		d.see(id, notSeen, "no answer", err)
		return
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		d.see(id, notSeen, "no usable answer", err)
		return
	}
	answer := &idngo.Response{StatusCode: response.StatusCode, Header: response.Header, Body: body}
	d.shapes.keep("ListActions without Accept", answer)
	var refusal error
	if answer.StatusCode/100 != 2 {
		refusal = &idngo.APIError{Operation: "list actions without Accept", StatusCode: answer.StatusCode}
	}
	d.see(id, verdict(refusal == nil && object(body) != nil), answerShape(answer), refusal)
}

// tokensAreMade reports whether the service makes tokens for the client's request.
func (d *doctor) tokensAreMade() bool {
	return !slices.ContainsFunc(d.lines, func(l line) bool { return l.id == "token-ttl" && l.verdict == differs })
}

// checkAuthErrors signs with another key, and with an old timestamp.
func (d *doctor) checkAuthErrors() {
	once := idngo.WithRetryPolicy(idngo.RetryPolicy{MaxAttempts: 1})
	right := idngo.WithClock(d.observer.now) // the service may check the timestamp first
	old := idngo.WithClock(func() time.Time { return d.observer.now().Add(-time.Hour) })
	credentials := idngo.Credentials{AppToken: d.appToken, SecretKey: "idngo-doctor-wrong-key"}
	for _, probe := range []struct {
		id, key string
		code    idngo.ErrorCode
		clock   idngo.Option
	}{
		{"error-signature", "wrong signature", idngo.CodeSignatureMismatch, right},
		{"error-timestamp", "old timestamp", idngo.CodeTimestampExpired, old},
	} {
		if probe.id == "error-timestamp" {
			credentials.SecretKey = d.secretKey
		}
		client, err := d.newClient(credentials, probe.clock, once)
		if err != nil {
			continue
		}
		var answer idngo.Response
		_, err = client.GetAction(d.ctx, unknownID, idngo.WithResponse(&answer))
		d.shapes.keep("GetAction "+probe.key, &answer)
		var api *idngo.APIError
		if errors.As(err, &api) {
			d.see(probe.id, verdict(api.StatusCode == http.StatusUnauthorized && api.Code == probe.code), answerShape(&answer), err)
		}
	}
}

// pictures returns two different images.
var pictures = sync.OnceValue(func() [2][]byte { return [2][]byte{draw(0), draw(100)} })

// draw returns a JPEG without a face.
func draw(shade int) []byte {
	picture := image.NewGray(image.Rect(0, 0, 480, 640))
	for y := range 640 {
		for x := range 480 {
			dx, dy := (x-240)*4/3, y-320
			picture.SetGray(x, y, color.Gray{Y: uint8(255 - min(255-shade, (dx*dx+dy*dy)/300))})
		}
	}
	var b bytes.Buffer
	_ = jpeg.Encode(&b, picture, nil) // writing to a bytes.Buffer never fails
	return b.Bytes()
}
