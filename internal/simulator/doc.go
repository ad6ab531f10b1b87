// Package simulator is the IDnGO applicant actions API in one process: a strict,
// stateful fake for tests, examples and trials by hand. It talks real HTTP, needs
// no network and no account, and shares no code with the client, so that a
// mistake in one does not hide in the other.
//
//	sb, err := simulator.New(simulator.Config{})
//	if err != nil { … }
//	defer sb.Close()
//	baseURL, err := sb.Start("")
//	// a client for baseURL, simulator.DefaultAppToken, simulator.DefaultSecretKey;
//	// applicant simulator.DefaultApplicantID, level simulator.LevelFaceAuth
//
// # Strictness
//
// Every request needs the three X-App headers. The signature is recomputed from
// the raw request target and the raw body; the timestamp has to be within 60 s of
// [Config.Clock]. Then, in this order: 404 for a path that is none of the eight
// calls, 405 for a wrong method, 415 for a wrong Content-Type (every POST has
// one), 405 where Accept does not name application/json or, at the download of an
// image, does; 400 for what is missing or malformed in query or body, and for a
// parameter given twice; 404 for an unknown applicant, level, action or image.
// Errors have the vendor's body. HTTPS is not asked for on loopback.
//
// # Where the documentation is silent
//
//   - Create and submit answer 200 and the action ([Quirks] for less).
//   - A second action with the same externalActionId is created, so that a test
//     can count doubles ([Quirks].ConflictOnDuplicate: 409).
//   - Submitting an action that is not in status init changes nothing and
//     answers it as it is.
//   - An image for an action that is not in status init is 409, code 1006.
//   - A face authorization without an image ends with ERROR, unless a person
//     decides it.
//   - An access token does not need externalActionId, a link does. Unknown users
//     are 404 for both.
//   - The list is newest first also without order; order=createdAt is the other
//     way round. offset without a value is 10, as the specification says.
//   - The preview of an image is its original bytes. An image is found by
//     imageId and by resizedImageId.
//   - "type" is left out for questionnaires and e-mail: no documented value.
//   - Webhooks contradict themselves as in the specification's examples:
//     applicantActionPending says reviewStatus "completed", applicantActionOnHold
//     says "init" and has no externalApplicantActionId.
//
// # Reviews
//
// A submitted action is reviewed after [Config.ReviewDelay] with the current
// [Outcome]; [Server.Review] and the page decide one at any time.
//
// # The page
//
// A WebSDK link leads to a page where a person chooses the outcome. It makes the
// action if the applicant has none with that externalActionId. Links are good for
// their ttlInSecs and until Close.
//
// # Webhooks
//
// With [Config.WebhookURL] every event is POSTed there, signed, laid out like the
// vendor's deliveries. What is not answered with 2xx within 5 s comes again after
// 30 s, 30 s, 1 min and 5 min, times [Config.WebhookTimeScale]; a scaled time-out
// is not below 1 s. The first attempts for one action are made in order; beyond
// that, and with [Config.WebhookShuffle], nothing is promised, as in reality.
// 10,000 events wait at most, further ones are dropped and counted.
// [Config.OnDelivery] is told of every attempt.
//
// # Faults
//
// [Faults] make requests go wrong, by a script for the next ones and by chance,
// reproducibly: the n-th request gets the n-th draw of the seed. A test of one
// behaviour scripts it:
//
//	sb.SetFaults(&simulator.Faults{Script: []simulator.Fault{
//		{Kind: simulator.FaultStatus, Status: 429, RetryAfter: "1"},
//		{Kind: simulator.FaultResetAfter, Operation: "CreateAction"},
//	}})
//
// A test of survival gives chances, or parses them from a flag ([ParseFaults]).
// What was really done is in the books: [Server.Actions], [Server.Images] and
// [Server.Stats]. The clock of the whole server is [Config.Clock].
//
// # Memory
//
// Actions, images, tokens, links and queues are bounded, see [Limits]. Uploads are
// hashed while they are read; an image above 64 MB, or one for which there is no
// memory left, costs none.
package simulator
