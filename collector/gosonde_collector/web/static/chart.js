// How a finding's site and the garbage collector went; the numbers are in the page, too.
"use strict";
const MIB = 1048576;
// What is drawn, by where it stands; the window that was judged; what stands before numbers that are not exact.
const plots = new Map();
let judged, marks;

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function clock(seconds) {
  return seconds === null ? "" : `${new Date(seconds * 1000).toISOString().slice(11, 19)} UTC`;
}

function shown(unit, mark) {
  return (_, value) => value === null ? "" : `${marks[mark]}${value.toLocaleString("en", { maximumFractionDigits: 3 })}${unit}`;
}

function lines() {
  const line = (label, stroke, of, more) => ({ of, series: { label, stroke: colour(stroke), width: 2, points: { show: false }, ...more } });
  const share = (key, by) => (one) => one[key] === null ? null : one[key] / by;
  return {
    live: [line("live", "--bad", (one) => one.live, { paths: uPlot.paths.stepped({ align: 1 }), value: shown("", "about") })],
    rates: [
      line("created", "--bad", share("created_per_second", 1), { paths: uPlot.paths.stepped({ align: -1 }), value: shown(" per second", "rates") }),
      line("exited", "--cool", share("exited_per_second", 1), { paths: uPlot.paths.stepped({ align: -1 }), dash: [6, 3], value: shown(" per second", "rates") }),
    ],
    pauses: [line("longest pause", "--warn", share("longest_pause_ns", 1e6), { paths: uPlot.paths.bars({ size: [0.7, 8] }), fill: colour("--warn"), width: 0, value: shown(" ms", "none") })],
    heap: [
      line("alive", "--good", share("heap_marked_bytes", MIB), { paths: uPlot.paths.stepped({ align: 1 }), value: shown(" MiB", "none") }),
      line("goal", "--quiet", share("heap_goal_bytes", MIB), { paths: uPlot.paths.stepped({ align: 1 }), dash: [6, 3], value: shown(" MiB", "none") }),
    ],
  };
}

function shade(plot) {
  const left = Math.max(plot.valToPos(judged.from_unix_nano / 1e9, "x", true), plot.bbox.left);
  const right = Math.min(plot.valToPos(judged.until_unix_nano / 1e9, "x", true), plot.bbox.left + plot.bbox.width);
  plot.ctx.fillStyle = colour("--shade");
  if (right > left) plot.ctx.fillRect(left, plot.bbox.top, right - left, plot.bbox.height);
}

function options(place, drawn) {
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
  return {
    ...size(place),
    cursor: { drag: { x: true, y: false }, sync: { key: "finding" } },
    scales: { y: { range: (_, low, high) => [Math.min(low ?? 0, 0), (high > 0 ? high : 1) * 1.05] } },
    axes: [{ ...axis, space: 90, values: (_, at) => at.map((one) => clock(one).slice(0, 8)) }, { ...axis, size: 70 }],
    series: [{ label: "time", value: (_, at) => clock(at) }, ...drawn.map((one) => one.series)],
    hooks: { drawClear: [shade] },
  };
}

function size(place) {
  return { width: place.clientWidth, height: place.classList.contains("low") ? 150 : 240 };
}

// Between the two points around a gap stands one without any number, so that no line is drawn over it.
function withGaps(points) {
  return points.flatMap((one, i) => one.is_after_gap ? [{ unix_nano: (points[i - 1].unix_nano + one.unix_nano) / 2 }, one] : [one]);
}

// Nothing when the collector is not reached, or the page is left meanwhile: what is drawn stays.
async function asked(source) {
  try {
    const answer = await fetch(source);
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

async function draw() {
  const places = Array.from(document.querySelectorAll("[data-chart]"));
  if (!places.length) return;
  const known = await asked(places[0].dataset.source);
  if (!known) return;
  const points = withGaps(known.points), all = lines();
  const column = (of) => points.map((one) => one.live === undefined ? null : of(one));
  judged = known.window;
  const about = known.precise ? "" : "~";
  marks = { about, rates: about || (known.points.some((one) => one.is_estimated) ? "~" : ""), none: "" };
  for (const place of plots.keys()) if (!place.isConnected) plots.delete(place);
  for (const place of places) {
    const drawn = all[place.dataset.chart];
    const data = [points.map((one) => one.unix_nano / 1e9), ...drawn.map((one) => column(one.of))];
    if (plots.has(place)) renewed(plots.get(place), data);
    else plots.set(place, new uPlot(options(place, drawn), data, place));
  }
}

// Whoever has chosen a part of the time goes on to see that.
function renewed(plot, data) {
  const times = plot.data[0], isWhole = plot.scales.x.min <= times[0] && plot.scales.x.max >= times[times.length - 1];
  plot.setData(data, isWhole);
  if (!isWhole) plot.redraw();
}

addEventListener("resize", () => plots.forEach((plot, place) => plot.setSize(size(place))));
document.addEventListener("renewed", draw);
draw();
