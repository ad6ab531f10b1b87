package e2e_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

// ConfirmAction compares the claim of an app with the action that the service returns. A value that
// the service does not return does not match.
func TestConfirmAction(t *testing.T) {
	const green = `,"review":{"reviewStatus":"completed","levelName":"lvl","reviewResult":{"reviewAnswer":"GREEN"}}`
	whole := `{"id":"5e02f6b1","applicantId":"app-1","externalActionId":"ext-1"` + green + `}`
	all := idngo.ActionExpectation{ApplicantID: "app-1", ExternalActionID: "ext-1", LevelName: "lvl"}
	tests := map[string]struct {
		answer string
		want   idngo.ActionExpectation
		differ string // the names of the parts that differ, in order
	}{
		"as expected":    {answer: whole, want: all},
		"applicant only": {answer: whole, want: idngo.ActionExpectation{ApplicantID: "app-1"}},
		"other applicant": {
			answer: whole, want: idngo.ActionExpectation{ApplicantID: "app-2", ExternalActionID: "ext-1", LevelName: "lvl"}, differ: "applicantId",
		},
		"other case": {answer: whole, want: idngo.ActionExpectation{ApplicantID: "APP-1"}, differ: "applicantId"},
		"other external id": {
			answer: whole, want: idngo.ActionExpectation{ApplicantID: "app-1", ExternalActionID: "ext-2"}, differ: "externalActionId",
		},
		"other level": {answer: whole, want: idngo.ActionExpectation{ApplicantID: "app-1", LevelName: "Lvl"}, differ: "levelName"},
		"all differ": {
			answer: whole, want: idngo.ActionExpectation{ApplicantID: "a", ExternalActionID: "b", LevelName: "c"},
			differ: "applicantId externalActionId levelName",
		},
		"another action": {
			answer: `{"id":"5e02f6b2","applicantId":"app-1"` + green + `}`, want: idngo.ActionExpectation{ApplicantID: "app-1"}, differ: "id",
		},
		"no id": {
			answer: `{"applicantId":"app-1"` + green + `}`, want: idngo.ActionExpectation{ApplicantID: "app-1"}, differ: "id",
		},
		"no applicant": {
			answer: `{"id":"5e02f6b1"` + green + `}`, want: idngo.ActionExpectation{ApplicantID: "app-1"}, differ: "applicantId",
		},
		"applicant null": {
			answer: `{"id":"5e02f6b1","applicantId":null` + green + `}`, want: idngo.ActionExpectation{ApplicantID: "app-1"}, differ: "applicantId",
		},
		"applicant of other type": {
			answer: `{"id":"5e02f6b1","applicantId":["app-1"]` + green + `}`, want: idngo.ActionExpectation{ApplicantID: "app-1"},
			differ: "applicantId",
		},
		"no external id": {answer: `{"id":"5e02f6b1","applicantId":"app-1"` + green + `}`, want: all, differ: "externalActionId"},
		"no external id, not said": {
			answer: `{"id":"5e02f6b1","applicantId":"app-1"` + green + `}`, want: idngo.ActionExpectation{ApplicantID: "app-1", LevelName: "lvl"},
		},
		"no level": {answer: `{"id":"5e02f6b1","applicantId":"app-1","externalActionId":"ext-1"}`, want: all, differ: "levelName"},
		"nothing":  {answer: `{}`, want: all, differ: "id applicantId externalActionId levelName"},
		"null":     {answer: `null`, want: all, differ: "id applicantId externalActionId levelName"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				network.OnRequest = faultnet.AnswerInTurn(faultnet.WriteText(tt.answer))
				action, err := network.Client().ConfirmAction(t.Context(), "5e02f6b1", tt.want)
				if tt.differ == "" {
					require.NoError(t, err)
					assert.True(t, action.Approved())
					return
				}
				assert.Nil(t, action, "it fails closed")
				if tt.differ == "cannot be used" {
					require.ErrorContains(t, err, tt.differ)
					return
				}
				require.ErrorIs(t, err, idngo.ErrActionMismatch)
				assert.NotContains(t, err.Error(), "\n")
				problems := strings.Split(err.Error(), "; ")
				require.Len(t, problems, len(strings.Fields(tt.differ)))
				for i, part := range strings.Fields(tt.differ) {
					assert.Contains(t, problems[i], "the "+part)
				}
				for _, value := range []string{"app-", "ext-", "5e02f6b", "lvl", "APP-", "Lvl"} {
					assert.NotContains(t, err.Error(), value)
				}
			})
		})
	}
}

