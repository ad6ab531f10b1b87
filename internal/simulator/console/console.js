"use strict";

// The console shows what the simulator streams: at first everything, then what has
// changed. It asks for nothing else, and tells the simulator by its control API.

const api = "_simulator/";
const limit = 500; // of each list, as the simulator keeps
const byId = (id) => document.getElementById(id);

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) {
    element.className = className;
  }
  if (text !== undefined) {
    element.textContent = text;
  }
  return element;
}

function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

const clockTime = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });

function shortTime(text) {
  const date = new Date(text);
  return isNaN(date) ? "" : clockTime.format(date);
}

// Telling the simulator.

async function send(method, path, body) {
  let response;
  try {
    response = await fetch(api + path, {
      method,
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body,
      credentials: "omit",
      cache: "no-store",
    });
  } catch {
    throw new Error("The simulator does not answer. Is it still running?");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw new Error(answer.description || "The simulator answered " + response.status + ".");
  }
  return answer;
}

function say(text, kind) {
  const message = byId("message");
  message.className = "message " + kind;
  message.textContent = text;
  message.hidden = false;
}

async function tell(method, path, body, done) {
  try {
    await send(method, path, body === undefined ? undefined : JSON.stringify(body));
    say(done, "good");
    return true;
  } catch (error) {
    say(error.message, "bad");
    byId("message").focus();
    return false;
  }
}

// Parts of the console, by the fragment of the address.

const parts = ["requests", "actions", "deliveries", "settings"];

function showPart() {
  const wanted = location.hash.slice(1);
  const part = parts.includes(wanted) ? wanted : parts[0];
  for (const name of parts) {
    byId(name).hidden = name !== part;
    const link = document.querySelector('nav a[href="#' + name + '"]');
    if (name === part) {
      link.setAttribute("aria-current", "page");
    } else {
      link.removeAttribute("aria-current");
    }
  }
  byId("message").hidden = true;
}

addEventListener("hashchange", showPart);

// A list of rows, newest first. A row is made once and changed in place, so that
// what has the focus keeps it.

class List {
  constructor(name, key, makeRow) {
    this.rows = byId(name + "-rows");
    this.count = byId(name + "-count");
    this.empty = byId(name).querySelector(".empty");
    this.key = key;
    this.makeRow = makeRow;
    this.shown = new Map(); // key to row
  }

  clear() {
    this.shown.clear();
    this.rows.replaceChildren();
    this.finish(0);
  }

  // put adds entries, oldest first, or changes those that are there.
  put(entries) {
    const added = document.createDocumentFragment();
    for (const entry of entries.slice(-limit)) {
      const key = entry[this.key];
      const row = this.shown.get(key);
      if (row) {
        row.change(entry);
        continue;
      }
      const made = this.makeRow(entry);
      made.change(entry);
      this.shown.set(key, made);
      added.prepend(made.item);
    }
    this.rows.prepend(added);
    while (this.shown.size > limit) {
      const oldest = this.shown.keys().next().value;
      this.shown.get(oldest).item.remove();
      this.shown.delete(oldest);
    }
  }

  finish(total) {
    setText(this.count, total > 0 ? String(total) : "");
    this.empty.hidden = this.shown.size > 0;
  }
}

// A row is a line that opens; what is inside is made when it does.
function makeRow(cells, fill) {
  const row = { item: make("li"), cells: {}, entry: null };
  const details = make("details");
  const line = make("summary");
  for (const name of cells) {
    row.cells[name] = make("span", name);
    line.append(row.cells[name]);
  }
  const inside = make("div", "detail");
  details.append(line, inside);
  row.item.append(details);
  row.refill = () => {
    if (details.open) {
      fill(inside, row.entry);
    }
  };
  details.addEventListener("toggle", row.refill);
  return row;
}

function badge(cell, name, kind, text) {
  cell.className = name + " badge " + kind;
  setText(cell, text);
}

function facts(pairs) {
  const list = make("dl");
  for (const [name, value] of pairs) {
    if (value !== undefined && value !== "" && value !== null) {
      list.append(make("dt", "", name), make("dd", "", String(value)));
    }
  }
  return list;
}

// Requests.

const verdicts = {
  ok: ["good", "signed"],
  unsigned: ["plain", "unsigned"],
  missing: ["bad", "header missing"],
  malformed: ["bad", "malformed"],
  token: ["bad", "wrong token"],
  timestamp: ["bad", "wrong time"],
  signature: ["bad", "wrong signature"],
};

const verdictHelp = {
  missing: "One of X-App-Token, X-App-Access-Sig and X-App-Access-Ts is missing.",
  malformed: "A header is present twice, or X-App-Access-Ts is not a number of seconds.",
  token: "X-App-Token is not the app token of this simulator.",
  timestamp: "X-App-Access-Ts is more than 60 s from the simulator's clock. It is in seconds, not in milliseconds.",
  signature: "X-App-Access-Sig has to be the lowercase hex HMAC-SHA256, keyed with the secret key, of this string. Compare it with what was signed: the whole query as it was sent, the body byte by byte, and the same timestamp as in the header.",
};

