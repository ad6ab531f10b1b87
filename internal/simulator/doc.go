// Package simulator is the IDnGO applicant actions API in one process: a strict,
// stateful fake for tests, examples and trials by hand. It talks real HTTP, over a
// port or in memory, needs no network and no account, and shares no code with the
// client, so that a mistake in one does not hide in the other. The root package has
// a public face of it, and examples/simulator is a command.
//
//	sim, err := simulator.New(simulator.Config{})
//	if err != nil { … }
//	defer sim.Close()
//	baseURL, err := sim.Start("")
//	// a client for baseURL, simulator.DefaultAppToken, simulator.DefaultSecretKey
//
// # Strict about the wire
//
// Every request needs the three X-App headers. The signature is recomputed from
// the raw request target and the raw body; the timestamp must be within 60 s of
// the clock. Then the checks come in this order:
//
//   - 404 for a path that is none of the ten calls
//   - 405 for a wrong method
//   - 415 for a wrong Content-Type of a body
//   - 405 if Accept does not allow application/json or, at the download of an image,
//     names it
//   - 400 for anything that is missing or malformed in query or body, and for a
//     parameter that is given twice
//   - 404 for an unknown action or image
//
// Errors have the vendor's body. HTTPS is not required.
//
// [Config.Strict] refuses more, as the vendor's FAQ does: an Accept that does not
// name application/json, such as curl's, and a POST without a Content-Type.
//
// # Generous about business
//
// Any applicant, user and level is known and approved, unless [Config.KnownOnly] is
// set. A user has the same applicant id in every simulator. A level that is not
// known is for the kind of action that its name says (questionnaire, email, payment,
// source), for a questionnaire where the request has one, and for a face
// authorization otherwise.
//
// # Where the documentation leaves it open
//
//   - Create and submit answer 200 and the action ([Quirks] for less).
//   - A second action with the same externalActionId is created, so that a test
//     can count doubles ([Quirks].ConflictOnDuplicate: 409).
//   - An action can be created for an applicant whose review is not an approval.
//   - Submitting an action that is not in status init changes nothing and
//     answers it as it is.
//   - An image for an action that is not in status init is 409, code 1006.
//   - An access token does not need externalActionId, a link does.
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
// A submitted action is reviewed after [Config.ReviewDelay] with the [Outcome] that
// the end of its external id asks for (#RED, #RED:LABEL,LABEL, #RED-FINAL:LABEL,
// #ERROR, #onHold, #GREEN), or else with the simulator's. A face authorization
// without an image ends with ERROR where GREEN or the simulator's outcome would be
// its end. [Server.Review], the page and the console decide an action at any time.
//
// # Browsers
//
// A WebSDK link leads to a page where a person chooses the outcome. It makes the
// action if the applicant has none with that externalActionId. Links are good for
// their ttlInSecs and until Close. [Server.CompleteWithToken] plays an app that was
// given an access token.
//
// At / there is a console for people, and under /_simulator/ a control API in JSON;
// the README of examples/simulator lists its calls. Requests for them are not signed,
// not counted and not told to OnRequest. They refuse an Origin other than their own, and
// a Host that is not the simulator's. On loopback its hosts are loopback names and
// addresses. For a listener off loopback, or with [Config.Remote], they are also all IP
// addresses, the machine's name, names without a dot, and names that end with .internal,
// .local, .localhost or .test. [Config.AllowedHosts] adds further ones.
//
// # Webhooks
//
// With [Config.WebhookURL] every event is POSTed there, signed, laid out like the
// vendor's deliveries; with [Config.WebhookHandler] it is served in memory. What is
// not answered with 2xx within 5 s (in memory: 30 s) comes again after 30 s, 30 s,
// 1 min and 5 min, times [Config.WebhookTimeScale]; a scaled timeout is not below
// 1 s. The first attempts for one action are made in order; beyond that, and with
// [Config.WebhookShuffle], nothing is promised, as in reality. [Config.OnDelivery]
// is told of every attempt.
//
// # Faults
//
// [Faults] make requests go wrong: by a script for the next ones, by counts, and by
// chance, reproducibly: the n-th request gets the n-th draw of the seed. A test of
// one behaviour counts:
//
//	faults, err := simulator.ParseFaults("429:1#2,reset-after@CreateAction#1")
//	if err != nil { … }
//	err = sim.SetFaults(faults)
//
// A test of survival gives chances. What was really done is in the books:
// [Server.Actions], [Server.Images] and [Server.Stats].
//
// # Memory
//
// Actions, images and bodies are bounded by [Limits]. Uploads are hashed while they
// are read; of an image above 64 MB, or one for which there is no memory left, no
// bytes are kept. Of applicants 100,000 or 64 MiB are kept: those that nobody has
// added and that have no action go, oldest first. Of access tokens and links the
// last 10,000 are kept, of levels 10,000, of requests and deliveries the last 500.
// 10,000 deliveries wait at most, further ones are dropped and counted. A request
// target has at most 16 KiB.
//
// # Programs that do not use it
//
// A program that imports this package and calls none of it links none of it: no
// value of the package is computed when a program starts, and it imports no package
// that registers itself.
package simulator
