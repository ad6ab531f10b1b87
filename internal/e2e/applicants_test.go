package e2e_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/idngo-go/idngo"
	"github.com/idngo-go/idngo/internal/e2e/faultnet"
	"github.com/idngo-go/idngo/internal/simulator"
)

// applicantCalls returns the two calls for an applicant. Both take an id.
func applicantCalls() map[string]func(context.Context, *idngo.Client, string, ...idngo.RequestOption) (*idngo.Applicant, error) {
	return map[string]func(context.Context, *idngo.Client, string, ...idngo.RequestOption) (*idngo.Applicant, error){
		"GetApplicant": func(ctx context.Context, client *idngo.Client, id string, opts ...idngo.RequestOption) (*idngo.Applicant, error) {
			return client.GetApplicant(ctx, id, opts...)
		},
		"FindApplicant": func(ctx context.Context, client *idngo.Client, id string, opts ...idngo.RequestOption) (*idngo.Applicant, error) {
			return client.FindApplicant(ctx, id, opts...)
		},
	}
}

// A call returns the applicant that was asked for. It returns an error if the service answers with
// another one.
func TestApplicantAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		call     string
		answer   string
		mismatch string // the end of the error; "" if there is none
	}{
		"by id":                    {call: "GetApplicant", answer: `{"id":"x-1","externalUserId":"user-1"}`},
		"by id, no user id":        {call: "GetApplicant", answer: `{"id":"x-1"}`},
		"by id, as a number":       {call: "GetApplicant", answer: `{"id":"x-1","externalUserId":1}`},
		"by id, another":           {call: "GetApplicant", answer: `{"id":"x-2"}`, mismatch: "the id differs"},
		"by id, other case":        {call: "GetApplicant", answer: `{"id":"X-1"}`, mismatch: "the id differs"},
		"by id, none":              {call: "GetApplicant", answer: `{"externalUserId":"x-1"}`, mismatch: "the service does not return the id"},
		"by id, null":              {call: "GetApplicant", answer: `{"id":null}`, mismatch: "the service does not return the id"},
		"by id, nothing":           {call: "GetApplicant", answer: `null`, mismatch: "the service does not return the id"},
		"by user id":               {call: "FindApplicant", answer: `{"id":"a-1","externalUserId":"x-1"}`},
		"by user id, not returned": {call: "FindApplicant", answer: `{"id":"a-1"}`},
		"by user id, another": {
			call: "FindApplicant", answer: `{"id":"a-1","externalUserId":"x-2"}`, mismatch: "the externalUserId differs",
		},
		"by user id, without an id": {call: "FindApplicant", answer: `{"externalUserId":"x-1"}`, mismatch: "the service does not return the id"},
		"by user id, nothing":       {call: "FindApplicant", answer: `{}`, mismatch: "the service does not return the id"},
	} {
		t.Run(name, func(t *testing.T) {
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				network.OnRequest = faultnet.AnswerInTurn(faultnet.WriteText(tt.answer))
				applicant, err := applicantCalls()[tt.call](t.Context(), network.Client(), "x-1")
				if tt.mismatch == "" {
					require.NoError(t, err)
					assert.NotEmpty(t, applicant.ID)
					return
				}
				assert.Nil(t, applicant)
				require.ErrorIs(t, err, idngo.ErrActionMismatch)
				require.NotErrorIs(t, err, idngo.ErrNotFound)
				require.EqualError(t, err, "idngo: "+tt.call+": action mismatch: "+tt.mismatch)
			})
		})
	}
}

