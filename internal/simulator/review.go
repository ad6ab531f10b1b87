package simulator

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Outcome is the verdict of a review.
type Outcome struct {
	Answer            string   // GREEN (default), RED, ERROR; YELLOW and IGNORED are known too
	RejectLabels      []string // such as BAD_FACE_MATCHING
	RejectType        string   // "", FINAL or RETRY
	ModerationComment string   // may be shown to the user
	ClientComment     string   // may not

	// LivenessFailed makes liveness the reason of a RED: then there is no face
	// match. The label FRAUDULENT_LIVENESS does the same.
	LivenessFailed bool

	// OnHold puts the action on hold instead: no verdict until
	// [Server.Review], or somebody on the page, gives one.
	OnHold bool
}

var answers = []string{"GREEN", "RED", "ERROR", "YELLOW", "IGNORED"}

// isLabel reports whether text has the form of a reject label.
func isLabel(text string) bool {
	return text != "" && len(text) <= 64 && strings.Contains(upper, text[:1]) && strings.Trim(text, upper+digit+"_") == ""
}

// ParseOutcome reads the value of a flag: an answer, with reject labels after a
// colon: "GREEN", "RED", "RED:BAD_FACE_MATCHING,FRAUDULENT_LIVENESS",
// "RED-FINAL:FORGERY", "ERROR", "onHold". A RED without labels gets
// BAD_FACE_MATCHING; the user may try again (RETRY) unless it is a RED-FINAL.
func ParseOutcome(text string) (Outcome, error) {
	if strings.EqualFold(text, statusOnHold) {
		return Outcome{OnHold: true}, nil
	}
	name, labels, _ := strings.Cut(text, ":")
	o := Outcome{Answer: strings.ToUpper(name)}
	final := o.Answer == "RED-FINAL"
	if final {
		o.Answer = "RED"
	}
	if labels != "" {
		o.RejectLabels = strings.Split(labels, ",")
	}
	if o.Answer == "RED" {
		o.RejectType = "RETRY"
		if final {
			o.RejectType = "FINAL"
		}
		if labels == "" {
			o.RejectLabels = []string{"BAD_FACE_MATCHING"}
		}
	}
	if name == "" {
		return Outcome{}, errors.New("simulator: outcome: it must be GREEN, RED, RED:LABEL, RED-FINAL:LABEL, ERROR or onHold")
	}
	if err := o.complete(); err != nil {
		return Outcome{}, fmt.Errorf("simulator: %w", err)
	}
	return o, nil
}

// suffixForms are the outcomes that an external action id can ask for.
const suffixForms = "#GREEN, #RED, #RED:LABEL,LABEL, #RED-FINAL, #RED-FINAL:LABEL, #ERROR or #onHold; " +
	"a reject label has capital letters, digits and _"

// suffixOutcome returns the outcome at the end of an external action id, such as
// "pay-1#RED:FORGERY", or nil. What begins with an answer in any case and is none of the
// forms is an error, since the verdict would be unexpected.
func suffixOutcome(externalActionID string) (*Outcome, error) {
	at := strings.LastIndexByte(externalActionID, '#')
	if at < 0 {
		return nil, nil
	}
	suffix := externalActionID[at+1:]
	end := strings.IndexFunc(suffix, func(r rune) bool { return !strings.ContainsRune(lower+upper, r) })
	if end < 0 {
		end = len(suffix)
	}
	known := func(answer string) bool { return strings.EqualFold(answer, suffix[:end]) }
	if !known(statusOnHold) && !slices.ContainsFunc(answers, known) {
		return nil, nil
	}
	name, _, labelled := strings.Cut(suffix, ":")
	red := name == "RED" || name == "RED-FINAL"
	o, err := ParseOutcome(suffix)
	if err != nil || !red && (labelled || name != "GREEN" && name != "ERROR" && name != statusOnHold) {
		return nil, fmt.Errorf("externalActionId ends with #%s: an outcome is %s", shorten(suffix, 100), suffixForms)
	}
	return &o, nil
}