function fillRequest(inside, r) {
  inside.replaceChildren(facts([
    ["Request", r.method + " " + r.target],
    ["Status", r.status || "the connection was cut before an answer"],
    ["Time", new Date(r.time).toISOString()],
    ["Fault", r.fault],
    ["Note", r.note],
  ]));
  if (verdictHelp[r.signature]) {
    inside.append(make("p", "", verdictHelp[r.signature]));
  }
  if (r.signature === "signature" && !r.note) {
    inside.append(make("p", "", "No usual mistake explains this. Most likely the secret key is wrong, or was changed, for example by a line break at its end."));
  }
  if (r.stringToSign) {
    inside.append(make("h3", "", "The string to sign"), make("pre", "string-to-sign", r.stringToSign));
  }
}

function isProblem(r) {
  return r.status === 0 || r.status >= 400 || Boolean(r.note) || Boolean(r.fault);
}

function requestRow() {
  const row = makeRow(["time", "operation", "status", "signature", "target"], fillRequest);
  row.change = (r) => {
    row.entry = r;
    setText(row.cells.time, shortTime(r.time));
    setText(row.cells.operation, r.operation);
    badge(row.cells.status, "status", r.status === 0 || r.status >= 400 ? "bad" : "good", r.status === 0 ? "cut" : String(r.status));
    const [kind, text] = verdicts[r.signature] || ["plain", r.signature];
    badge(row.cells.signature, "signature", kind, text);
    let target = r.method + " " + r.target;
    if (r.note) {
      target = r.note;
    }
    if (r.fault) {
      target = "fault " + r.fault + " · " + target;
    }
    row.cells.target.className = "target soft";
    setText(row.cells.target, target);
    row.item.hidden = !matches(r);
    row.refill();
  };
  return row;
}

function matches(r) {
  const wanted = byId("requests-filter").value.trim().toLowerCase();
  if (byId("requests-problems").checked && !isProblem(r)) {
    return false;
  }
  return wanted === "" || (r.operation + " " + r.method + " " + r.target + " " + r.status).toLowerCase().includes(wanted);
}

const requests = new List("requests", "n", requestRow);

function filterRequests() {
  for (const row of requests.shown.values()) {
    row.item.hidden = !matches(row.entry);
  }
}

byId("requests-filter").addEventListener("input", filterRequests);
byId("requests-problems").addEventListener("change", filterRequests);

// Actions.

let labels = [];

function answerKind(a) {
  if (a.status === "completed") {
    return a.answer === "GREEN" ? "good" : "bad";
  }
  return a.status === "init" ? "plain" : "wait";
}

function statusText(a) {
  return a.status === "completed" ? a.answer : a.status;
}

function decideForm(id) {
  const form = make("form", "decide");
  form.noValidate = true;
  const decide = (text, outcome, className, done) => {
    const button = make("button", className, text);
    button.type = "button";
    button.addEventListener("click", () => tell("POST", "actions/" + encodeURIComponent(id) + "/review", outcome(), done));
    return button;
  };
  const label = make("select");
  label.setAttribute("aria-label", "Reject label");
  for (const name of labels) {
    label.append(make("option", "", name));
  }
  const final = make("input");
  final.type = "checkbox";
  const finalLabel = make("label", "check");
  finalLabel.append(final, "Final");
  form.append(
    decide("Approve", () => ({ reviewAnswer: "GREEN" }), "", "Approved."),
    decide("Error", () => ({ reviewAnswer: "ERROR" }), "quiet", "Ended with an error."),
    decide("Hold", () => ({ outcome: "onHold" }), "quiet", "On hold."),
    label,
    finalLabel,
    decide("Reject", () => ({
      reviewAnswer: "RED",
      rejectLabels: [label.value],
      reviewRejectType: final.checked ? "FINAL" : "RETRY",
    }), "danger", "Rejected."),
  );
  form.addEventListener("submit", (event) => event.preventDefault());
  return form;
}

function size(bytes) {
  return bytes < 10000 ? bytes + " bytes" : Math.round(bytes / 1000) + " kB";
}

function imageList(a) {
  const list = make("ul", "images");
  for (const image of a.images) {
    const item = make("li");
    const link = make("a");
    const address = api + "actions/" + encodeURIComponent(a.id) + "/images/" + encodeURIComponent(image.imageId);
    const text = image.idDocType + ", " + size(image.size);
    if (image.kept && (image.mediaType === "image/jpeg" || image.mediaType === "image/png")) {
      const picture = make("img");
      picture.src = address;
      picture.alt = image.idDocType + " " + image.fileName;
      picture.loading = "lazy";
      link.append(picture);
    } else {
      link.append(make("span", "no-picture", image.kept ? image.mediaType : "not kept"));
    }
    link.href = address;
    link.target = "_blank";
    link.rel = "noopener";
    link.append(text);
    item.append(link);
    list.append(item);
  }
  return list;
}

