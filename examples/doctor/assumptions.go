package main

// assumption is an inference of the client about the wire, and the advice if it is wrong.
type assumption struct {
	id       string
	section  string // wire or webhooks
	expected string
	advice   string // what to do if it differs
	works    bool   // whether the client can be used unchanged if it differs
}

// assumptions has the entries of testdata/assumptions.json in the repository. A test compares the
// two.
var assumptions = []assumption{
	{
		id: "applicant-by-user", section: "wire", works: true,
		expected: "GET /resources/applicants/-;externalUserId=…/one returns the applicant",
		advice:   "Store the service's id of each applicant, and use GetApplicant.",
	},
	{
		id: "applicant-by-id", section: "wire", works: true,
		expected: "GET /resources/applicants/{id}/one returns the applicant",
		advice:   "Use FindApplicant, or Client.Do with the endpoint of your account.",
	},
	{
		id: "applicant-review", section: "wire", works: false,
		expected: "an applicant has review.reviewStatus and review.reviewResult",
		advice:   "Ask for the review with Client.Do, or keep the state from webhooks.",
	},
	{
		id: "create-minimal", section: "wire", works: false,
		expected: "a create with nothing but externalActionId is accepted",
		advice:   "Set Email, Phone, Questionnaires or Extra of CreateActionParams.",
	},
	{
		id: "create-answer", section: "wire", works: true,
		expected: "create answers with the action",
		advice:   "Nothing to do.",
	},
	{
		id: "duplicate-external-id", section: "wire", works: true,
		expected: "a create with an external id that exists makes a second action",
		advice:   "Use EnsureAction. If doubles are refused, two machines cannot make one.",
	},
	{
		id: "list-envelope", section: "wire", works: true,
		expected: "a list is {\"list\":{\"items\":[…],\"totalItems\":n}}",
		advice:   "Nothing to do.",
	},
	{
		id: "list-total", section: "wire", works: true,
		expected: "totalItems counts the actions of all pages",
		advice:   "Nothing to do. Count the actions of AllActions if you need their number.",
	},
	{
		id: "list-offset", section: "wire", works: true,
		expected: "a list without an offset begins at 10",
		advice:   "Nothing to do.",
	},
	{
		id: "list-order", section: "wire", works: true,
		expected: "order=-createdAt lists the newest action first",
		advice:   "Use one external id once. Compare CreatedAt.",
	},
	{
		id: "list-external-ids", section: "wire", works: true,
		expected: "entries of a list have externalActionId",
		advice:   "Nothing to do. Store the service's id of the action to save calls.",
	},
	{
		id: "action-external-id", section: "wire", works: false,
		expected: "an action has externalActionId",
		advice:   "Store the service's id of the action, and leave ExternalActionID out of ActionExpectation.",
	},
	{
		id: "action-level", section: "wire", works: true,
		expected: "the review of an action has levelName",
		advice:   "Leave LevelName out of ActionExpectation.",
	},
	{
		id: "action-status", section: "wire", works: false,
		expected: "the review of an action has reviewStatus",
		advice:   "Act on webhooks, by their type.",
	},
	{
		id: "action-result", section: "wire", works: true,
		expected: "reviewResult is an object in the review",
		advice:   "Nothing to do.",
	},
	{
		id: "action-dates", section: "wire", works: true,
		expected: "dates are 2006-01-02 15:04:05 in UTC, also with +0000",
		advice:   "Nothing to do.",
	},
	{
		id: "member-types", section: "wire", works: true,
		expected: "members of an action have the JSON types that the models give them",
		advice:   "Read the member from WithResponse.",
	},
	{
		id: "image-id-number", section: "wire", works: true,
		expected: "imageId of an image is a number",
		advice:   "Nothing to do.",
	},
	{
		id: "image-by-image-id", section: "wire", works: false,
		expected: "an image is downloaded by its imageId",
		advice:   "Pass ImageID(image.ID).",
	},
	{
		id: "image-preview", section: "wire", works: true,
		expected: "preview=true is accepted in a download",
		advice:   "Leave Preview out, or pass ResizedImageID as the id.",
	},
	{
		id: "image-media-type", section: "wire", works: true,
		expected: "a download has the media type of the image",
		advice:   "Use http.DetectContentType on the first 512 bytes.",
	},
	{
		id: "image-sub-type", section: "wire", works: true,
		expected: "the metadata of an upload may have idDocSubType",
		advice:   "Leave IDDocSubType empty.",
	},
	{
		id: "image-duplicate", section: "wire", works: true,
		expected: "the same image again is 409 with code 1000",
		advice:   "Compare Image.ImageHash.",
	},
	{
		id: "submit-answer", section: "wire", works: true,
		expected: "submit answers with the action",
		advice:   "Nothing to do.",
	},
	{
		id: "submit-again", section: "wire", works: true,
		expected: "a second submit of an action is answered like the first",
		advice:   "Take ErrConflict of a second SubmitAction for a success, after GetAction.",
	},
	{
		id: "token-answer", section: "wire", works: true,
		expected: "an access token comes with its userId",
		advice:   "Nothing to do.",
	},
	{
		id: "token-ttl", section: "wire", works: false,
		expected: "ttlInSecs is accepted for an access token",
		advice:   "Make the token with Client.Do, without ttlInSecs.",
	},
	{
		id: "link-locale", section: "wire", works: true,
		expected: "locale is accepted for a WebSDK link",
		advice:   "Leave Locale empty, or make the link with Client.Do and lang.",
	},
	{
		id: "link-ttl", section: "wire", works: true,
		expected: "ttlInSecs is accepted for a WebSDK link",
		advice:   "Leave TTL 0.",
	},
	{
		id: "error-body", section: "wire", works: false,
		expected: "an error has description, code and correlationId",
		advice:   "Branch on StatusCode. Check credentials with a call for an applicant that exists.",
	},
	{
		id: "error-unknown-action", section: "wire", works: false,
		expected: "an unknown action is 404",
		advice:   "Branch on StatusCode. Check credentials with a call for an applicant that exists.",
	},
	{
		id: "error-unknown-level", section: "wire", works: true,
		expected: "an unknown level is 404",
		advice:   "Branch on StatusCode.",
	},
	{
		id: "error-signature", section: "wire", works: true,
		expected: "a wrong signature is 401 with code 4003",
		advice:   "Branch on ErrUnauthorized.",
	},
	{
		id: "error-timestamp", section: "wire", works: true,
		expected: "an old timestamp is 401 with code 4004",
		advice:   "Keep the clock of the machine right (NTP).",
	},
	{
		id: "accept-header", section: "wire", works: true,
		expected: "a call without the header Accept is answered in JSON",
		advice:   "Send it with other HTTP clients too.",
	},
	{
		id: "date-header", section: "wire", works: true,
		expected: "every answer has a Date header",
		advice:   "Keep the clock of the machine right (NTP).",
	},
	{
		id: "webhook-digest", section: "webhooks", works: false,
		expected: "X-Payload-Digest is the HMAC of the raw body in hex",
		advice:   "Set the secret of the webhook in the dashboard. There is no switch for another digest.",
	},
	{
		id: "webhook-algorithm", section: "webhooks", works: true,
		expected: "X-Payload-Digest-Alg names HMAC_SHA256_HEX or HMAC_SHA512_HEX",
		advice:   "Choose SHA-256 in the dashboard, or use WithDigestAlgorithms.",
	},
	{
		id: "webhook-dates", section: "webhooks", works: true,
		expected: "createdAtMs is 2006-01-02 15:04:05.000 in UTC",
		advice:   "Nothing to do.",
	},
	{
		id: "webhook-layout", section: "webhooks", works: true,
		expected: "the body is JSON with spaces and line breaks, so re-encoding changes it",
		advice:   "Nothing to do. Keep middleware from re-encoding the body.",
	},
	{
		id: "webhook-redelivery-time", section: "webhooks", works: false,
		expected: "a redelivery has the createdAtMs of the first delivery",
		advice:   "Remove duplicates by the action id and the type.",
	},
	{
		id: "webhook-redelivery-correlation", section: "webhooks", works: true,
		expected: "a redelivery has the correlationId of the first delivery",
		advice:   "Nothing to do.",
	},
}
