// Package simulator is the IDnGO applicant actions API in one process: a strict,
// stateful fake for tests, examples and trials by hand. It speaks real HTTP, over a
// port or in memory. It needs no network and no account. It shares no code with the
// client, so that a mistake in one does not hide in the other. The root package
// exports a part of it, and examples/simulator is a command.
//
//	sim, err := simulator.New(simulator.Config{})
//	if err != nil { … }
//	defer sim.Close()
//	baseURL, err := sim.Start("")
//	// a client for baseURL, simulator.DefaultAppToken, simulator.DefaultSecretKey
//
// # Strict about the wire
//
// Every request needs the three X-App headers. The simulator computes the signature
// again from the raw request URI and the raw body. The timestamp must be within
// 60 s of the clock. Then the first of these answers that applies is sent:
//
//   - 404 for a path that is none of the ten calls,
//   - 405 for a wrong method,
//   - 415 for a wrong Content-Type of a body,
//   - 405 if Accept does not allow application/json, and if it names
//     application/json at the download of an image,
//   - 400 for a missing or malformed part of the query or body, and for a parameter
//     that comes twice,
//   - 404 for an unknown action or image.
//
// Errors have the vendor's body. HTTPS is not required.
//
// [Config.Strict] refuses more, as the vendor's FAQ does: an Accept that does not
// name application/json, such as curl's, and a POST without a Content-Type.
//
// # Generous about business
//
// Any user and level is known, and any applicant is known and approved, unless
// [Config.KnownOnly] is set. A user has the same applicant id in every simulator. The
// kind of an unknown level depends on its name (questionnaire, email, payment,
// source). If the request has questionnaires, it is a questionnaire. Otherwise it is a
// face authorization.
//
// # What the documentation leaves open
//
//   - Create and submit answer 200 and the action ([Quirks] for less).
//   - A second action with the same externalActionId is created, so that a test
//     can count duplicates ([Quirks].ConflictOnDuplicate: 409).
//   - An action can be created for an applicant whose review is not an approval.
//   - Submitting an action that is not in status init changes nothing and
//     answers it as it is.
//   - An image for an action that is not in status init is 409, code 1006.
//   - An access token does not need externalActionId, a link does.
//   - The list begins with the newest action, also without order. It begins with
//     the oldest for order=createdAt. The default offset is 10, as in the
//     specification.
//   - The preview of an image is its original bytes. An image is found by
//     imageId and by resizedImageId.
//   - Questionnaire and e-mail actions have no "type", since no value is documented.
//   - Webhooks contradict themselves as in the specification's examples:
//     applicantActionPending has the reviewStatus "completed", applicantActionOnHold
//     has "init" and no externalApplicantActionId.
//
// # Reviews
//
// A submitted action is reviewed after [Config.ReviewDelay]. The end of its external
// id can ask for an [Outcome]: #RED, #RED:LABEL,LABEL, #RED-FINAL:LABEL, #ERROR,
// #onHold, #GREEN. Another form of these words is 400. Otherwise it gets the outcome
// of the simulator. A face authorization without an image ends with ERROR, unless its
// external id asks for another outcome than GREEN. [Server.Review], the page and the
// console decide an action at any time.
//
// # Browsers
//
// A WebSDK link leads to a page where a person chooses the outcome. It makes the
// action if the applicant has none with that externalActionId. A link is valid for
// its ttlInSecs, and until Close at most. [Server.CompleteWithToken] plays an app
// that has an access token.
//
// At / there is a console for people, and under /_simulator/ a control API in JSON;
// the README of examples/simulator lists its calls. Neither is signed. Both refuse
// an Origin other than their own, and a Host that is not the simulator's. The names
// of the simulator are loopback names, loopback addresses and
// [Config.AllowedHosts]. For a listener off loopback, or with [Config.Remote], any
// IP address and the name of the machine are names of it too, and also names without
// a dot and names that end with .internal, .local, .localhost or .test. These
// requests are not counted, and OnRequest is not called for them.
//
// # Webhooks
//
// Every event is signed and POSTed to [Config.WebhookURL], in the form of the
// vendor's deliveries. With [Config.WebhookHandler] it is delivered in memory. If
// the answer is not a 2xx within 5 s (in memory: 30 s), the event is delivered again
// after 30 s, 30 s, 1 min and 5 min, multiplied by [Config.WebhookTimeScale]. A
// scaled timeout is at least 1 s. The first attempts for one action are made in
// order. The order of others, and of all with [Config.WebhookShuffle], is undefined,
// as in reality. [Config.OnDelivery] is called for every attempt.
//
// # Faults
//
// [Faults] make requests go wrong: by a script for the next ones, by counts, and by
// chance. Chance can be reproduced: the n-th request gets the n-th draw of the seed.
// A test of one behaviour uses counts:
//
//	faults, err := simulator.ParseFaults("429:1#2,reset-after@CreateAction#1")
//	if err != nil { … }
//	err = sim.SetFaults(faults)
//
// A test of survival uses chance. [Server.Actions], [Server.Images] and
// [Server.Stats] return what has really happened.
//
// # Memory
//
// [Limits] bound actions, images and bodies. Uploads are hashed while they are read.
// No bytes are kept of an image above 64 MB, or if there is no memory left. The
// simulator keeps at most 100,000 applicants or 64 MiB of them. It forgets those
// that nobody has added and that have no action, oldest first. It keeps the last
// 10,000 access tokens and the last 10,000 links, 8 MiB of each at most. It keeps
// 10,000 levels or 4 MiB of them, and the last 500 requests and deliveries, 4 MiB of
// each at most. At most 10,000 deliveries or 32 MiB of them wait; further ones are
// dropped and counted. A request URI has at most 16 KiB, and an id, a name or a
// parameter has at most 4096 bytes.
//
// # Programs that do not use it
//
// A program that imports this package and never calls it does not link it: the
// package computes no value when a program starts, and it imports no package that
// registers itself.
package simulator