// Review decides an action as a person does, in any status. An action that was not submitted
// becomes pending first. Review cancels a review that waits, and replaces a verdict.
func (s *Server) Review(actionID string, o Outcome) error {
	if err := o.complete(); err != nil {
		return fmt.Errorf("simulator: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.actions[actionID]
	if a == nil {
		return errors.New("simulator: no such action")
	}
	s.decide(a, o)
	return nil
}

// complete checks an Outcome and fills in the defaults. A RED without labels gets those of
// "RED".
func (o *Outcome) complete() error {
	if o.Answer == "" {
		o.Answer = "GREEN"
	}
	if !slices.Contains(answers, o.Answer) {
		return fmt.Errorf("outcome: answer %q must be one of %s", o.Answer, strings.Join(answers, ", "))
	}
	if !slices.Contains([]string{"", "FINAL", "RETRY"}, o.RejectType) {
		return fmt.Errorf("outcome: reject type %q must be FINAL or RETRY", o.RejectType)
	}
	for _, label := range o.RejectLabels {
		if !isLabel(label) {
			return fmt.Errorf("outcome: reject label %q must have only capital letters, digits and _", label)
		}
	}
	o.RejectLabels = slices.Clone(o.RejectLabels)
	if o.Answer == "RED" && len(o.RejectLabels) == 0 && !o.OnHold && !o.LivenessFailed {
		o.RejectLabels = []string{"BAD_FACE_MATCHING"}
		o.RejectType = cmp.Or(o.RejectType, "RETRY")
	}
	return nil
}

// String returns the outcome as [ParseOutcome] reads it, without comments.
func (o Outcome) String() string {
	text := o.Answer
	switch {
	case o.OnHold:
		return statusOnHold
	case o.Answer == "RED" && o.RejectType == "FINAL":
		text = "RED-FINAL"
	}
	if len(o.RejectLabels) > 0 {
		text += ":" + strings.Join(o.RejectLabels, ",")
	}
	return text
}

func (o Outcome) wire() *wireResult {
	return &wireResult{o.Answer, o.RejectLabels, o.RejectType, o.ModerationComment, o.ClientComment}
}

// startReview submits an action and has it reviewed after the delay. The mutex
// is held.
func (s *Server) startReview(a *action) {
	a.status = statusPending
	s.notify(a, eventPending)
	switch {
	case s.cfg.ManualReview || s.closed:
	case s.cfg.ReviewDelay == NoReviewDelay: // see reviewAtOnce
	case s.cfg.ReviewDelay < 0:
		s.review(a)
	default:
		s.tasks.Add(1)
		a.timer = time.AfterFunc(s.cfg.ReviewDelay, func() {
			defer s.tasks.Done()
			s.mu.Lock()
			defer s.mu.Unlock()
			// A person may have decided at the same moment.
			if a.timer != nil && !s.closed {
				a.timer = nil
				s.review(a)
			}
		})
	}
}

// reviewAtOnce reviews an action without a delay, after submit has made its answer. The
// mutex is held.
func (s *Server) reviewAtOnce(a *action) {
	if s.cfg.ReviewDelay == NoReviewDelay && !s.cfg.ManualReview && a.status == statusPending {
		s.review(a)
	}
}

// stopReview cancels a review that is to come. The mutex is held.
func (s *Server) stopReview(a *action) {
	if a.timer != nil && a.timer.Stop() {
		s.tasks.Done()
	}
	a.timer = nil
}

// review decides an action without a person. The outcome in the external id has priority
// over that of the simulator. A face authorization without an image ends with ERROR,
// unless the external id asks for another outcome than GREEN. The mutex is held.
func (s *Server) review(a *action) {
	switch forced := a.forced; {
	case missingImage(a) != "" && (forced == nil || forced.Answer == "GREEN"):
		s.decide(a, Outcome{Answer: "ERROR", ModerationComment: "There is no image to compare"})
	case forced != nil:
		s.decide(a, *forced)
	default:
		s.decide(a, s.outcome)
	}
}

// missingImage returns why an action cannot be reviewed, or "".
func missingImage(a *action) string {
	if a.kind != ActionFaceAuth || len(a.images) > 0 {
		return ""
	}
	return "a face authorization without an image ends with ERROR: upload one first, or let a person decide"
}

// decide gives a verdict. The mutex is held.
func (s *Server) decide(a *action, o Outcome) {
	s.stopReview(a)
	if a.status == statusInit {
		a.status = statusPending
		s.notify(a, eventPending)
	}
	defer s.changed(a)
	if o.OnHold {
		a.status = statusOnHold
		s.notify(a, eventOnHold)
		return
	}
	a.status, a.outcome, a.reviewed = statusCompleted, o, s.now()
	a.reviews++
	a.checks = s.check(a, o)
	s.notify(a, eventReviewed)
}

// check makes the checks that lead to a verdict. It makes a face match only after
// liveness has passed.
func (s *Server) check(a *action, o Outcome) []wireCheck {
	made := func(kind, answer string) wireCheck {
		return wireCheck{
			Answer: answer, CheckType: kind, CreatedAt: s.now().Format(dateForm),
			ID: s.ids.object(s.now()), AttemptID: a.attemptID,
		}
	}
	switch a.kind {
	case ActionEmail:
		return []wireCheck{made("EMAIL_CONFIRMATION", o.Answer)}
	case ActionFaceAuth:
		alive := o.Answer
		failed := o.LivenessFailed || slices.Contains(o.RejectLabels, "FRAUDULENT_LIVENESS")
		if o.Answer == "RED" && !failed {
			alive = "GREEN"
		}
		liveness := made("FACE_LIVELINESS", alive)
		liveness.LivenessInfo = &wireLiveness{}
		liveness.LivenessInfo.LivenessData.SessionID = newUUID()
		liveness.LivenessInfo.LivenessResult.Answer = alive
		if alive == "RED" || alive == "ERROR" {
			return []wireCheck{liveness}
		}
		match := made("FACE_MATCH", o.Answer)
		match.FaceMatchInfo = &wireFaceMatch{o.Answer}
		return []wireCheck{liveness, match}
	}
	return nil
}

// wireChecks returns the checks of an action. Liveness names the images.
func (s *Server) wireChecks(a *action) []wireCheck {
	checks := slices.Clone(a.checks)
	for i, check := range checks {
		if check.LivenessInfo == nil {
			continue
		}
		info := *check.LivenessInfo
		info.LivenessData.Images = []wireImageRef{}
		for _, image := range a.images {
			info.LivenessData.Images = append(info.LivenessData.Images, wireImageRef{s.wireID(image.imageID)})
		}
		checks[i].LivenessInfo = &info
	}
	return checks
}
