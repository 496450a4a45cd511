// Draws the chart of one series from the data in the page: value and band above, return period below.
"use strict";

(() => {
  const place = document.getElementById("chart");
  if (!place) return;
  const { names, share, unit, points, incidents } = JSON.parse(document.getElementById("chart-data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  // The strip is read in lengths of time, so its ticks are minutes given as their natural log.
  const lengths = [["hour", 60], ["day", 1440], ["week", 10080], ["year", 525960], ["century", 52596000], ["100k years", 5.2596e10]];

  const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  function traces(colour) {
    const x = points.time_ms;
    const percent = share ? ".2%" : ",.3~g";
    // Without markers a minute between two gaps would not show.
    const gaps = points.observed.some((value, index) => value === null && index > 0 && points.observed[index - 1] !== null);
    const edge = { type: "scatter", mode: "lines", x, line: { width: 0 }, hoverinfo: "skip", showlegend: false };
    return [
      { ...edge, y: points.lower, name: "lower" },
      { ...edge, y: points.upper, name: "usual range (99 %)", fill: "tonexty", fillcolor: colour("--band"), showlegend: true },
      {
        type: "scatter", mode: "lines", x, y: points.expected, name: "expected", line: { width: 1, dash: "dot", color: colour("--expected") },
        hovertemplate: `%{y:${percent}} expected<extra></extra>`,
      },
      {
        type: "scatter", mode: gaps ? "lines+markers" : "lines", x, y: points.observed, name: "observed",
        line: { width: 1.4, color: colour("--line") }, marker: { size: 2.5, color: colour("--line") },
        customdata: points.n, hovertemplate: `<b>%{y:${percent}}</b> observed, n %{customdata:,.0f}<extra></extra>`,
      },
      {
        type: "scatter", mode: "lines", x, y: points.log_return_period, yaxis: "y2", name: "return period", showlegend: false,
        line: { width: 1.2, color: colour("--mark") }, fill: "tozeroy", fillcolor: colour("--band"),
        customdata: points.log_return_period.map(words), hovertemplate: "by chance %{customdata}<extra></extra>",
      },
    ];
  }

  function words(log) {
    if (log === null) return "unknown";
    const minutes = Math.exp(Math.min(log, 40));
    const [name, width] = [["minutes", 1], ["hours", 60], ["days", 1440], ["years", 525960]].filter(([, w]) => minutes >= 2 * w || w === 1).pop();
    return `once in ${(minutes / width).toLocaleString("en", { maximumSignificantDigits: 2 })} ${name}`;
  }

  function shapes(colour) {
    const last = points.time_ms[points.time_ms.length - 1];
    const first = points.time_ms[0];
    return incidents.flatMap((incident) => {
      const from = Math.max(incident.from_ms, first);
      const shade = {
        type: "rect", xref: "x", yref: "paper", y0: 0, y1: 1, x0: from, x1: Math.min(incident.until_ms ?? last, last), layer: "below",
        fillcolor: colour(`--${incident.severity}`), opacity: 0.13, line: { width: 0 },
      };
      const seen = { type: "line", xref: "x", yref: "paper", y0: 0, y1: 1, x0: incident.detected_ms, x1: incident.detected_ms, line: { width: 1, dash: "dash", color: colour(`--${incident.severity}`) } };
      return incident.detected_ms >= first && incident.detected_ms <= last ? [shade, seen] : [shade];
    });
  }

  function labels(colour) {
    const room = Math.max(12, Math.floor(place.clientWidth / 14));
    return incidents.map((incident, index) => {
      const text = `${names[incident.severity]} ${incident.title}`;
      const shown = text.length > room ? `${text.slice(0, room - 1)}…` : text;
      const middle = (points.time_ms[0] + points.time_ms[points.time_ms.length - 1]) / 2;
      const x = Math.max(incident.from_ms, points.time_ms[0]);
      return {
        xref: "x", yref: "paper", x, y: 1 - 0.055 * (index % 4), text: escaped(shown), showarrow: false, align: "left",
        // A label begins at its region's start, but in the right half it ends there, so that it is never cut off.
        xanchor: x > middle ? "right" : "left", yanchor: "top", font: { size: 11, color: colour(`--${incident.severity}`) },
      };
    });
  }

  function draw() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const highest = Math.max(10, ...points.log_return_period.filter((value) => value !== null));
    const ticks = [];
    for (const [name, minutes] of lengths) {
      const at = Math.log(minutes);
      // Closer than this two labels would touch.
      if (at <= highest * 1.05 && at - (ticks.at(-1)?.[1] ?? -9) > highest * 0.22) ticks.push([name, at]);
    }
    const axis = { gridcolor: colour("--rule"), linecolor: colour("--rule"), zeroline: false, tickfont: { size: 11 }, fixedrange: true };
    const layout = {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: colour("--panel"), hovermode: "x unified", dragmode: "zoom",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("--soft") },
      margin: { l: 64, r: 12, t: 34, b: 32 }, legend: { orientation: "h", x: 0, y: 1.01, yanchor: "bottom", font: { size: 11 } },
      hoverlabel: { bgcolor: colour("--panel"), bordercolor: colour("--rule"), font: { color: colour("--ink") } },
      xaxis: { ...axis, type: "date", anchor: "y2", fixedrange: false, range: [points.time_ms[0], points.time_ms.at(-1) + 60000], hoverformat: "%a %d %b %H:%M UTC" },
      yaxis: { ...axis, domain: [0.29, 1], rangemode: "tozero", tickformat: share ? ".3~%" : "~s", title: { text: share ? "" : escaped(unit), font: { size: 11 } } },
      yaxis2: { ...axis, domain: [0, 0.22], range: [0, highest * 1.08], tickvals: ticks.map(([, at]) => at), ticktext: ticks.map(([name]) => name) },
      shapes: shapes(colour), annotations: labels(colour),
    };
    window.Plotly.react(place, traces(colour), layout, { responsive: true, displayModeBar: false, displaylogo: false });
  }

  place.hidden = false; // without scripts there is a still picture instead
  dark.addEventListener("change", draw);
  draw();
})();
