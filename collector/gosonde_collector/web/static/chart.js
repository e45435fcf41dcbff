// Live goroutines against time, with the window that was judged; the numbers are in the page, too.
"use strict";
const place = document.getElementById("chart");

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function clock(seconds) {
  return seconds === null ? "" : `${new Date(seconds * 1000).toISOString().slice(11, 19)} UTC`;
}

function options(window) {
  const [from, until] = [window.from_unix_nano / 1e9, window.until_unix_nano / 1e9];
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
  return {
    width: place.clientWidth, height: 240,
    cursor: { drag: { x: true, y: false } },
    scales: { y: { range: (_, low, high) => [Math.min(low, 0), Math.max(high, 1) * 1.05] } },
    axes: [{ ...axis, space: 90, values: (_, at) => at.map((one) => clock(one).slice(0, 8)) }, { ...axis, size: 70 }],
    series: [{ label: "time", value: (_, at) => clock(at) }, { label: "live", stroke: colour("--bad"), width: 2, paths: uPlot.paths.stepped({ align: 1 }) }],
    hooks: {
      drawClear: [(plot) => {
        const left = Math.max(plot.valToPos(from, "x", true), plot.bbox.left);
        const right = Math.min(plot.valToPos(until, "x", true), plot.bbox.left + plot.bbox.width);
        plot.ctx.fillStyle = colour("--shade");
        if (right > left) plot.ctx.fillRect(left, plot.bbox.top, right - left, plot.bbox.height);
      }],
    },
  };
}

async function draw() {
  const answer = await fetch(place.dataset.source);
  if (!answer.ok) return;
  const known = await answer.json();
  const data = [known.points.map((one) => one.unix_nano / 1e9), known.points.map((one) => one.live)];
  const plot = new uPlot(options(known.window), data, place);
  addEventListener("resize", () => plot.setSize({ width: place.clientWidth, height: 240 }));
}
if (place) draw();
