package simulator

import (
	"crypto/sha256"
	_ "embed" // the selfie
	"encoding/hex"
	"errors"
	"net/http"
)

//go:embed selfie.png
var selfie []byte

// CompleteWithToken does what an app does with an access token. It creates the action
// if there is none, uploads a selfie if the level asks for one and none is there, and
// submits. It changes nothing if the action was submitted before. It returns the id of
// the action.
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

// completeWithToken implements CompleteWithToken. The mutex is held.
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

// openTicket returns the action of a token or a link. It creates the action if there is
// none, as the vendor's SDK does. The mutex is held.
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

// takeSelfie returns an image as an app uploads it. All simulators share its bytes, so
// they are not counted. The mutex is held.
func (s *Server) takeSelfie() *storedImage {
	imageHash, sum256 := newImageHash(), sha256.Sum256(selfie)
	imageHash.Write(selfie)
	return &storedImage{
		id: s.ids.object(s.now()), imageID: s.ids.image(), previewID: s.ids.image(), added: s.now(),
		fileName: "selfie.png", contentType: "image/png", mediaType: "image/png",
		sha1: hex.EncodeToString(imageHash.Sum(nil)), sha256: hex.EncodeToString(sum256[:]), sigHash: newUUID(),
		size: int64(len(selfie)), meta: imageMetadata{IDDocType: "SELFIE", Country: "KAZ"},
		resolution: &wireResolution{240, 320}, content: [][]byte{selfie}, shared: true,
	}
}
