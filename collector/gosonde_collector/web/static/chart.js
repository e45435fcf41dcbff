// How a finding's site and the garbage collector went; the numbers are in the page, too.
"use strict";
const places = Array.from(document.querySelectorAll("[data-chart]"));
const MIB = 1048576;

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function clock(seconds) {
  return seconds === null ? "" : `${new Date(seconds * 1000).toISOString().slice(11, 19)} UTC`;
}

function shown(unit, mark) {
  return (_, value) => value === null ? "" : `${mark}${value.toLocaleString("en", { maximumFractionDigits: 3 })}${unit}`;
}

function lines(known) {
  const about = known.precise ? "" : "~";
  const rates = about || (known.points.some((one) => one.is_estimated) ? "~" : "");
  const line = (label, stroke, of, more) => ({ of, series: { label, stroke: colour(stroke), width: 2, points: { show: false }, ...more } });
  const share = (key, by) => (one) => one[key] === null ? null : one[key] / by;
  return {
    live: [line("live", "--bad", (one) => one.live, { paths: uPlot.paths.stepped({ align: 1 }), value: shown("", about) })],
    rates: [
      line("created", "--bad", share("created_per_second", 1), { paths: uPlot.paths.stepped({ align: -1 }), value: shown(" per second", rates) }),
      line("exited", "--cool", share("exited_per_second", 1), { paths: uPlot.paths.stepped({ align: -1 }), dash: [6, 3], value: shown(" per second", rates) }),
    ],
    pauses: [line("longest pause", "--warn", share("longest_pause_ns", 1e6), { paths: uPlot.paths.bars({ size: [0.7, 8] }), fill: colour("--warn"), width: 0, value: shown(" ms", "") })],
    heap: [
      line("alive", "--good", share("heap_marked_bytes", MIB), { paths: uPlot.paths.stepped({ align: 1 }), value: shown(" MiB", "") }),
      line("goal", "--quiet", share("heap_goal_bytes", MIB), { paths: uPlot.paths.stepped({ align: 1 }), dash: [6, 3], value: shown(" MiB", "") }),
    ],
  };
}

function shade(window) {
  return (plot) => {
    const left = Math.max(plot.valToPos(window.from_unix_nano / 1e9, "x", true), plot.bbox.left);
    const right = Math.min(plot.valToPos(window.until_unix_nano / 1e9, "x", true), plot.bbox.left + plot.bbox.width);
    plot.ctx.fillStyle = colour("--shade");
    if (right > left) plot.ctx.fillRect(left, plot.bbox.top, right - left, plot.bbox.height);
  };
}

function options(place, window, drawn) {
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
  return {
    ...size(place),
    cursor: { drag: { x: true, y: false }, sync: { key: "finding" } },
    scales: { y: { range: (_, low, high) => [Math.min(low ?? 0, 0), (high > 0 ? high : 1) * 1.05] } },
    axes: [{ ...axis, space: 90, values: (_, at) => at.map((one) => clock(one).slice(0, 8)) }, { ...axis, size: 70 }],
    series: [{ label: "time", value: (_, at) => clock(at) }, ...drawn.map((one) => one.series)],
    hooks: { drawClear: [shade(window)] },
  };
}

function size(place) {
  return { width: place.clientWidth, height: place.classList.contains("low") ? 150 : 240 };
}

// Between the two points around a gap stands one without any number, so that no line is drawn over it.
function withGaps(points) {
  return points.flatMap((one, i) => one.is_after_gap ? [{ unix_nano: (points[i - 1].unix_nano + one.unix_nano) / 2 }, one] : [one]);
}

async function draw() {
  const answer = await fetch(places[0].dataset.source);
  if (!answer.ok) return;
  const known = await answer.json();
  const points = withGaps(known.points), all = lines(known);
  const column = (of) => points.map((one) => one.live === undefined ? null : of(one));
  const plots = places.map((place) => {
    const drawn = all[place.dataset.chart];
    return new uPlot(options(place, known.window, drawn), [points.map((one) => one.unix_nano / 1e9), ...drawn.map((one) => column(one.of))], place);
  });
  addEventListener("resize", () => plots.forEach((plot, i) => plot.setSize(size(places[i]))));
}
if (places.length) draw();
