// Zoom, search and keys of a flame graph. Names go in and out as text alone, never as markup.
"use strict";
const MARGIN = 10, LINE = 18, CHARACTER = 7.3, NARROW = 700;
const svg = document.documentElement;
const all = document.getElementById("calls");
const says = document.getElementById("says");
const search = document.getElementById("search");
const box = document.getElementById("box");
const paper = document.getElementById("paper");
const meanings = Array.from(document.querySelectorAll(".means"));
const high = svg.viewBox.baseVal.height;
const help = says.textContent;
const total = Number(all.dataset.total);
const calls = Array.from(all.children, (g) => ({
  g, rect: g.querySelector("rect"), text: g.querySelector("text"), name: g.dataset.name,
  label: g.dataset.change === undefined ? g.dataset.name : `${g.dataset.change} ${g.dataset.name}`,
  left: Number(g.dataset.left), count: Number(g.dataset.width ?? g.dataset.goroutines), depth: Number(g.dataset.depth),
  now: Number(g.dataset.goroutines), before: Number(g.dataset.before),
}));
const isOfChange = "before" in all.firstElementChild.dataset;
const of = new Map(calls.map((call) => [call.g, call]));
// They come each before what it calls.
const above = [];
for (const call of calls) {
  above.length = call.depth;
  call.parent = above[call.depth - 1];
  call.below = [];
  if (call.parent) call.parent.below.push(call);
  above.push(call);
}
let zoomed = calls[0], current = calls[0], room = 0, lines = 1;

// Lays everything out for the window: letters stay as large as they are, and calls become as wide as there is room.
function fit() {
  const width = Math.max(Math.floor(svg.getBoundingClientRect().width), 320), isNarrow = width < NARROW;
  room = width - 2 * MARGIN;
  lines = isNarrow ? 3 : 1;
  const searchWidth = isNarrow ? room : 280, end = isNarrow ? width : width - 300;
  box.setAttribute("x", width - MARGIN - searchWidth);
  box.setAttribute("width", searchWidth);
  let x = MARGIN, y = isNarrow ? 64 : 32;
  for (const one of meanings) {
    const wide = Number(one.dataset.width);
    if (x > MARGIN && x + wide > end) { x = MARGIN; y += LINE; }
    one.setAttribute("transform", `translate(${x},${y})`);
    x += wide;
  }
  says.setAttribute("y", y + 30);
  const down = y - 32 + (lines - 1) * LINE, height = high + down;
  all.setAttribute("transform", `translate(0,${down})`);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("height", height);
  paper.setAttribute("width", width);
  paper.setAttribute("height", height);
  say(said);
  zoom(zoomed);
}

let said = help;
function say(text) {
  said = text;
  const most = Math.floor(room / CHARACTER);
  says.replaceChildren(...Array.from({ length: lines }, (_, at) => {
    const line = document.createElementNS(svg.namespaceURI, "tspan");
    line.setAttribute("x", MARGIN);
    line.setAttribute("dy", at ? LINE : 0);
    line.textContent = text.slice(at * most, (at + 1) * most);
    return line;
  }));
}

function place(call, left, count) {
  call.g.style.display = count > 0 ? "" : "none";
  const width = Math.max(count / zoomed.count * room, 0), x = MARGIN + left / zoomed.count * room;
  call.rect.setAttribute("x", x);
  call.rect.setAttribute("width", width);
  call.text.setAttribute("x", x + 3);
  const most = Math.floor((width - 6) / CHARACTER);
  call.text.textContent = call.label.length <= most ? call.label : most > 2 ? call.label.slice(0, most - 1) + "…" : "";
}

function zoom(to) {
  zoomed = to;
  const end = to.left + to.count;
  for (const call of calls) {
    const isAbove = call.depth < to.depth && call.left <= to.left && call.left + call.count >= end;
    const isInside = call.depth >= to.depth && call.left >= to.left && call.left + call.count <= end;
    call.g.classList.toggle("above", isAbove);
    if (isAbove) place(call, 0, to.count);
    else place(call, call.left - to.left, isInside ? call.count : 0);
  }
}

// In a page that renews itself the picture is loaded again whenever its stacks change: what was looked at stays.
function keep() {
  if (window === parent) return;
  const names = [];
  for (let call = zoomed; call.parent; call = call.parent) names.unshift(call.name);
  sessionStorage.setItem(location.pathname, JSON.stringify({ names, wanted: search.value }));
}

function recall() {
  if (window === parent) return;
  const kept = JSON.parse(sessionStorage.getItem(location.pathname) ?? '{"names":[],"wanted":""}');
  search.value = kept.wanted;
  zoomed = kept.names.reduce((call, name) => call?.below.find((one) => one.name === name), calls[0]) ?? calls[0];
}

function go(to) {
  if (!to || to.g.style.display === "none") return;
  current.g.setAttribute("tabindex", "-1");
  current = to;
  current.g.setAttribute("tabindex", "0");
  current.g.focus();
}

function beside(call, step) {
  if (!call.parent) return null;
  const row = call.parent.below;
  return row[row.indexOf(call) + step];
}

function find() {
  const wanted = search.value.toLowerCase();
  let count = 0, now = 0, before = 0, end = -1;
  for (const call of calls) {
    const isFound = wanted !== "" && call.depth > 0 && call.name.toLowerCase().includes(wanted);
    call.g.classList.toggle("found", isFound);
    // A call inside of one that was counted adds nothing.
    if (isFound && call.left >= end) {
      count += call.count;
      now += call.now;
      before += call.before;
      end = call.left + call.count;
    }
  }
  const share = (count / total * 100).toFixed(1);
  const change = `${now < before ? "" : "+"}${now - before}`;
  const text = isOfChange ? `${now} goroutines are in what was found, ${before} before (${change})`
    : `${count} of ${total} goroutines (${share} %) are in what was found`;
  say(wanted === "" ? help : text);
}

const keys = {
  ArrowUp: () => go(current.parent),
  ArrowDown: () => go(current.below[0]),
  ArrowLeft: () => go(beside(current, -1)),
  ArrowRight: () => go(beside(current, 1)),
  Enter: () => zoom(current),
  " ": () => zoom(current),
  "/": () => search.focus(),
  Escape: () => zoom(calls[0]),
};

all.addEventListener("click", (event) => {
  const call = of.get(event.target.closest(".call"));
  if (call) { go(call); zoom(call); }
});
all.addEventListener("focusin", (event) => {
  const call = of.get(event.target.closest(".call"));
  if (call) say(call.g.querySelector("title").textContent);
});
search.addEventListener("input", find);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target === search) {
    if (event.key === "Escape") { search.value = ""; find(); go(current); }
    if (event.key === "Enter") go(calls.find((call) => call.g.classList.contains("found")));
    return;
  }
  if (!(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});
addEventListener("resize", fit);
addEventListener("pagehide", keep);
recall();
fit();
if (search.value) find();