// An app claims a GREEN for an action that is not the expected one, or that the service has not
// approved. ConfirmAction returns the answer of the service.
func TestConfirmActionOfAForgedGreen(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		recorder := newSimulatorRecorder(t, simulator.Config{Outcome: simulator.Outcome{Answer: "RED"}, ManualReview: true})
		require.NoError(t, recorder.AddApplicant("somebody-else", "else"))
		client := recorder.net.Client()
		want := idngo.ActionExpectation{ApplicantID: simulator.DefaultApplicantID, ExternalActionID: "ext-1", LevelName: simulator.LevelFaceAuth}
		own, err := client.CreateAction(t.Context(), simulator.DefaultApplicantID, faultnet.FaceAuthorization("ext-1"))
		require.NoError(t, err)
		other, err := client.CreateAction(t.Context(), "somebody-else", faultnet.FaceAuthorization("ext-1"))
		require.NoError(t, err)
		earlier, err := client.CreateAction(t.Context(), simulator.DefaultApplicantID, faultnet.FaceAuthorization("ext-0"))
		require.NoError(t, err)
		email, err := client.CreateAction(
			t.Context(), simulator.DefaultApplicantID, idngo.CreateActionParams{LevelName: simulator.LevelEmail, ExternalActionID: "ext-1"},
		)
		require.NoError(t, err)
		for _, id := range []string{other.ID, earlier.ID, email.ID} {
			require.NoError(t, recorder.Review(id, simulator.Outcome{Answer: "GREEN"}))
			action, err := client.ConfirmAction(t.Context(), id, want)
			require.ErrorIs(t, err, idngo.ErrActionMismatch)
			assert.Nil(t, action)
		}
		_, err = client.ConfirmAction(t.Context(), "000000000000000000000000", want)
		require.ErrorIs(t, err, idngo.ErrNotFound)

		action, err := client.ConfirmAction(t.Context(), own.ID, want)
		require.NoError(t, err)
		assert.False(t, action.Approved(), "it is not reviewed yet")
		require.NoError(t, recorder.Review(own.ID, simulator.Outcome{Answer: "RED"}))
		action, err = client.ConfirmAction(t.Context(), own.ID, want)
		require.NoError(t, err)
		assert.False(t, action.Approved())
		require.NoError(t, recorder.Review(own.ID, simulator.Outcome{Answer: "GREEN"}))
		action, err = client.ConfirmAction(t.Context(), own.ID, want)
		require.NoError(t, err)
		assert.True(t, action.Approved())
	})
}

func TestConfirmActionRefuses(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		client := network.Client()
		_, err := client.ConfirmAction(t.Context(), "", idngo.ActionExpectation{ApplicantID: "app-1"})
		require.ErrorIs(t, err, idngo.ErrInvalidArgument)
		_, err = client.ConfirmAction(t.Context(), "5e02f6b1", idngo.ActionExpectation{ExternalActionID: "ext-1"})
		require.ErrorIs(t, err, idngo.ErrInvalidArgument)
		require.ErrorContains(t, err, "ApplicantID")
		assert.Zero(t, network.Dialed())
	})
}

