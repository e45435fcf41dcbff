// Renews what shows [data-changes] when the collector says that something has changed. What comes is a page of ours.
"use strict";
const says = document.getElementById("status");
const live = document.querySelector("[data-changes]");
let isRenewing = false, isBehind = false;

async function renew() {
  if (document.hidden || isRenewing) { isBehind = true; return; }
  isRenewing = true;
  isBehind = false;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (answer.redirected) { location.reload(); return; }
    if (!answer.ok) throw new Error(answer.statusText);
    put(new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-changes]"));
    says.textContent = "";
    document.dispatchEvent(new Event("renewed"));
  } catch {
    says.textContent = "The page could not be renewed; it is tried again at the next change.";
  } finally {
    isRenewing = false;
  }
  if (isBehind) renew();
}

function put(fresh) {
  const focused = document.activeElement;
  become(live, fresh);
  // An element that was moved has lost it.
  if (live.contains(focused)) focused.focus({ preventScroll: true });
}

// What a part is known by, wherever it stands among others.
function key(node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return null;
  return node.dataset.key || node.id || node.getAttribute("aria-labelledby") || (node.nodeName === "OPTION" ? node.value : null);
}

// What whoever looks has chosen.
const CHOSEN = new Set(["open", "selected", "checked"]);

// Changes nothing but what differs: so what is open, typed, focused, scrolled or drawn stays as it is.
function become(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of Array.from(old.attributes)) if (!fresh.hasAttribute(name) && !CHOSEN.has(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value && !CHOSEN.has(name)) old.setAttribute(name, value);
  if (!old.hasAttribute("data-drawn")) becomeWithin(old, fresh);
}

function becomeWithin(old, fresh) {
  const known = new Map(Array.from(old.childNodes).filter(key).map((one) => [key(one), one]));
  const wanted = new Set(Array.from(fresh.childNodes, key));
  for (const [name, one] of known) if (!wanted.has(name)) one.remove();
  let at = old.firstChild;
  for (const child of Array.from(fresh.childNodes)) {
    const same = key(child) ? known.get(key(child)) : at && !key(at) && at.nodeName === child.nodeName ? at : undefined;
    if (same && same.nodeName === child.nodeName) {
      if (same === at) at = at.nextSibling;
      else old.insertBefore(same, at);
      become(same, child);
    } else {
      if (child.nodeName === "OPTION") child.removeAttribute("selected");
      old.insertBefore(child, at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

let isFirst = true;
const changes = new EventSource(live.dataset.changes);
changes.addEventListener("change", () => {
  says.textContent = "";
  if (!isFirst) renew();
  isFirst = false;
});
changes.addEventListener("error", () => {
  isFirst = false;
  says.textContent = "This page does not renew itself now: the collector is not reached.";
});
document.addEventListener("visibilitychange", () => { if (!document.hidden && isBehind) renew(); });
addEventListener("pagehide", () => changes.close());
