"use strict";

// The code of the link stands in the fragment, which browsers do not send. It
// goes to the server in the body of a POST, and nowhere else.
const code = () => location.hash.replace(/^#\/?/, "");
const byId = (id) => document.getElementById(id);
const form = byId("decision");
const button = form.querySelector("button");
let labelsShown = false;

async function post(path, body) {
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify(body),
      credentials: "omit",
      cache: "no-store",
    });
  } catch {
    throw new Error("The simulator does not answer. It was stopped, or cannot be reached from here: start it again and ask for a new link.");
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

function show(view) {
  for (const name of ["externalUserId", "applicantId", "externalActionId", "actionId", "levelName", "asks"]) {
    byId(name).textContent = view[name];
  }
  let status = view.reviewStatus;
  if (view.reviewAnswer) {
    status += ": " + view.reviewAnswer;
  }
  if (view.rejectLabels && view.rejectLabels.length > 0) {
    status += " (" + view.rejectLabels.join(", ") + ")";
  }
  byId("status").textContent = status;
  if (!labelsShown) {
    labelsShown = true;
    view.labels.forEach(addLabel);
  }
  byId("action").hidden = false;
  form.hidden = false;
}

function addLabel(name, index) {
  const label = document.createElement("label");
  label.className = "choice";
  const box = document.createElement("input");
  box.type = "checkbox";
  box.name = "label";
  box.value = name;
  box.checked = index === 0;
  const text = document.createElement("span");
  text.textContent = name;
  label.append(box, " ", text);
  byId("labels").append(label);
}

function fail(error) {
  say(error.message, "bad");
  byId("message").focus();
}

async function open() {
  byId("action").hidden = true;
  form.hidden = true;
  try {
    const view = await post("api/session", { code: code() });
    show(view);
    byId("message").hidden = true;
    if (view.reviewStatus === "completed") {
      say("This action has already been decided: " + view.reviewAnswer + ". A real one would end here. If you choose again, the verdict is replaced.", "");
    } else if (view.reviewStatus === "pending") {
      say("This action has already been submitted and waits for its review. If you choose, you decide it.", "");
    }
  } catch (error) {
    fail(error);
  }
}

const endings = {
  approve: "Approved. You can close this page.",
  reject: "Rejected. You can close this page.",
  error: "Ended with an error. You can close this page.",
  hold: "On hold. Choose again to decide it.",
};

form.addEventListener("change", () => {
  byId("reasons").hidden = form.elements.outcome.value !== "reject";
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (button.getAttribute("aria-disabled") === "true") {
    return;
  }
  button.setAttribute("aria-disabled", "true");
  const outcome = form.elements.outcome.value;
  const decision = { code: code(), outcome };
  if (outcome === "reject") {
    decision.rejectLabels = Array.from(form.querySelectorAll("[name=label]:checked"), (box) => box.value);
    decision.final = byId("final").checked;
    decision.comment = byId("comment").value;
  }
  try {
    show(await post("api/decision", decision));
    say(endings[outcome], "good");
    byId("message").focus();
  } catch (error) {
    fail(error);
  } finally {
    button.removeAttribute("aria-disabled");
  }
});

addEventListener("hashchange", open);
open();