// RequireApproved returns an error unless the action is the expected one, completed and GREEN. If
// only the approval is missing, it also returns the action.
func TestRequireApproved(t *testing.T) {
	const ids = `{"id":"5e02f6b1","applicantId":"app-1","externalActionId":"ext-1","review":`
	want := idngo.ActionExpectation{ApplicantID: "app-1", ExternalActionID: "ext-1", LevelName: "lvl"}
	for name, tt := range map[string]struct {
		answer string
		want   error  // nil: the action is approved
		text   string // the end of the error
	}{
		"GREEN": {answer: ids + `{"reviewStatus":"completed","levelName":"lvl","reviewResult":{"reviewAnswer":"GREEN"}}}`},
		"RED": {
			answer: ids + `{"reviewStatus":"completed","levelName":"lvl","reviewResult":{"reviewAnswer":"RED","rejectLabels":["NOT_ALONE"]}}}`,
			want:   idngo.ErrNotApproved, text: "not approved: the answer is not GREEN",
		},
		"ERROR": {
			answer: ids + `{"reviewStatus":"completed","levelName":"lvl","reviewResult":{"reviewAnswer":"ERROR"}}}`,
			want:   idngo.ErrNotApproved, text: "not approved: the answer is not GREEN",
		},
		"green in lower case": {
			answer: ids + `{"reviewStatus":"completed","levelName":"lvl","reviewResult":{"reviewAnswer":"green"}}}`,
			want:   idngo.ErrNotApproved, text: "not approved: the answer is not GREEN",
		},
		"completed without an answer": {
			answer: ids + `{"reviewStatus":"completed","levelName":"lvl"}}`, want: idngo.ErrNotApproved,
			text: "not approved: the answer is not GREEN",
		},
		"GREEN beside onHold": {
			answer: ids + `{"reviewStatus":"onHold","levelName":"lvl","reviewResult":{"reviewAnswer":"GREEN"}}}`,
			want:   idngo.ErrNotApproved, text: "not approved: the review is not completed",
		},
		"GREEN beside init": {
			answer: ids + `{"reviewStatus":"init","levelName":"lvl","reviewResult":{"reviewAnswer":"GREEN"}}}`,
			want:   idngo.ErrNotApproved, text: "not approved: the review is not completed",
		},
		"GREEN without a status": {
			answer: ids + `{"levelName":"lvl","reviewResult":{"reviewAnswer":"GREEN"}}}`,
			want:   idngo.ErrNotApproved, text: "not approved: the review is not completed",
		},
		"another applicant's GREEN": {
			answer: `{"id":"5e02f6b1","applicantId":"app-2","externalActionId":"ext-1",
				"review":{"reviewStatus":"completed","levelName":"lvl","reviewResult":{"reviewAnswer":"GREEN"}}}`,
			want: idngo.ErrActionMismatch, text: "action mismatch: the applicantId differs",
		},
		"another action's GREEN": {
			answer: `{"id":"5e02f6b2","applicantId":"app-1","externalActionId":"ext-1",
				"review":{"reviewStatus":"completed","levelName":"lvl","reviewResult":{"reviewAnswer":"GREEN"}}}`,
			want: idngo.ErrActionMismatch, text: "action mismatch: the id differs",
		},
		"another payout's RED": {
			answer: `{"id":"5e02f6b1","applicantId":"app-1","externalActionId":"ext-2",
				"review":{"reviewStatus":"completed","levelName":"lvl","reviewResult":{"reviewAnswer":"RED"}}}`,
			want: idngo.ErrActionMismatch, text: "action mismatch: the externalActionId differs",
		},
	} {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				network.OnRequest = faultnet.AnswerInTurn(faultnet.WriteText(tt.answer))
				action, err := network.Client().RequireApproved(t.Context(), "5e02f6b1", want)
				if tt.want == nil {
					require.NoError(t, err)
					assert.True(t, action.Approved())
					return
				}
				require.ErrorIs(t, err, tt.want)
				require.EqualError(t, err, "idngo: RequireApproved: "+tt.text)
				if tt.want == idngo.ErrActionMismatch {
					require.NotErrorIs(t, err, idngo.ErrNotApproved)
					assert.Nil(t, action, "it fails closed")
					return
				}
				require.NotNil(t, action)
				assert.Equal(t, "5e02f6b1", action.ID)
				assert.False(t, action.Approved())
			})
		})
	}
}

func TestRequireApprovedWithoutAnAction(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network, _ := faultnet.NewSimulator(t, simulator.Config{})
		want := idngo.ActionExpectation{ApplicantID: simulator.DefaultApplicantID}
		action, err := network.Client().RequireApproved(t.Context(), "000000000000000000000001", want)
		assert.Nil(t, action)
		require.ErrorIs(t, err, idngo.ErrNotFound)
		require.NotErrorIs(t, err, idngo.ErrNotApproved)
		require.ErrorContains(t, err, "idngo: RequireApproved: get action: 404 Not Found")
	})
}

func TestRequireApprovedRefuses(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		_, err := network.Client().RequireApproved(t.Context(), "", idngo.ActionExpectation{ExternalActionID: "ext-1"})
		require.ErrorIs(t, err, idngo.ErrInvalidArgument)
		require.ErrorContains(t, err, "idngo: RequireApproved: invalid argument: actionID is empty")
		require.ErrorContains(t, err, "ApplicantID is empty")
		assert.Zero(t, network.Dialed())
	})
}
