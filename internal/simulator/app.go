package simulator

import (
	"crypto/sha1"
	"crypto/sha256"
	_ "embed" // the selfie
	"encoding/hex"
	"errors"
	"net/http"
)

//go:embed selfie.png
var selfie []byte

// CompleteWithToken plays the app that was handed an access token: it makes the
// action where there is none, takes the selfie where one is asked for and none is
// there, and submits. An action that was submitted before stays as it is. It
// returns the id of the action.
func (s *Server) CompleteWithToken(token string) (actionID string, err error) {
	if token == "" {
		return "", errors.New("simulator: CompleteWithToken: the access token is empty")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a, refused := s.completeWithToken(token)
	if refused != nil {
		return "", errors.New("simulator: CompleteWithToken: " + refused.text)
	}
	return a.id, nil
}

// completeWithToken is CompleteWithToken. The mutex is held.
func (s *Server) completeWithToken(token string) (*action, *reply) {
	t, state := s.tokens.find(token, s.now())
	switch {
	case state == ticketUnknown:
		return nil, refusal(http.StatusNotFound, "This simulator has not made this access token, or has made 10,000 others since")
	case state == ticketExpired:
		return nil, refusal(http.StatusGone, "The access token has expired: an app asks its backend for a new one")
	case t.externalActionID == "":
		return nil, refusal(http.StatusBadRequest, "The access token was made without externalActionId: it is not for an action")
	}
	a, refused := s.openTicket(t)
	if refused != nil {
		return nil, refused
	}
	if a.status != statusInit {
		return a, nil
	}
	if missingImage(a) != "" {
		a.images = append(a.images, s.takeSelfie())
	}
	a.submits++
	s.startReview(a)
	s.reviewAtOnce(a)
	s.changed(a)
	return a, nil
}

// openTicket is the action that a token or a link is for. Like the vendor's SDK it
// makes one that is not there yet. The mutex is held.
func (s *Server) openTicket(t ticket) (*action, *reply) {
	owner, refused := s.findUser(t.user)
	if refused != nil { // the applicant got another external user id since
		return nil, refusal(http.StatusNotFound, "The applicant is not known here any more.")
	}
	if a := s.findAction(owner, t.externalActionID); a != nil {
		return a, nil
	}
	return s.newAction(owner, t.levelName, createRequest{ExternalActionID: t.externalActionID}, nil)
}

// takeSelfie is an image as an app uploads it. Its bytes are shared by all
// simulators, and count for no memory. The mutex is held.
func (s *Server) takeSelfie() *storedImage {
	sum1, sum256 := sha1.Sum(selfie), sha256.Sum256(selfie)
	return &storedImage{
		id: s.ids.object(s.now()), imageID: s.ids.image(), previewID: s.ids.image(), added: s.now(),
		fileName: "selfie.png", contentType: "image/png", mediaType: "image/png",
		sha1: hex.EncodeToString(sum1[:]), sha256: hex.EncodeToString(sum256[:]), sigHash: newUUID(),
		size: int64(len(selfie)), meta: imageMetadata{IDDocType: "SELFIE", Country: "KAZ"},
		resolution: &wireResolution{240, 320}, content: [][]byte{selfie}, shared: true,
	}
}
