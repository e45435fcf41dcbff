// Renews the list when the collector says that something has changed. What comes is a page of ours, put in as it is.
"use strict";
const says = document.getElementById("status");
let isRenewing = false, isBehind = false;

async function renew() {
  if (document.hidden || isRenewing) { isBehind = true; return; }
  isRenewing = true;
  isBehind = false;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (answer.redirected) { location.reload(); return; }
    if (!answer.ok) throw new Error(answer.statusText);
    put(new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live"));
    says.textContent = "";
  } catch {
    says.textContent = "The list could not be renewed; it is tried again at the next change.";
  } finally {
    isRenewing = false;
  }
  if (isBehind) renew();
}

function put(fresh) {
  const live = document.getElementById("live");
  const focused = live.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  live.replaceWith(fresh);
  if (focused !== null) {
    const link = Array.from(fresh.querySelectorAll("a")).find((one) => one.getAttribute("href") === focused);
    if (link) link.focus({ preventScroll: true });
  }
}

let isFirst = true;
const changes = new EventSource(document.getElementById("live").dataset.changes);
changes.addEventListener("change", () => {
  says.textContent = "";
  if (!isFirst) renew();
  isFirst = false;
});
changes.addEventListener("error", () => {
  isFirst = false;
  says.textContent = "This list does not renew itself now: the collector is not reached.";
});
document.addEventListener("visibilitychange", () => { if (!document.hidden && isBehind) renew(); });
addEventListener("pagehide", () => changes.close());