function fillAction(inside, a) {
  const about = make("div");
  about.append(facts([
    ["Action ID", a.id],
    ["User", a.externalUserId],
    ["Applicant", a.applicantId],
    ["Level", a.levelName + " (" + a.kind + ")"],
    ["Status", a.status + (a.answer ? ": " + a.answer : "")],
    ["Reject labels", (a.rejectLabels || []).join(", ")],
    ["Reject type", a.rejectType],
    ["Comment", a.comment],
    ["Asked for by its ID", a.forced],
    ["Note", a.note],
    ["Images", a.imageCount > a.images.length ? "the last " + a.images.length + " of " + a.imageCount : ""],
  ]), imageList(a));
  if (inside.firstChild) { // the form keeps what was chosen in it
    const before = JSON.stringify(a);
    if (inside.dataset.entry !== before) {
      inside.dataset.entry = before;
      inside.firstChild.replaceWith(about);
    }
    return;
  }
  inside.dataset.entry = JSON.stringify(a);
  inside.append(about, decideForm(a.id));
}

function actionRow() {
  const row = makeRow(["time", "external", "user", "level", "state"], fillAction);
  row.change = (a) => {
    row.entry = a;
    setText(row.cells.time, shortTime(a.createdAt));
    setText(row.cells.external, a.externalActionId);
    row.cells.user.className = "user soft";
    setText(row.cells.user, a.externalUserId);
    row.cells.level.className = "level soft";
    setText(row.cells.level, a.levelName);
    badge(row.cells.state, "state", answerKind(a), statusText(a) + (a.note && a.answer === "ERROR" ? " (no image)" : ""));
    row.refill();
  };
  return row;
}

const actions = new List("actions", "id", actionRow);

// Deliveries.

function lastAttempt(d) {
  return (d.attempts || [])[(d.attempts || []).length - 1];
}

function deliveryText(d) {
  const last = lastAttempt(d);
  const result = last ? " " + (last.status || last.problem) : "";
  return d.state + result;
}

function fillDelivery(inside, d) {
  const about = make("div");
  for (const attempt of d.attempts || []) {
    about.append(facts([
      ["Attempt " + attempt.attempt, shortTime(attempt.time) + ", " + attempt.millis + " ms"],
      ["Receiver", attempt.status ? "answered " + attempt.status : attempt.problem],
      ["Next", attempt.next ? "in " + attempt.next : ""],
    ]));
    if (attempt.answer) {
      about.append(make("pre", "receiver-answer", attempt.answer));
    }
  }
  about.append(make("h3", "", "Body"), make("pre", "", d.body));
  if (inside.firstChild) {
    inside.firstChild.replaceWith(about);
    return;
  }
  const resend = make("button", "", "Resend");
  resend.type = "button";
  resend.addEventListener("click", () => tell("POST", "deliveries/" + d.n + "/resend", undefined, "Sent again."));
  inside.append(about, resend);
}

function deliveryRow() {
  const row = makeRow(["time", "type", "action", "state"], fillDelivery);
  row.change = (d) => {
    row.entry = d;
    setText(row.cells.time, shortTime(d.time));
    setText(row.cells.type, d.type);
    row.cells.action.className = "action soft";
    setText(row.cells.action, d.actionId ? "action " + d.actionId : "");
    badge(row.cells.state, "state", d.state === "accepted" ? "good" : d.state === "failed" ? "bad" : "wait", deliveryText(d));
    row.refill();
  };
  return row;
}

const deliveries = new List("deliveries", "n", deliveryRow);

// Settings.

function listInto(list, lines) {
  list.replaceChildren(...lines.map((line) => make("li", "", line)));
}

function showSettings(s) {
  labels = s.labels;
  setText(byId("outcome-now"), s.outcome.outcome);
  setText(byId("webhook-now"), s.webhookInside ? "in memory" : s.webhookUrl || "none");
  setText(byId("clock-now"), s.clockOffset);
  setText(byId("fault-kinds"), s.faultKinds.filter((kind) => !kind.startsWith("status")).join(", "));
  setText(byId("known-only"), s.knownOnly
    ? "Only these are known."
    : "Any applicant and user is known and approved. Add one to say which user it is.");
  const shown = s.applicants.map((a) => a.externalUserId + " – " + a.id);
  if (s.applicantCount > shown.length) {
    shown.push("and " + (s.applicantCount - shown.length) + " more");
  }
  listInto(byId("applicants"), shown);
  listInto(byId("levels"), s.levels.map((level) => level.name + " – " + level.type));
}