// Both calls return all fields of an applicant. The status of its review has priority over the
// answer.
func TestApplicantFields(t *testing.T) {
	for name, tt := range map[string]struct {
		fixture             string
		completed, approved bool
	}{
		"approved":            {fixture: "applicant_approved", completed: true, approved: true},
		"RED beside init":     {fixture: "applicant_red_beside_init"},
		"GREEN beside onHold": {},
	} {
		t.Run(name, func(t *testing.T) {
			text := `{"id":"70000000000000000000000c","review":{"reviewStatus":"onHold","reviewResult":{"reviewAnswer":"GREEN"}}}`
			if tt.fixture != "" {
				text = string(faultnet.ReadFile(t, faultnet.Testdata(t, "models", tt.fixture+".json")))
			}
			faultnet.InBubble(t, func(t *testing.T) {
				network := faultnet.New(t)
				network.OnRequest = faultnet.AnswerInTurn(faultnet.WriteText(text), faultnet.WriteText(text))
				found, err := network.Client().FindApplicant(t.Context(), externalUserID(text))
				require.NoError(t, err)
				got, err := network.Client().GetApplicant(t.Context(), found.ID)
				require.NoError(t, err)
				assert.Equal(t, found, got)
				assert.Equal(t, tt.completed, got.Completed())
				assert.Equal(t, tt.approved, got.Approved())
				if tt.fixture == "applicant_approved" {
					assert.Equal(t, "user 17", got.ExternalUserID)
					assert.Equal(t, "70000000000000000000000e", got.InspectionID)
					assert.Equal(t, "example@example.com", got.Email)
				}
			})
		})
	}
}

// externalUserID returns the user id in the JSON of an applicant. It returns "any" if there is
// none.
func externalUserID(text string) string {
	_, rest, found := strings.Cut(text, `"externalUserId": "`)
	if !found {
		return "any"
	}
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

// The client escapes an id once, as one segment of the path, and signs the path that it sends.
func TestApplicantOddIDs(t *testing.T) {
	t.Parallel()
	client, service := faultnet.StartSimulator(t, simulator.Config{KnownOnly: true})
	for _, id := range []string{
		"a/b", "a?b", "a#b", "a%b", "a%2Fb", "a;b", "-;externalUserId=x", "a b", "+7 701 000", "пользователь", "a+b&c=d", "...", "\u200b",
		"a\\b", "a\x00b", "%", "//", "jane@example.kz", "a,b", "'", `"`,
	} {
		require.NoError(t, service.AddApplicant(id, "user "+id), "%q", id)
		got, err := client.GetApplicant(t.Context(), id)
		require.NoError(t, err, "%q", id)
		assert.Equal(t, id, got.ID)
		found, err := client.FindApplicant(t.Context(), "user "+id)
		require.NoError(t, err, "%q", id)
		assert.Equal(t, got, found)
		assert.True(t, found.Approved(), "%q", id)
	}
	// The client refuses these as a segment of a path, since a server would remove them from it. It
	// accepts them in a matrix parameter.
	for _, id := range []string{".", ".."} {
		_, err := client.GetApplicant(t.Context(), id)
		require.ErrorIs(t, err, idngo.ErrInvalidArgument)
		_, err = client.FindApplicant(t.Context(), id)
		require.ErrorIs(t, err, idngo.ErrNotFound)
	}
	assert.Zero(t, service.Stats().RefusedSignatures)
}

func TestApplicantUnknown(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network, _ := faultnet.NewSimulator(t, simulator.Config{KnownOnly: true})
		for name, call := range applicantCalls() {
			applicant, err := call(t.Context(), network.Client(), "nobody-at-all")
			assert.Nil(t, applicant, name)
			require.ErrorIs(t, err, idngo.ErrNotFound, name)
			var answer *idngo.APIError
			require.ErrorAs(t, err, &answer, name)
			assert.Equal(t, name, answer.Operation)
			assert.NotContains(t, err.Error(), "nobody-at-all", name)
		}
	})
}

func TestApplicantCallsRefuseNoID(t *testing.T) {
	faultnet.InBubble(t, func(t *testing.T) {
		network := faultnet.New(t)
		for name, call := range applicantCalls() {
			_, err := call(t.Context(), network.Client(), "")
			require.ErrorIs(t, err, idngo.ErrInvalidArgument, name)
			require.ErrorContains(t, err, "idngo: "+name+": invalid argument: ", name)
			require.ErrorContains(t, err, " is empty", name)
		}
		assert.Zero(t, network.Dialed())
	})
}