let faultsShown = "";

function showFaults(faults) {
  if (faults === faultsShown && byId("faults-text").textContent !== "") {
    return;
  }
  faultsShown = faults;
  setText(byId("faults-text"), faults || "none");
  byId("faults-now").hidden = faults === "";
  setText(byId("faults-now").querySelector("code"), faults);
}

function onSubmit(id, tellIt) {
  byId(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    await tellIt();
  });
}

const value = (id) => byId(id).value.trim();

onSubmit("outcome-form", () => tell("PUT", "outcome", { outcome: value("outcome") || "GREEN" }, "The outcome is set."));
onSubmit("faults-form", () => tell("PUT", "faults", { faults: value("faults") }, "The faults are set."));
onSubmit("webhook-form", () => tell("PUT", "webhook-url", { url: value("webhook-url") }, "The webhook URL is set."));
onSubmit("clock-form", () => tell("PUT", "clock", { offset: value("clock") || "0s" }, "The clock is set."));
onSubmit("level-form", () => tell("POST", "levels", { name: value("level-name"), type: value("level-type") }, "The level was added."));
onSubmit("applicant-form", () => tell("POST", "applicants",
  { id: value("applicant-id"), externalUserId: value("applicant-user") }, "The applicant was added."));
onSubmit("event-form", async () => {
  try {
    await send("POST", "events", byId("event").value);
    say("The event was sent. See the deliveries.", "good");
  } catch (error) {
    say(error.message, "bad");
    byId("message").focus();
  }
});
onSubmit("reset-form", () => tell("POST", "reset", undefined, "Everything was reset to the start."));
byId("end-faults").addEventListener("click", async () => {
  if (await tell("DELETE", "faults", undefined, "The faults have ended.")) {
    byId("message").focus();
  }
});

byId("event").value = JSON.stringify({
  applicantId: "63e096c51b6b4030f2e01154",
  inspectionId: "63e096c51b6b4030f2e01155",
  correlationId: "req-by-hand",
  externalUserId: "JamesBond007",
  type: "applicantReviewed",
  reviewResult: { reviewAnswer: "GREEN" },
  reviewStatus: "completed",
  createdAtMs: new Date().toISOString().replace("T", " ").replace("Z", ""),
}, null, 2);

// The stream. Messages wait for the next frame, so that many at once are shown
// together; while it is paused they wait for the end of the pause.

let waiting = [];
let paused = false;
let frame = 0;
let totals = { requests: 0 };

function showWaiting() {
  frame = 0;
  for (const m of waiting) {
    if (m.reset) {
      requests.clear();
      actions.clear();
      deliveries.clear();
    }
    if (m.settings) {
      showSettings(m.settings);
    }
    showFaults(m.faults);
    actions.put(m.actions);
    deliveries.put(m.deliveries);
    totals.requests = m.total;
  }
  // Only the last ones can be seen.
  const from = waiting.map((m) => Boolean(m.reset)).lastIndexOf(true);
  requests.put(waiting.slice(Math.max(from, 0)).flatMap((m) => m.requests));
  waiting = [];
  requests.finish(totals.requests);
  actions.finish(actions.shown.size);
  deliveries.finish(deliveries.shown.size);
}

function later() {
  if (!paused && frame === 0) {
    frame = document.hidden ? setTimeout(showWaiting, 500) : requestAnimationFrame(showWaiting);
  }
}

function take(m) {
  waiting.push(m);
  while (waiting.length > 200) { // paused for long: what is older than the last 500 is not shown anyway
    const [first, second] = waiting.splice(0, 2);
    waiting.unshift(second.reset ? second : {
      reset: first.reset,
      settings: second.settings || first.settings,
      faults: second.faults,
      total: second.total,
      requests: first.requests.concat(second.requests).slice(-limit),
      actions: first.actions.concat(second.actions).slice(-limit),
      deliveries: first.deliveries.concat(second.deliveries).slice(-limit),
    });
  }
  later();
}

byId("pause").addEventListener("click", () => {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  setText(byId("pause"), paused ? "Resume" : "Pause");
  later();
});

function connection(kind, text) {
  const shown = byId("connection");
  if (shown.textContent !== text) {
    shown.className = "badge " + kind;
    shown.textContent = text;
  }
}

function connect() {
  const stream = new EventSource(api + "stream");
  stream.addEventListener("open", () => connection("good", "live"));
  stream.addEventListener("message", (event) => take(JSON.parse(event.data)));
  stream.addEventListener("error", () => {
    connection("bad", "the simulator does not answer");
    if (stream.readyState === EventSource.CLOSED) {
      setTimeout(connect, 2000);
    }
  });
}

showPart();
connect();
